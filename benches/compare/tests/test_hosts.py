import unittest

from harness import hosts
from harness.peers import Missing


class Tables(unittest.TestCase):
    def test_the_table_is_found_among_other_lines(self):
        text = "== building\n| what | midge |\n|---|---|\n| bytes | 1 |\ndone\n"
        self.assertEqual(hosts.table(text), "| what | midge |\n|---|---|\n| bytes | 1 |")

    def test_no_table_is_a_reason_not_a_table_of_nothing(self):
        for text in ("", "| what | midge |\n|---|---|\n", "nothing"):
            with self.assertRaises(Missing):
                hosts.table(text)

    def test_a_harness_that_fails_is_named_with_its_last_words(self):
        shown = hosts.section("Lambda", "told.", ["sh", "-c", "echo first; echo last words >&2; exit 3"], {})
        self.assertEqual(shown, "## Lambda\n\ntold.\n\nNot measured: sh failed: last words.")

    def test_a_harness_gets_its_environment(self):
        command = ["sh", "-c", 'printf "| a |\\n|---|\\n| $WORKERS_RS |\\n"']
        self.assertIn("| there |", hosts.section("Workers", "", command, {"WORKERS_RS": "there"}))


if __name__ == "__main__":
    unittest.main()
