-- A thousand of the largest orders that a client may place are more than a bigint holds: what comes
-- after them would park, of whoever it is.
DROP VIEW hourly_sales_by_department;
ALTER TABLE hourly_sales ALTER COLUMN revenue_minor TYPE numeric(38, 0);
ALTER TABLE customers ALTER COLUMN revenue_minor TYPE numeric(38, 0);

-- By department as the catalogue has it now; UNLISTED where it has none.
CREATE VIEW hourly_sales_by_department AS
SELECT hour, coalesce(department, 'UNLISTED') AS department, currency,
       sum(units)::bigint AS units, sum(revenue_minor)::numeric(38, 0) AS revenue_minor
FROM hourly_sales LEFT JOIN products USING (sku)
GROUP BY hour, department, currency;
