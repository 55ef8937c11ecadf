"""Events by the id of their schema."""

import io
import os

from fastavro import parse_schema, schemaless_reader

from orders.registry import latest


class Schemas:
    """Those of the topic orders that a projection reads."""

    def __init__(self, *events: str) -> None:
        self._by_id = {}
        for event in events:
            number, schema = latest(os.environ["SCHEMA_REGISTRY_URL"], f"orders-orderflow.{event}")
            self._by_id[number] = (event, parse_schema(schema))

    def read(self, value: bytes) -> tuple[str, dict]:
        """The event's type and fields; one that is not expected is an error."""
        event, schema = self._by_id[int.from_bytes(value[1:5], "big")]
        return event, schemaless_reader(io.BytesIO(value[5:]), schema)


def check_total(order: dict) -> None:
    if sum(line["quantity"] * line["unit_price_minor"] for line in order["lines"]) != order["total_minor"]:
        raise ValueError(f"the lines of {order['order_id']} do not give its total")
