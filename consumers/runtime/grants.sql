-- What a projection's own role may do with the runtime's tables. `migrate` takes everything back and
-- grants this anew; nothing else is granted, and a table that is not named here is nobody's. Owner of
-- the tables is another role, with which nothing serves.

GRANT SELECT, INSERT ON positions TO :service;
-- What an operator said (admit_below) and whose offsets these are (topic_id) it only reads.
GRANT UPDATE (epoch, next_offset, updated_at, tripped, stopped) ON positions TO :service;

-- What is parked stays as it came; only what became of it changes.
GRANT SELECT, INSERT, DELETE ON parked TO :service;
GRANT UPDATE (cause, detail, blocks, blocked_by, attempts, state, redrives_failed, dead_lettered_at)
    ON parked TO :service;
REVOKE ALL ON parked_subjects FROM :service;

GRANT SELECT, INSERT, DELETE ON outbox TO :service;

-- An operator asks, with `orderctl`; the projection only says how far it is.
GRANT SELECT ON redrives TO :service;
GRANT UPDATE (next_step_at, ended_at) ON redrives TO :service;
GRANT SELECT ON redrive_sequences TO :service;
GRANT UPDATE (state, done_to, applied, failure) ON redrive_sequences TO :service;

-- Nothing changes or removes a row of it, nor could.
GRANT INSERT ON audit TO :service;
