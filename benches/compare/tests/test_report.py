import tempfile
import unittest
from pathlib import Path

from harness import machine, peers, report, servers


def made_up():
    """Two peers under one scenario; the floor and midge have everything, the other lacks some."""
    full = {"rate": [200.0, 100.0], "rate_by_processor": [250.0, 120.0], "share": [0.8, 0.9], "p50": [10.0, 12.0], "p99": [20.0],
            "instructions": 500.0, "allocations": 0.0, "system_calls": 2.0}  # fmt: skip
    faster = full | {"rate": [400.0, 200.0], "instructions": 400.0, "allocations": 1.5, "p99": [5.0, 6.0]}
    alone = {"idle_bytes": 96.0, "resident_with_idle": 2048, "first_us": 1_500.0, "size": 500_000, "threads": 1}
    peer = {"version": "1.2.3", "about": "one worker", "failed": "", "wrong": {}, "answer_bytes": 130}
    return {
        "date": "2000-01-01", "cores": 2, "processor": "Some CPU", "memory_gib": 8, "kernel": "6.1", "rustc": "rustc 1.95.0",
        "load_before": 0.1, "load_after": 1.9, "rounds": 2, "milliseconds": 300, "idle_connections": 10_000, "starts": 31,
        "scenarios": {"plain": {"title": "40-byte GET", "connections": 64, "depth": 1, "counted": 3_200}},
        "peers": {
            "midge": peer | {"alone": dict(alone), "scenarios": {"plain": full}},
            "other": peer | {"alone": alone | {"size": 600_000}, "scenarios": {"plain": faster}},
            "broken": peer | {"failed": "it was not built: error: no", "alone": {}, "scenarios": {"plain": {}}},
        },
    }  # fmt: skip


class Pages(unittest.TestCase):
    def test_the_fastest_stands_first_with_its_ratio_to_midge(self):
        lines = report.rates(made_up(), "plain").splitlines()
        rows = [line for line in lines if line.startswith("| ")][2:]
        self.assertTrue(rows[0].startswith("| other | 300 | 2.00 |"), rows)
        self.assertTrue(rows[1].startswith("| **midge** | 150 | 1.00 |"), rows)

    def test_a_percentile_counts_only_if_every_round_has_it(self):
        values = made_up()["peers"]["midge"]["scenarios"]["plain"]
        self.assertEqual(report.microseconds(values, "p50"), "11")
        self.assertEqual(report.microseconds(values, "p99"), report.NONE)

    def test_where_midge_is_not_the_best_is_said(self):
        text = report.places(made_up())
        self.assertIn("40-byte GET, requests a second: other (300 : 150)", text)
        self.assertIn("40-byte GET, instructions: other (400 : 500)", text)
        self.assertNotIn("allocations", text)
        self.assertNotIn("stripped size", text)

    def test_a_rate_that_the_server_did_not_set_is_not_judged(self):
        measured = made_up()
        measured["peers"]["midge"]["scenarios"]["plain"]["share"] = [0.4, 0.3]
        text = report.places(measured)
        self.assertNotIn("requests a second: other", text)
        self.assertIn("set them: 40-byte GET", text)
        self.assertIn("40-byte GET, instructions: other", text)

    def test_who_waited_is_marked(self):
        measured = made_up()
        self.assertNotIn("†", report.rates(measured, "plain"))
        measured["peers"]["other"]["scenarios"]["plain"]["share"] = [0.1, 0.2]
        text = report.rates(measured, "plain")
        self.assertIn("| other † |", text)
        self.assertIn("† ran for less than half of the time", text)

    def test_who_is_ahead_in_most_rounds_but_not_in_the_middle_is_not_better(self):
        measured = made_up()
        own, other = (measured["peers"][peer]["scenarios"]["plain"] for peer in ("midge", "other"))
        own["rate"], other["rate"] = [100.0, 110.0, 400.0, 410.0, 420.0], [200.0, 220.0, 390.0, 395.0, 600.0]
        self.assertGreater(report.lead(other["rate"], own["rate"], False), 1)
        self.assertNotIn("requests a second: other", report.places(measured))

    def test_who_is_not_measured_is_named_with_the_reason(self):
        self.assertIn("- broken: it was not built: error: no", report.markdown(made_up(), []))

    def test_noise_is_owned_up_to(self):
        self.assertNotIn("noisy", report.markdown(made_up(), []))
        self.assertIn("noisy", report.markdown(made_up() | {"load_before": 3.0}, []))

    def test_a_hole_in_the_measurements_is_an_error(self):
        measured = made_up()
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "2000-01-01.md"
            page.write_text(report.markdown(measured, []))
            with self.assertRaisesRegex(servers.Failed, "broken: it was not built"):
                report.must_be_whole(measured, Path(folder))
            del measured["peers"]["broken"]
            report.must_be_whole(measured, Path(folder))
            del measured["peers"]["midge"]["scenarios"]["plain"]["allocations"]
            with self.assertRaisesRegex(servers.Failed, "midge, plain: allocations"):
                report.must_be_whole(measured, Path(folder))


class Machines(unittest.TestCase):
    def test_the_processor_is_read_and_no_host_named(self):
        self.assertEqual(machine.processor("processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n"), "Some CPU @ 3 GHz")
        self.assertNotIn(machine.platform.node(), [str(value) for value in machine.describe().values()])

    def test_what_is_kept_has_no_path_of_this_machine(self):
        text = f"Command '{machine.ROOT}/target/x' timed out: {tempfile.gettempdir()}/midge-compare-x/y"
        self.assertEqual(machine.without_paths(text), "Command 'target/x' timed out: midge-compare-x/y")


class Versions(unittest.TestCase):
    def test_every_crate_among_the_peers_is_locked_at_one_version(self):
        for peer in peers.all_peers():
            if peer.crate and peer.crate != "midge":
                self.assertRegex(peers.locked_version(peer.crate), r"^\d+\.\d+")
        with self.assertRaises(peers.Missing):
            peers.locked_version("no-such-crate")


if __name__ == "__main__":
    unittest.main()
