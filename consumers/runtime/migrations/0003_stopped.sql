-- The state under which a worker stopped the partition ('parked_full', 'unreadable', 'tripped'); NULL
-- once it moved again. For whoever asks Postgres: the breaker itself is in `tripped`.
ALTER TABLE positions ADD COLUMN stopped text;
