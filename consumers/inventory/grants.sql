-- What may be done with inventory's tables, and by whom: see the grants.sql of the runtime.

GRANT SELECT, INSERT ON stock TO :service;
GRANT UPDATE (available) ON stock TO :service;
GRANT SELECT, INSERT ON stock_receipts TO :service;
GRANT SELECT, INSERT, UPDATE, DELETE ON products TO :service;
GRANT SELECT, INSERT, UPDATE ON orders TO :service;
GRANT SELECT, INSERT ON order_lines TO :service;
GRANT SELECT, INSERT ON conflicts TO :service;
-- UPDATE, because what is pruned is locked first.
GRANT SELECT, INSERT, UPDATE, DELETE ON stock_refusals TO :service;

-- query-api faces the internet: it reads what it shows, column by column, and of what is parked only
-- that it is, never the record.
GRANT SELECT (topic, partition, next_offset) ON positions TO "query-api";
GRANT SELECT (topic, subject, state) ON parked_subjects TO "query-api";
GRANT SELECT (order_id, customer_id, status, currency, total_minor, placed_at, decided_at,
    cancelled_at, shortages, source_partition) ON orders TO "query-api";
GRANT SELECT (order_id, line, sku, quantity, unit_price_minor) ON order_lines TO "query-api";
GRANT SELECT (sku, available) ON stock TO "query-api";
GRANT SELECT (sku, name, department, price_minor, currency, updated_at) ON products TO "query-api";
GRANT SELECT (id, event_id, sku, delta, available, cause, source_partition, source_offset, recorded_at)
    ON stock_refusals TO "query-api";
