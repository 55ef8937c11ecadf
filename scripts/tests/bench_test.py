"""The bench's arithmetic, schedule, contract and page, on numbers that are made up. Starts nothing.

python -m unittest scripts/tests/bench_test.py
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import uuid
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(REPOSITORY / "bench"))

from harness import chart, checks, contenders, limits, page, plans, projections, ratios, results, schedule, targets, wire  # noqa: E402
from harness.checks import Load, NotVerified  # noqa: E402
from harness.contenders import Contender  # noqa: E402
from harness.shop import Shop  # noqa: E402


class Ratios(unittest.TestCase):
    def test_rounds_are_paired_before_the_median_is_taken(self):
        ratio = ratios.paired({0: 10.0, 1: 40.0, 2: 30.0}, {0: 10.0, 1: 20.0, 2: 10.0})
        self.assertEqual((ratio.median, ratio.low, ratio.high, ratio.count), (2.0, 1.0, 3.0, 3))

    def test_a_round_of_one_alone_says_nothing(self):
        self.assertEqual(ratios.paired({0: 1.0, 1: 2.0}, {1: 1.0}).count, 1)
        with self.assertRaises(ValueError):
            ratios.paired({0: 1.0}, {1: 1.0})

    def test_a_win_is_better_in_every_round_of_several(self):
        self.assertTrue(ratios.is_win(ratios.spread([1.1, 1.2])))
        self.assertFalse(ratios.is_win(ratios.spread([0.9, 9.0])))
        self.assertFalse(ratios.is_win(ratios.spread([2.0])))

    def test_drift_is_a_share_of_what_was_first(self):
        self.assertAlmostEqual(ratios.drift(100.0, 80.0), -0.2)


class Schedule(unittest.TestCase):
    def test_every_round_has_everyone_once(self):
        for order in schedule.rounds(["a", "b", "c"], 20, seed=1):
            self.assertEqual(sorted(order), ["a", "b", "c"])

    def test_a_seed_is_an_order(self):
        contenders = list("abcdef")
        self.assertEqual(schedule.rounds(contenders, 5, 7), schedule.rounds(contenders, 5, 7))
        self.assertNotEqual(schedule.rounds(contenders, 5, 7), schedule.rounds(contenders, 5, 8))

    def test_the_best_setting_is_the_fastest_and_of_equals_the_first(self):
        self.assertEqual(schedule.best({0: 5.0, 1: 9.0, 2: 7.0}), 1)
        self.assertEqual(schedule.best({0: 9.0, 1: 9.0}), 0)

    def test_every_program_is_killed_once_or_every_contender(self):
        one, other = (Contender("analytics", f"go-{size}", "Go", "go", "go-sink") for size in (1, 2))
        limit = Contender("analytics", "copy", "COPY", "harness")
        self.assertEqual(schedule.killed([one, other, limit], "each program"), [one])
        self.assertEqual(schedule.killed([one, other, limit], "everybody"), [one, other])
        self.assertEqual(schedule.killed([one, other, limit], "nobody"), [])

    def test_whose_rows_the_others_are_compared_with_comes_first(self):
        self.assertEqual(schedule.with_first(["b", "a", "c"], lambda one: one == "a"), ["a", "b", "c"])


class Contenders(unittest.TestCase):
    def test_names_are_of_one_contender_of_a_kind(self):
        names = [(one.kind, one.name) for one in contenders.everyone()]
        self.assertEqual(len(names), len(set(names)))
        titles = [(one.kind, one.title) for one in contenders.everyone()]
        self.assertEqual(len(titles), len(set(titles)))

    def test_every_peer_builds_itself(self):
        for folder in contenders.folders(contenders.everyone()):
            self.assertTrue(os.access(contenders.PEERS / folder / "build", os.X_OK), folder)

    def test_a_build_without_its_toolchain_says_so(self):
        for folder in contenders.folders(contenders.everyone()):
            with self.subTest(folder), tempfile.TemporaryDirectory() as path:
                for tool in ("bash", "dirname", "env", "sed", "cut"):
                    os.symlink(shutil.which(tool), Path(path) / tool)
                told = {"PATH": path, "BENCH_CACHE": path, "BENCH_PYTHON": str(Path(path) / "no-python")}
                build = [str(contenders.PEERS / folder / "build"), path]
                done = subprocess.run(build, env=told, capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(done.returncode, 69, done.stderr)
                self.assertRegex(done.stdout, r"(?m)^missing .")

    def test_who_asks_for_a_peer_gets_ours_beside_it(self):
        found = [(one.kind, one.name) for one in contenders.selected(contenders.everyone(), ["go"])]
        self.assertTrue({("ingest", "ours"), ("ingest", "go"), ("analytics", "ours"), ("analytics", "go-1000")} <= set(found))
        self.assertNotIn(("analytics", "copy"), found)

    def test_a_kind_is_everybody_in_it(self):
        self.assertEqual({one.kind for one in contenders.selected(contenders.everyone(), ["analytics"])}, {"analytics"})

    def test_a_missing_toolchain_is_a_reason_and_no_error(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "go.said").write_text("version go go1.26\nskipped something: it is too new\nmissing Go is not installed\n")
            built = contenders.Built(Path(folder))
            self.assertEqual(built.why_missing(Contender("ingest", "go", "Go", "go", "go-ingest")), "Go is not installed")
            self.assertEqual(built.versions(), {"go": "go1.26"})
            self.assertEqual(built.skipped(), [("something", "it is too new")])


class Checks(unittest.TestCase):
    def test_as_many_answers_as_records_is_a_number(self):
        self.assertEqual(checks.ingest(Load(5, 5, 0, 0), {0: 10, 1: 0}, {0: 12, 1: 3}), 5)

    def test_whatever_does_not_add_up_is_an_error(self):
        before, after = {0: 0}, {0: 5}
        for load in (Load(6, 6, 0, 0), Load(4, 4, 0, 0), Load(6, 5, 0, 0), Load(5, 5, 1, 0), Load(5, 5, 0, 1), Load(0, 0, 0, 0)):
            with self.assertRaises(NotVerified):
                checks.ingest(load, before, after)

    def test_sums_are_exact(self):
        checks.sums({"orders": 2, "units": 9}, {"orders": 2, "units": 9})
        with self.assertRaises(NotVerified):
            checks.sums({"orders": 2, "units": 10}, {"orders": 2, "units": 9})

    def test_what_a_kill_lost_and_doubled_is_counted(self):
        expected, counts = {"orders": 10, "units": 50, "customer_orders": 10}, ["orders", "customer_orders"]
        self.assertEqual(checks.lost_and_doubled(expected, expected, counts), (0, 0))
        self.assertEqual(checks.lost_and_doubled(expected | {"orders": 8, "customer_orders": 8}, expected, counts), (2, 0))
        # The primary key keeps a second row out; the totals are where it shows.
        self.assertEqual(checks.lost_and_doubled(expected | {"customer_orders": 13}, expected, counts), (0, 3))


class Contract(unittest.TestCase):
    """The numbers are those that events-schema's and producer-api's own tests hold."""

    def test_ids_are_those_of_events_schema(self):
        self.assertEqual(wire.order_id("c1", "k1"), uuid.UUID("2cb8c4d5-761d-5108-85c4-204c04d1fe9a"))

    def test_the_fingerprint_is_that_of_producer_api(self):
        lines = [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}]
        self.assertEqual(wire.fingerprint({"customer_id": "c1", "lines": lines, "locale": "en"}), -6_755_671_096_882_102_035)

    def test_numbers_are_avro_s(self):
        for number, expected in ((0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001"), (-(2**63), "ff" * 9 + "01")):
            self.assertEqual(wire.number(number).hex(), expected)

    def test_an_order_is_the_same_whatever_was_asked_before(self):
        self.assertEqual(Shop(1, 10).body(7), Shop(1, 10).body(7))
        self.assertNotEqual(Shop(1, 10).body(7), Shop(2, 10).body(7))
        event = next(Shop(1, 10).backlog(1))
        self.assertEqual(event["total_minor"], sum(line["quantity"] * line["unit_price_minor"] for line in event["lines"]))
        self.assertEqual(len(event["lines"]), 4)


class Outcomes(unittest.TestCase):
    """The log of the ledger of mails."""

    def test_every_order_has_one_outcome_behind_it(self):
        placed: dict[uuid.UUID, int] = {}
        decided: dict[uuid.UUID, str] = {}
        behind = []
        for event_type, event in Shop(1, 10).decided_backlog(1_200):
            if event_type == "OrderPlaced":
                placed[event["order_id"]] = len(placed)
            else:
                behind.append(len(placed) - 1 - placed[event["order_id"]])
                self.assertNotIn(event["order_id"], decided)
                decided[event["order_id"]] = event_type
        self.assertEqual(placed.keys(), decided.keys())
        # As many orders behind as the page says; at the end there are fewer.
        self.assertEqual(set(behind[:700]), {500})
        self.assertEqual(list(decided.values()).count("OrderRejected"), 120)

    def test_outcomes_are_in_avro_s_form(self):
        ids = {"event_id": "e", "order_id": "o", "customer_id": "c", "decided_at": 1}
        rejected = ids | {"shortages": [{"sku": "s", "requested": 3, "available": 0}]}
        confirmed = ids | {"reserved": [{"sku": "s", "quantity": 3}]}
        head = "00" + "00000007" + "0265" + "026f" + "0263" + "02"
        self.assertEqual(wire.order_rejected(7, rejected).hex(), head + "02" + "0273" + "06" + "00" + "00")
        self.assertEqual(wire.order_confirmed(7, confirmed).hex(), head + "02" + "0273" + "06" + "00")

    def test_sums_are_those_of_what_was_sent(self):
        for projection, records in ((projections.ANALYTICS, 20), (projections.MAILS, 40)):
            sums: dict[str, int] = {}
            schemas = {"OrderPlaced": 1, "OrderConfirmed": 2, "OrderRejected": 3}
            self.assertEqual(len(list(projections.records(projection, Shop(1, 10), 20, schemas, sums))), records)
            self.assertEqual({sums[name] for name in projection.counts}, {20})


class Plans(unittest.TestCase):
    def test_a_full_run_measures_the_limits_in_the_middle(self):
        self.assertEqual([limits.when("full", number, 7) for number in range(7)], ["start", None, None, "middle", None, None, None])
        self.assertEqual([limits.when("quick", number, 3) for number in range(3)], ["start", None, None])
        self.assertEqual(limits.when("smoke", 0, 1), None)

    def test_rounds_that_are_asked_for_are_those_of_every_test(self):
        plan = plans.of("full", 1, 7)
        self.assertEqual({plan.ingest.rounds, plan.sink.rounds, plan.replay.rounds}, {7})

    def test_a_quick_run_takes_one_setting_of_what_starts_slowly(self):
        slow = Contender("ingest", "spring", "Spring", "java", "spring", tries=[{"A": "1"}, {"A": "2"}], starts_slowly=True)
        self.assertEqual((slow.tries_of(True), len(slow.tries_of(False))), ([{"A": "1"}], 2))


def run_of(ours: list[float], theirs: list[float], end: float = 100.0) -> list[dict]:
    where = {"cpu": "x", "cores": 2, "memory_gib": 4, "kernel": "6"}
    lines = [{"kind": "run", "mode": "quick", "only": [], "seed": 1, "date": "2026-01-01", "machine": where, "versions": {"go": "1"}}]
    for name, title, rates in (("ours", "Orderflow", ours), ("go", "Go: net/http, franz-go", theirs)):
        setting = {"settings": {"LINGER_US": "500"} if name == "go" else {}}
        lines.append({"kind": "contender", "test": "ingest", "name": name, "title": title, "guarantee": "", "settings": {}})
        for number, rate in enumerate(rates):
            slot = {"round": number, "connections": 16, "rate": rate, "p50_ms": 1.0, "p99_ms": 2.0, "peak_mib": 9.0}
            lines.append({"kind": "slot", "test": "ingest", "contender": name, "cpu_us": {"contender": 7.0}, **slot, **setting})
    limit = {"kind": "limit", "name": "copy", "unit": "rows/s"}
    return [*lines, {**limit, "when": "start", "rate": 100.0}, {**limit, "when": "end", "rate": end}]


class Page(unittest.TestCase):
    def test_the_page_says_who_won_by_how_much(self):
        text = page.page(run_of([20.0, 40.0], [10.0, 10.0]))
        self.assertIn("| 16 | Go: net/http, franz-go, linger 0.5 ms | 10 (10–10) | **3.00 (2.00–4.00)** |", text)
        self.assertNotIn("did not stay the same", text)

    def test_a_loss_is_shown_as_one(self):
        self.assertIn("| 0.50 (0.50–0.50) |", page.page(run_of([10.0, 10.0], [20.0, 20.0])))

    def test_a_machine_that_changed_is_said_at_the_top(self):
        self.assertIn("moved by -20%", page.page(run_of([1.0], [1.0], end=80.0)))

    def test_a_limit_that_moved_in_the_middle_is_said_at_the_top(self):
        middle = {"kind": "limit", "name": "copy", "unit": "rows/s", "when": "middle", "rate": 150.0}
        text = page.page([*run_of([1.0], [1.0]), middle])
        self.assertIn("moved by +50%", text)
        self.assertIn("| copy | 100 | 100 | 150 | +50% |", text)

    def test_a_target_is_reached_or_not(self):
        found = {what: is_met for what, _, _, is_met in targets.judged(run_of([13.0, 14.0], [10.0, 10.0]))}
        self.assertEqual(found["orders over HTTP, 16 connections, by Go: net/http, franz-go"], True)
        found = {what: is_met for what, _, _, is_met in targets.judged(run_of([12.0, 12.0], [10.0, 10.0]))}
        self.assertEqual(found["orders over HTTP, 16 connections, by Go: net/http, franz-go"], False)

    def test_of_several_variants_of_a_peer_the_fastest_counts(self):
        lines = [{"kind": "contender", "test": "mails", "name": name, "title": name, "guarantee": ""} for name in ("ours", "go-1", "go-2")]
        for name, rate in (("ours", 12.0), ("go-1", 5.0), ("go-2", 10.0)):
            lines.append({"kind": "slot", "test": "mails", "contender": name, "round": 0, "rate": rate, "peak_mib": 9.0})
        self.assertIn(("catching up, mails, by go-1", "1.20", "≥ 1.20", True), list(targets.judged(lines)))

    def test_whoever_gets_slower_while_catching_up_is_found(self):
        slot = {"kind": "slot", "test": "mails", "contender": "ours", "round": 0, "rate": 1.0, "peak_mib": 9.0}
        even, slower = ([float(n) for n in range(1, 11)], [*(float(n) for n in range(1, 10)), 11.0])
        for tenths, is_met in ((even, True), (slower, False)):
            found = {what: met for what, _, _, met in targets.judged([slot | {"tenths_s": tenths}])}
            self.assertEqual(found["catching up, mails, the last three tenths' rate by that of the first"], is_met)

    def test_at_a_rate_the_latency_of_all_is_compared(self):
        ms = {"ours": {"p50": 1.0, "p99": 4.0, "p999": 9.0}, "go": {"p50": 1.0, "p99": 3.0, "p999": 9.0}}
        told = {"kind": "paced", "settings": {}, "rate": 2_000, "seconds": 9, "per_second": 1_999.0, "cpu_percent": 30.0}
        text = page.page([*run_of([1.0], [1.0]), *(told | {"contender": name, "ms": of} for name, of in ms.items())])
        self.assertIn("| Orderflow | 1,999 | 1.00 | 4.00 | 9.00 | 30 |", text)
        self.assertIn("| orders over HTTP, 2,000/s, p99 ms | **4.0** | ≤ 5.0 |", text)
        self.assertIn("| orders over HTTP, 2,000/s, p99 by the best of all | 1.33 | ≤ 1.00 |", text)

    def test_ours_as_a_whole_has_its_sections(self):
        of_each = {name: 10.0 for name in ("api-1", "api-2", "inventory", "confirmation-email", "analytics", "generator")}
        pair = {"p50": 5.0, "p99": 50.0}
        steady = {"kind": "steady", "rate": 500, "seconds": 3, "not_accepted": 0, "accepted_ms": pair, "visible_ms": pair}
        steady |= {"cpu_percent": of_each, "peak_mib": of_each}
        over = {"kind": "overload", "accepted_ms": pair, "peak_mib": 9.0}
        peak = over | {"what": "peak", "offered": None, "rate": 100.0, "answers": {"202": 9}, "others_ms": {}}
        twice = over | {"what": "twice the peak", "offered": 200, "rate": 95.0, "answers": {"202": 9, "503": 8}, "others_ms": pair}
        read = {"kind": "replay", "reader": "ours, decoded", "round": 0, "records": 9, "rate": 600_000.0}
        text = page.page([*run_of([1.0], [1.0]), steady, peak, twice, read])
        self.assertIn("| 500 | 5.0 / 50.0 | 5.0 / 50.0 | 50 | 0 |", text)
        self.assertIn("| twice the peak | 200 | 95 | 5.0 / 50.0 | 9 × 202, 8 × 503 | 5.0 / 50.0 | 9 |", text)
        self.assertIn("| accepted of twice the peak, by the peak | **0.95** | ≥ 0.90 |", text)
        self.assertIn("| accepted to visible at 500/s, p99 ms | 50.0 | ≤ 40.0 |", text)
        self.assertIn("| replay decoded, records/s | **600,000** | ≥ 500,000 |", text)

    def test_the_readme_gets_its_table_between_the_marks(self):
        text = f"before\n{page.BEGIN}\nold\n{page.END}\nafter"
        self.assertEqual(page.within_marks(text, "new"), f"before\n{page.BEGIN}\n\nnew\n{page.END}\nafter")
        self.assertEqual(page.within_marks("no marks", "new"), "no marks")

    def test_lines_are_read_as_they_were_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.jsonl"
            with path.open("w") as file:
                results.Results(file).add("slot", rate=1.5, name="Sørensen")
            self.assertEqual(results.load(path), [{"kind": "slot", "rate": 1.5, "name": "Sørensen"}])

    def test_what_is_committed_is_what_the_lines_give(self):
        lines = REPOSITORY / "docs" / "benchmarks.jsonl"
        if not lines.exists():
            self.skipTest("nothing was measured yet")
        run = results.load(lines)
        self.assertEqual((REPOSITORY / "docs" / "benchmarks.md").read_text(), page.page(run), "run scripts/bench --report docs/benchmarks.jsonl")
        for name, plot in page.plots(run).items():
            self.assertEqual((REPOSITORY / "docs" / f"benchmarks-{name}.svg").read_text(), plot)
        readme = (REPOSITORY / "README.md").read_text()
        self.assertEqual(readme, page.within_marks(readme, page.summary(run)))


class Chart(unittest.TestCase):
    def test_a_chart_is_svg_with_a_bar_for_each_number(self):
        groups = [chart.Group("a & b", [ratios.spread([1.0, 2.0]), None, ratios.spread([4.0])])]
        text = chart.bars("Title", ["x", "y", "z"], groups)
        self.assertEqual(text.count("<path"), 2)
        self.assertIn("a &amp; b", text)


if __name__ == "__main__":
    unittest.main()
