-- What an operator can do about parked records and positions, and the account of it.

-- A record is the same only in the same topic: one that was made again counts from 0 again.
ALTER TABLE parked ADD COLUMN topic_id text NOT NULL DEFAULT '';
UPDATE parked SET topic_id = p.topic_id FROM positions AS p
    WHERE p.topic = parked.topic AND p.partition = parked.partition;
ALTER TABLE parked DROP CONSTRAINT parked_topic_partition_record_offset_key;
ALTER TABLE parked ADD UNIQUE (topic, topic_id, partition, record_offset);

-- quarantined: redriven in vain too often; no redrive touches it until an operator releases it.
-- discarded: an operator said that it is never to be applied; nothing waits behind it.
ALTER TABLE parked ADD COLUMN state text NOT NULL DEFAULT 'parked'
    CHECK (state IN ('parked', 'quarantined', 'discarded'));
ALTER TABLE parked ADD COLUMN redrives_failed integer NOT NULL DEFAULT 0;
-- When it was written to the dead-letter topic.
ALTER TABLE parked ADD COLUMN dead_lettered_at timestamptz;
-- Its predecessors leave the table before it does.
ALTER TABLE parked DROP CONSTRAINT parked_blocked_by_fkey;

DROP INDEX parked_by_subject;
CREATE INDEX parked_by_subject ON parked (topic, subject, id) WHERE subject IS NOT NULL;
CREATE INDEX parked_to_dead_letters ON parked (topic, partition, id)
    WHERE dead_lettered_at IS NULL;

-- Whether the partition's breaker is open: what was tried last failed altogether.
ALTER TABLE positions ADD COLUMN tripped boolean NOT NULL DEFAULT false;
-- Below this offset the breaker lets everything park: an operator has looked at it.
ALTER TABLE positions ADD COLUMN admit_below bigint NOT NULL DEFAULT 0;

-- What was asked for with `orderctl parked redrive`. Whichever process of the projection comes first
-- takes the next step of it; a step is one transaction.
CREATE TABLE redrives (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_by text        NOT NULL,
    dry_run      boolean     NOT NULL,
    -- Records per second; without one, as fast as it goes.
    rate         integer     CHECK (rate > 0),
    next_step_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at     timestamptz
);
CREATE INDEX redrives_under_way ON redrives (id) WHERE ended_at IS NULL;

-- The sequences of a redrive: all parked records of a subject in order, or one record that waits for
-- nobody and has no subject.
CREATE TABLE redrive_sequences (
    redrive_id bigint  NOT NULL REFERENCES redrives (id) ON DELETE CASCADE,
    -- parked.id of the first record.
    head       bigint  NOT NULL,
    topic      text    NOT NULL,
    subject    text,
    state      text    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed', 'cancelled')),
    -- Its records up to this one are dealt with.
    done_to    bigint  NOT NULL DEFAULT 0,
    -- Records that were applied or, in a dry run, would be.
    applied    bigint  NOT NULL DEFAULT 0,
    -- Why it ended before its end.
    failure    text,
    PRIMARY KEY (redrive_id, head)
);
CREATE INDEX redrive_sequences_waiting ON redrive_sequences (redrive_id, head) WHERE state = 'waiting';

-- Who did what, and when. Nothing changes or removes a row of it.
CREATE TABLE audit (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor         text        NOT NULL,
    -- redrive-requested, redriven, redrive-failed, quarantined, redrive-cancelled, released, discarded,
    -- gap-acknowledged, position-set, admitted
    action        text        NOT NULL,
    redrive_id    bigint,
    topic         text,
    partition     integer,
    record_offset bigint,
    parked_id     bigint,
    subject       text,
    detail        jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_by_subject ON audit (topic, subject) WHERE subject IS NOT NULL;
