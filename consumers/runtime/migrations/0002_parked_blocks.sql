-- Whether later events of the subject wait behind a parked record; only events of the same topic do.
ALTER TABLE parked ADD COLUMN blocks boolean NOT NULL DEFAULT true;
ALTER TABLE parked ALTER COLUMN blocks DROP DEFAULT;
DROP INDEX parked_by_subject;
CREATE INDEX parked_by_subject ON parked (topic, subject, id) WHERE blocks AND subject IS NOT NULL;
