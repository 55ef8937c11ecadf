"""The rules of scripts/real-data, on tills of a few lines. Needs pandas; downloads nothing.

python -m unittest scripts/tests/real_data_test.py
"""

import io
import json
import os
import signal
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pandas as pd

SCRIPT = Path(__file__).resolve().parent.parent / "real-data"


def load_script():
    loader = SourceFileLoader("real_data", str(SCRIPT))
    module = module_from_spec(spec_from_loader("real_data", loader))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = written
    return module


real_data = load_script()

MILK, BREAD, PUMP, PREPAID, NOWHERE = 10, 20, 30, 40, 50


def products():
    columns = ["product_id", "department", "brand", "product_category", "product_type", "package_size"]
    rows = [
        (MILK, "GROCERY", "National", "MILK", "WHITE MILK", "1 GA"),
        (BREAD, "PASTRY", "Private", "BREAD", "BREAD", None),
        (PUMP, "FUEL", "Private", "COUPON/MISC ITEMS", real_data.FUEL_TYPE, None),
        (PREPAID, "FUEL", "Private", "FUEL", real_data.FUEL_TYPE, None),
    ]
    return pd.DataFrame(rows, columns=columns)


def tills(*lines):
    """Lines of (basket, product, quantity, dollars). The higher the basket id, the earlier the minute."""
    rows = [
        (basket % 3, basket, product, quantity, dollars, pd.Timestamp("2017-01-02T10:00:00") - pd.Timedelta(minutes=basket))
        for basket, product, quantity, dollars in lines
    ]
    columns = ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
    return pd.DataFrame(rows, columns=columns)


class CacheInADirectory(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.out = Path(directory.name)

    def build(self, *lines, slices=("all",)):
        with redirect_stdout(io.StringIO()):
            real_data.build(self.out, slices, lambda: (tills(*lines), products()))

    def rows(self, name):
        return [json.loads(row) for row in (self.out / name).read_text().splitlines()]

    def lines_of(self, basket):
        (order,) = (order for order in self.rows("orders.jsonl") if order["basket"] == str(basket))
        return {line["sku"]: line["quantity"] for line in order["lines"]}

    def product(self, sku):
        return next(row for row in self.rows("products.jsonl") if row["sku"] == str(sku))

    def facts(self):
        return self.rows("manifest.json")[0]["facts"]


class Rules(CacheInADirectory):
    def test_a_line_of_quantity_0_is_left_out_and_counted(self):
        self.build((1, MILK, 0, 0.0), (1, BREAD, 1, 2.0), (2, BREAD, 1, 2.0))
        self.assertEqual(self.lines_of(1), {str(BREAD): 1})
        self.assertEqual(self.facts()["lines_left_out_quantity_0"], 1)
        self.assertEqual(self.facts()["lines_kept"], 2)

    def test_a_basket_left_without_a_line_stays_as_an_order_without_lines(self):
        self.build((1, MILK, 0, 0.0), (2, BREAD, 1, 2.0))
        self.assertEqual(self.lines_of(1), {})
        self.assertEqual(self.facts()["orders"], 2)
        self.assertEqual(self.facts()["orders_without_a_line"], 1)

    def test_lines_of_one_sku_in_one_basket_are_merged(self):
        self.build((1, MILK, 2, 2.0), (1, BREAD, 1, 2.0), (1, MILK, 3, 3.0))
        self.assertEqual(self.lines_of(1), {str(MILK): 5, str(BREAD): 1})

    def test_orders_come_in_the_order_of_the_till_and_its_clock_is_utc(self):
        self.build((1, MILK, 1, 1.0), (3, MILK, 1, 1.0), (2, MILK, 1, 1.0))
        self.assertEqual([order["basket"] for order in self.rows("orders.jsonl")], ["3", "2", "1"])
        self.assertEqual(self.rows("orders.jsonl")[0]["placed_at"], "2017-01-02T09:57:00Z")

    def test_the_price_is_the_median_over_lines_and_half_a_cent_rounds_up(self):
        self.build((1, MILK, 2, 2.0), (2, MILK, 1, 9.0), (3, MILK, 1, 1.5), (1, BREAD, 1, 1.0), (2, BREAD, 1, 1.01))
        self.assertEqual(self.product(MILK)["price_minor"], 150)
        self.assertEqual(self.product(BREAD)["price_minor"], 101)

    def test_only_what_is_usually_given_away_is_free(self):
        self.build((1, MILK, 1, 0.0), (2, MILK, 1, 0.0), (3, MILK, 1, 1.0), (1, BREAD, 10, 0.01))
        self.assertEqual(self.product(MILK)["price_minor"], 0)
        self.assertEqual(self.product(BREAD)["price_minor"], 1)

    def test_metered_fuel_is_converted_to_gallons_and_prepaid_fuel_is_not(self):
        self.build((1, PUMP, 10604, 25.0), (2, PUMP, 10, 0.03), (3, PUMP, 4500, 10.8), (1, PREPAID, 1, 15.0))
        self.assertEqual(self.lines_of(1), {str(PUMP): 11, str(PREPAID): 1})
        self.assertEqual(self.lines_of(2), {str(PUMP): 1})
        self.assertEqual(self.lines_of(3), {str(PUMP): 5})
        self.assertEqual(self.product(PUMP)["price_minor"], 240)
        self.assertEqual(self.product(PREPAID)["price_minor"], 1500)

    def test_names_say_what_the_article_is(self):
        self.build((1, MILK, 1, 1.0), (1, BREAD, 1, 1.0), (1, PUMP, 9000, 20.0), (1, NOWHERE, 1, 1.0), (1, 60, 0, 0.0))
        self.assertEqual(self.product(MILK)["name"], "National WHITE MILK, MILK, 1 GA")
        self.assertEqual(self.product(BREAD)["name"], "Private BREAD")
        self.assertTrue(self.product(PUMP)["name"].endswith("1 GALLON"))
        self.assertEqual(self.product(NOWHERE)["name"], "UNLISTED ARTICLE")
        self.assertEqual(self.product(NOWHERE)["department"], "UNLISTED")
        self.assertEqual(len(self.rows("products.jsonl")), 4, "an article that was never sold has no price")

    def test_stock_is_a_little_less_than_the_slice_asks_for(self):
        self.build((3, MILK, 99, 99.0), (2, MILK, 1, 1.0), (2, BREAD, 1, 1.0), (1, MILK, 1, 1.0), slices=("2", "all"))
        self.assertEqual(self.rows("stock-2.jsonl"), [{"sku": "10", "quantity": 98}, {"sku": "20", "quantity": 1}])
        self.assertEqual(self.rows("stock-all.jsonl")[0], {"sku": "10", "quantity": 99})

    def test_a_rejected_order_takes_nothing_from_the_shelf(self):
        order = lambda **units: {"lines": [{"sku": sku, "quantity": n} for sku, n in units.items()]}
        orders = [order(a=1, b=2), order(a=1), order(b=1), order()]
        self.assertEqual(real_data.count_rejected(orders, {"a": 1, "b": 1}), 1)


class Cache(CacheInADirectory):
    def never_read(self):
        raise AssertionError("the cache was whole")

    def test_a_second_run_changes_nothing(self):
        self.build((1, MILK, 1, 1.0))
        before = {path.name: path.stat().st_mtime_ns for path in self.out.glob("*.json*")}
        real_data.build(self.out, ["all"], self.never_read)
        self.assertEqual(before, {path.name: path.stat().st_mtime_ns for path in self.out.glob("*.json*")})

    def test_a_cache_of_another_converter_is_made_anew_with_its_stock(self):
        self.build((1, MILK, 1, 1.0))
        old = (self.out / "manifest.json").read_text()
        (self.out / "manifest.json").write_text(old.replace(f'"converter":{real_data.CONVERTER}', '"converter":0'))
        self.build((1, MILK, 7, 1.0))
        self.assertEqual(self.lines_of(1), {str(MILK): 7})
        self.assertEqual(self.rows("stock-all.jsonl"), [{"sku": "10", "quantity": 7}])

    def test_a_truncated_file_is_made_anew(self):
        self.build((1, MILK, 1, 1.0))
        (self.out / "orders.jsonl").write_text("")
        self.build((1, MILK, 1, 1.0))
        self.assertEqual(self.lines_of(1), {str(MILK): 1})

    def test_kill_9_while_writing_leaves_no_half_file(self):
        killed = os.fork()
        if killed == 0:
            real_data.write_whole(self.out / "orders.jsonl", rows_until_killed())
        self.assertEqual(os.waitpid(killed, 0)[1], signal.SIGKILL)
        self.assertFalse((self.out / "orders.jsonl").exists())
        self.build((1, MILK, 1, 1.0))
        self.assertEqual(list(self.out.glob("*.partial")), [])

    def test_a_crash_between_the_files_converts_again(self):
        self.build((1, MILK, 1, 1.0))
        real_data.forget(self.out)
        self.assertIsNone(real_data.manifest(self.out))
        self.assertEqual(list(self.out.glob("stock-*")), [])

    def test_a_slice_beyond_the_year_is_refused(self):
        with self.assertRaises(SystemExit):
            self.build((1, MILK, 1, 1.0), slices=("2",))


def rows_until_killed():
    for row in range(100_000):
        if row == 50_000:
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"row": row}


if __name__ == "__main__":
    unittest.main()
