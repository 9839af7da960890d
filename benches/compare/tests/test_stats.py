import unittest

from harness import stats


class Medians(unittest.TestCase):
    def test_the_middle_value_counts_and_of_two_their_mean(self):
        self.assertEqual(stats.median([9, 1, 5]), 5)
        self.assertEqual(stats.median([4, 1, 9, 2]), 3)
        self.assertEqual(stats.median([7]), 7)
        self.assertIsNone(stats.median([]))

    def test_a_ratio_is_of_neighbours_in_a_round(self):
        # The machine got slower throughout: the medians' quotient would be 1.
        self.assertEqual(stats.ratio([300, 200, 100], [200, 100, 50]), 2)
        self.assertEqual(stats.ratio([300, None, 100], [100, 100, 100]), 2)
        self.assertIsNone(stats.ratio([1], [0]))

    def test_what_happens_once_cancels_out(self):
        self.assertEqual(stats.per_request(once=1_000 + 50 * 3, twice=1_000 + 100 * 3, requests=50), 3)


class Reports(unittest.TestCase):
    def test_a_report_is_lines_of_name_and_number(self):
        self.assertEqual(stats.load_report("requests 40\np99.9 1.5 us\n"), {"requests": 40, "p99.9": 1.5})
        for text in ("requests", "requests many"):
            with self.assertRaises(ValueError):
                stats.load_report(text)

    def test_a_percentile_needs_requests_above_it(self):
        report = {"requests": 1_000, "p50": 1, "p99": 2, "p99.9": 3}
        self.assertEqual(stats.percentiles(report), {"p50": 1, "p99": 2})
        self.assertEqual(stats.percentiles(report | {"requests": 999}), {"p50": 1})
        self.assertEqual(set(stats.percentiles(report | {"requests": 10_000})), {"p50", "p99", "p99.9"})


class Callgrind(unittest.TestCase):
    DUMP = """version: 1
events: Ir
fl=(1) a.c
fn=(1) main
16 400
cfn=(2) malloc
calls=3 0
16 300
cfn=(3) helper'2
calls=9 +2
16 300
fn=(4) helper
20 5
cfn=(2)
calls=4 0
16 300
cfn=(5) realloc@@GLIBC_2.2.5
calls=1 0
16 20
cfn=(6) _int_malloc
calls=100 0
16 20
summary: 1725
totals: 1725
"""

    def test_calls_of_the_allocator_are_added_up_whoever_calls(self):
        self.assertEqual(stats.callgrind_dump(self.DUMP), {"instructions": 1_725, "allocations": 8})

    def test_a_dump_without_totals_is_an_error(self):
        with self.assertRaises(ValueError):
            stats.callgrind_dump("events: Ir\n")


class Strace(unittest.TestCase):
    def test_calls_are_read_with_and_without_errors(self):
        text = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           6       100         7 recvfrom
 40.00    0.000400           4       101           sendto
  0.00    0.000000           0         1           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           4       202         7 total
"""
        self.assertEqual(stats.strace_summary(text), {"recvfrom": 100, "sendto": 101, "write": 1})


if __name__ == "__main__":
    unittest.main()
