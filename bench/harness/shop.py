"""A shop that a seed makes: its catalogue and the orders of its customers. Sends nothing."""

import random
from collections import deque
from collections.abc import Iterator

from . import wire

SKUS = 1_000
LINES = 4
GIVEN = ["Ada", "Ben", "Chen", "Dora", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kiri", "Leo"]
FAMILY = ["Abbott", "Brandt", "Costa", "Dimitrov", "Eriksen", "Fontaine", "Garcia", "O'Neill", "Sørensen", "Walker"]
HEBREW_SHARE = 0.1
HEBREW = ["אבי כהן", "דוד לוי", "חנה ברק", "יעל מזרחי", "נועה פרץ"]
# 2026-01-05 08:00 UTC, a Monday.
OPENS = 1_767_600_000_000_000
BETWEEN_ORDERS = 100_000
# An outcome comes so many orders behind its order; one of so many is a rejection.
DECIDED_AFTER, REJECTED_ONE_OF = 500, 10


class Shop:
    """Order N is always the same, whichever was asked for before."""

    def __init__(self, seed: int, customers: int) -> None:
        self.seed, self.customers = seed, customers
        draw = random.Random(f"{seed}/catalogue")
        self.prices = {f"sku-{10_000 + n}": 49 + draw.randrange(2_000) for n in range(SKUS)}
        self._skus = list(self.prices)

    def products(self) -> Iterator[dict]:
        for sku, price in self.prices.items():
            yield {"sku": sku, "name": f"Article {sku}", "department": "GROCERY", "price_minor": price, "currency": "USD"}

    def body(self, n: int) -> dict:
        """What a client posts."""
        draw = random.Random(self.seed << 32 | n)
        customer = draw.randrange(self.customers)
        lines = [{"sku": sku, "quantity": 1 + int(draw.random() * 1.2) * draw.randrange(1, 4)} for sku in draw.sample(self._skus, LINES)]
        contact, locale = self._contact(customer)
        return {"customer_id": f"household-{customer}", "contact": contact, "locale": locale, "lines": lines}

    def _contact(self, customer: int) -> tuple[dict, str]:
        is_hebrew = customer % round(1 / HEBREW_SHARE) == 0
        name = HEBREW[customer % len(HEBREW)] if is_hebrew else f"{GIVEN[customer % 12]} {FAMILY[customer // 12 % 10]}"
        return {"name": name, "email": f"household-{customer}@example.com"}, "he" if is_hebrew else "en"

    def event(self, body: dict, key: str, placed_at: int) -> dict:
        """What has to be in the log for this body under this key."""
        order = wire.order_id(body["customer_id"], key)
        lines = [line | {"unit_price_minor": self.prices[line["sku"]]} for line in body["lines"]]
        return {
            "event_id": wire.event_id(order, "OrderPlaced"),
            "order_id": order,
            "customer_id": body["customer_id"],
            "placed_at": placed_at,
            "currency": "USD",
            "total_minor": sum(line["quantity"] * line["unit_price_minor"] for line in lines),
            "lines": lines,
            "locale": body["locale"],
            "contact": body["contact"],
            "fingerprint": wire.fingerprint(body),
        }

    def backlog(self, count: int) -> Iterator[dict]:
        """The events of so many orders, ten a second."""
        for n in range(count):
            yield self.event(self.body(n), f"backlog-{n}", OPENS + n * BETWEEN_ORDERS)

    def decided_backlog(self, count: int) -> Iterator[tuple[str, dict]]:
        """The same, with the outcome of each behind it, as inventory would publish it."""
        waiting: deque[dict] = deque()
        for n, placed in enumerate(self.backlog(count)):
            yield "OrderPlaced", placed
            waiting.append(placed | {"number": n})
            if len(waiting) > DECIDED_AFTER:
                yield self._outcome(waiting.popleft())
        yield from map(self._outcome, waiting)

    @staticmethod
    def _outcome(placed: dict) -> tuple[str, dict]:
        is_rejected = placed["number"] % REJECTED_ONE_OF == 0
        event_type = "OrderRejected" if is_rejected else "OrderConfirmed"
        lines = sorted(placed["lines"], key=lambda line: line["sku"])
        return event_type, {
            "event_id": wire.event_id(placed["order_id"], event_type),
            "order_id": placed["order_id"],
            "customer_id": placed["customer_id"],
            "decided_at": placed["placed_at"] + DECIDED_AFTER * BETWEEN_ORDERS,
            "reserved": lines,
            "shortages": [{"sku": lines[0]["sku"], "requested": lines[0]["quantity"], "available": 0}],
        }
