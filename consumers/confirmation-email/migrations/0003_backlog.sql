-- Since when the oldest queued mail waits, without a look at the others.
CREATE INDEX mails_queued ON mails (queued_at) WHERE state = 'queued';
