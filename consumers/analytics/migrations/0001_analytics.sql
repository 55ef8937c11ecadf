-- Sales, funnel and customers. Every number is a fold of the log, whatever the order between
-- customers: an hour is the hour (UTC) in which the order was placed. The totals (hourly_sales,
-- hourly_funnel, customers) are what a GROUP BY over orders and order_lines would give.

-- Names and departments; the last record of a SKU in the log wins.
CREATE TABLE products (
    sku        text PRIMARY KEY,
    name       text NOT NULL,
    department text NOT NULL
);

-- One fact row per order, from its first event to its last. Times are NULL until the event came.
-- An order is its customer's: what somebody else says of it is a row of its own, which was never
-- placed and counts nowhere. So one partition, and with it one worker, writes a row.
CREATE TABLE orders (
    order_id            uuid        NOT NULL,
    customer_id         text        NOT NULL,
    currency            text,
    total_minor         bigint,
    units               bigint,
    placed_at           timestamptz,
    cancel_requested_at timestamptz,
    confirmed_at        timestamptz,
    rejected_at         timestamptz,
    cancelled_at        timestamptz,
    PRIMARY KEY (order_id, customer_id)
) WITH (fillfactor = 70);

-- Of the placed order of this id. No foreign key: it would lock the order's row once per line.
CREATE TABLE order_lines (
    order_id         uuid    NOT NULL,
    line             integer NOT NULL,       -- from 0, as in the event
    sku              text    NOT NULL,
    quantity         integer NOT NULL,
    unit_price_minor bigint  NOT NULL,
    PRIMARY KEY (order_id, line)
);

-- Sold = confirmed and not cancelled since. orders counts orders with at least one line of the SKU.
-- A row exists while it counts an order.
CREATE TABLE hourly_sales (
    hour          timestamptz NOT NULL,
    sku           text        NOT NULL,
    currency      text        NOT NULL,
    orders        bigint      NOT NULL,
    units         bigint      NOT NULL,
    revenue_minor bigint      NOT NULL,
    PRIMARY KEY (hour, sku, currency)
) WITH (fillfactor = 70);

-- By department as the catalogue has it now; UNLISTED where it has none.
CREATE VIEW hourly_sales_by_department AS
SELECT hour, coalesce(department, 'UNLISTED') AS department, currency,
       sum(units)::bigint AS units, sum(revenue_minor)::bigint AS revenue_minor
FROM hourly_sales LEFT JOIN products USING (sku)
GROUP BY hour, department, currency;

-- How many of the orders placed in this hour came how far. An order that was confirmed and then
-- cancelled counts in both. What is said of an order that was never placed has no hour.
CREATE TABLE hourly_funnel (
    hour             timestamptz PRIMARY KEY,
    placed           bigint NOT NULL,
    confirmed        bigint NOT NULL,
    rejected         bigint NOT NULL,
    cancel_requested bigint NOT NULL,
    cancelled        bigint NOT NULL
);

-- orders counts placed orders; revenue is of confirmed and not cancelled ones.
CREATE TABLE customers (
    customer_id    text        NOT NULL,
    currency       text        NOT NULL,
    orders         bigint      NOT NULL,
    confirmed      bigint      NOT NULL,
    rejected       bigint      NOT NULL,
    cancelled      bigint      NOT NULL,
    revenue_minor  bigint      NOT NULL,
    first_order_at timestamptz NOT NULL,
    last_order_at  timestamptz NOT NULL,
    PRIMARY KEY (customer_id, currency)
) WITH (fillfactor = 70);
