-- Whom to write to, and one row per mail, for ever: a replay finds its mails here and sends none.

-- What the mails of an order say. contact is NULL where it was erased before we read it.
-- An order is its customer's: under a known order id somebody else may cancel, and be answered.
CREATE TABLE orders (
    order_id    uuid        NOT NULL,
    customer_id text        NOT NULL,
    locale      text        NOT NULL,
    name        text,
    email       text,
    currency    text        NOT NULL,
    total_minor bigint      NOT NULL,
    lines       jsonb       NOT NULL,       -- [{"sku","quantity","unit_price_minor"}]
    placed_at   timestamptz NOT NULL,
    PRIMARY KEY (order_id, customer_id)
);

-- Names for the mails' lines; the last record of a SKU in the log wins.
CREATE TABLE products (
    sku  text PRIMARY KEY,
    name text NOT NULL
);

-- The ledger. One mail per outcome event and customer: the ids of two customers' outcomes of one
-- order id are the same.
--   queued    to be sent (again, after a 4yz, not before next_attempt_at)
--   sending   handed to the mail server; a crash now leaves it open what became of it
--   sent      the mail server took it (250)
--   bounced   the mail server refused it for good (5yz)
--   unknown   we crashed, or the connection broke, between handing it over and hearing the answer
--   withheld  there is nobody to write to (contact erased, or an order that was never placed)
CREATE TABLE mails (
    event_id        uuid        NOT NULL,     -- of the outcome; also the Message-ID
    customer_id     text        NOT NULL,     -- whose outcome it is
    order_id        uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('confirmed', 'rejected', 'cancelled')),
    state           text        NOT NULL
        CHECK (state IN ('queued', 'sending', 'sent', 'bounced', 'unknown', 'withheld')),
    details         jsonb       NOT NULL DEFAULT '[]',  -- shortages of a rejection
    occurred_at     timestamptz NOT NULL,     -- when the outcome came about: the mail's Date
    attempts        integer     NOT NULL DEFAULT 0,
    claim           uuid,                     -- of the last claim: no two are the same
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    sending_until   timestamptz,              -- after this, whoever was sending it is gone
    reply           text,                     -- the mail server's last words, without addresses
    queued_at       timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    PRIMARY KEY (event_id, customer_id)
) WITH (fillfactor = 70);
CREATE INDEX mails_due ON mails (next_attempt_at, event_id) WHERE state = 'queued';
CREATE INDEX mails_sending ON mails (sending_until) WHERE state = 'sending';
