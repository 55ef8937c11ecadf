-- What an operator gave up makes nobody slower: neither who counts, nor who asks for what blocks.
CREATE INDEX parked_by_state ON parked (state, parked_at);
CREATE INDEX parked_waiting ON parked (topic, subject, id)
    WHERE state <> 'discarded' AND subject IS NOT NULL;

-- Who was told that something was given up is told so also when its row was purged.
CREATE OR REPLACE VIEW parked_subjects AS
    SELECT topic, subject, state FROM parked
    UNION ALL
    SELECT topic, subject, 'discarded' FROM audit WHERE action = 'purged' AND subject IS NOT NULL;
