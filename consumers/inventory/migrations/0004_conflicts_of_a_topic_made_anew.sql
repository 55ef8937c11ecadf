-- A topic that was made anew counts from 0 again: another request may stand where one stood. The same
-- request, delivered twice, says the same order at the same time.
ALTER TABLE conflicts DROP CONSTRAINT conflicts_pkey;
ALTER TABLE conflicts ADD PRIMARY KEY (source_partition, source_offset, order_id, recorded_at);
