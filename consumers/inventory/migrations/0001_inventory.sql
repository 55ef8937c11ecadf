-- What is on the shelf and what became of every order. Folds orders, products and stock.

-- One row per SKU that ever had stock; sold out is 0, never less. Collated by bytes, as products
-- is: the two are joined, and rows are locked in the order in which Rust sorts them.
CREATE TABLE stock (
    sku       text    PRIMARY KEY COLLATE "C",
    available bigint  NOT NULL CHECK (available >= 0)
) WITH (fillfactor = 50);  -- room for updates in place: `available` has no index

-- Every stock record once: a repeated one has the same event_id.
CREATE TABLE stock_receipts (
    event_id    uuid        PRIMARY KEY,
    sku         text        NOT NULL,
    delta       integer     NOT NULL,
    received_at timestamptz NOT NULL
);

-- The catalogue as of the products topic, for listing; the last record of a SKU in the log wins.
CREATE TABLE products (
    sku         text        PRIMARY KEY COLLATE "C",
    name        text        NOT NULL,
    department  text        NOT NULL,
    price_minor bigint      NOT NULL,
    currency    text        NOT NULL,
    updated_at  timestamptz NOT NULL
);
CREATE INDEX products_by_department ON products (department, sku);

-- One row per order. status: confirmed, rejected, cancelled. An order whose cancellation came
-- before it was placed has no placed_at and stays cancelled.
CREATE TABLE orders (
    order_id         uuid        PRIMARY KEY,
    customer_id      text        NOT NULL,
    status           text        NOT NULL CHECK (status IN ('confirmed', 'rejected', 'cancelled')),
    currency         text,
    total_minor      bigint,
    fingerprint      bigint,
    placed_at        timestamptz,
    decided_at       timestamptz,           -- confirmed_at or rejected_at of the outcome
    cancelled_at     timestamptz,
    shortages        jsonb       NOT NULL DEFAULT '[]',  -- [{"sku","requested","available"}]
    source_partition integer     NOT NULL,  -- where in the orders topic it was placed,
    source_offset    bigint      NOT NULL   -- or cancelled, where it was never placed
);

-- The lines of an order as they were placed.
CREATE TABLE order_lines (
    order_id         uuid    NOT NULL REFERENCES orders (order_id),
    line             integer NOT NULL,      -- from 0, as in the event
    sku              text    NOT NULL,
    quantity         integer NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint  NOT NULL,
    PRIMARY KEY (order_id, line)
);

-- Requests without effect that an operator may want to see: they contradict the order they name.
-- cause: different-content (another order under the same id), other-customer.
CREATE TABLE conflicts (
    source_partition integer     NOT NULL,  -- where in the orders topic the request stands
    source_offset    bigint      NOT NULL,
    order_id         uuid        NOT NULL,
    cause            text        NOT NULL,
    recorded_at      timestamptz NOT NULL,
    PRIMARY KEY (source_partition, source_offset)
);
