-- Every projection owns these tables, in its own schema (the search path).

-- Where the projection stands, per partition. The compare-and-set on (epoch, next_offset) is what
-- makes rows and position move together and keeps out a worker that lost the partition.
CREATE TABLE positions (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    topic_id    text        NOT NULL,
    epoch       bigint      NOT NULL,
    next_offset bigint      NOT NULL CHECK (next_offset >= 0),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Records that this projection could not apply, and those of the same subject that wait behind.
CREATE TABLE parked (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    record_offset bigint    NOT NULL,
    subject     text,
    event_id    uuid,
    event_type  text,
    cause       text        NOT NULL,
    detail      text        NOT NULL,
    -- Whether later events of the subject wait behind it; only events of the same topic do.
    blocks      boolean     NOT NULL,
    blocked_by  bigint      REFERENCES parked (id),
    record_key  bytea,
    payload     bytea,
    headers     jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL,
    attempts    integer     NOT NULL DEFAULT 1,
    parked_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, record_offset)
);
CREATE INDEX parked_by_subject ON parked (topic, subject, id) WHERE blocks AND subject IS NOT NULL;

-- Events that follow from a batch: rows first, published after the commit by whoever owns the
-- partition that caused them.
CREATE TABLE outbox (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic        text    NOT NULL,
    partition    integer NOT NULL,
    record_key   text    NOT NULL,
    payload      bytea   NOT NULL,
    headers      jsonb   NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_by_partition ON outbox (topic, partition, id);
