-- What may be done with the tables of sales, and by whom: see the grants.sql of the runtime.

GRANT SELECT, INSERT, UPDATE, DELETE ON products TO :service;
GRANT SELECT, INSERT, UPDATE ON orders TO :service;
GRANT SELECT, INSERT ON order_lines TO :service;
GRANT SELECT, INSERT, UPDATE, DELETE ON hourly_sales TO :service;
GRANT SELECT, INSERT, UPDATE ON hourly_funnel TO :service;
GRANT SELECT, INSERT, UPDATE ON customers TO :service;
-- For analysts, who are no service.
REVOKE ALL ON hourly_sales_by_department FROM :service;
