-- Why a mail is where it is, in a word that an operator can group by; and what waits because the
-- server was found to refuse us.

-- The server's status (5.1.1, or 550 where it gave no detail), or one of ours: no-contact,
-- not-placed, too-old, no-address, not-composed, no-answer, courier-gone, operator.
ALTER TABLE mails ADD COLUMN cause text;
-- Queued, and refused for a reason that was found to be ours: due as soon as the server takes a mail.
ALTER TABLE mails ADD COLUMN held_at timestamptz;
CREATE INDEX mails_held ON mails (held_at) WHERE held_at IS NOT NULL;
-- For an operator who looks for what did not arrive; few rows.
CREATE INDEX mails_not_sent ON mails (occurred_at, event_id)
    WHERE state IN ('bounced', 'unknown', 'withheld');
-- By its last claim, what was given up by mistake is found again.
CREATE INDEX mails_bounced ON mails (claim) WHERE state = 'bounced';
