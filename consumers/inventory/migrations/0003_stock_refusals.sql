-- What was refused by a rule of the domain, for whoever asked for it: the newest of each SKU, and
-- the newest of all; see src/store/refusals.rs for how many. Collated by bytes as stock is.
CREATE TABLE stock_refusals (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- as they were refused
    event_id         uuid        NOT NULL UNIQUE,
    sku              text        NOT NULL COLLATE "C",
    delta            integer     NOT NULL,  -- what was asked for
    available        bigint      NOT NULL,  -- what was there at that moment
    cause            text        NOT NULL,  -- stock-below-zero
    source_partition integer     NOT NULL,  -- where in the stock topic the record stands
    source_offset    bigint      NOT NULL,
    received_at      timestamptz NOT NULL,  -- as the record says
    recorded_at      timestamptz NOT NULL   -- when it was refused
);
CREATE INDEX stock_refusals_by_sku ON stock_refusals (sku, id);

COMMENT ON COLUMN stock_receipts.delta IS
    'what the record added to the shelf; 0 where it was refused, so that it is refused only once';
