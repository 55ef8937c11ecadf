-- What may be done with the mails' tables, and by whom: see the grants.sql of the runtime.

GRANT SELECT, INSERT ON orders TO :service;
GRANT SELECT, INSERT, UPDATE, DELETE ON products TO :service;
GRANT SELECT, INSERT, UPDATE ON mails TO :service;
