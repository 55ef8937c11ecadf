-- That something is parked, without the record: for readers who may know no more.
CREATE VIEW parked_subjects AS SELECT topic, subject, state FROM parked;
