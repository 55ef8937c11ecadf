package orderflow.spring.mails;

import java.util.List;

import orderflow.mail.MailEvent.Placed;

import org.springframework.jdbc.core.JdbcTemplate;

/** Rows of the table orders. */
record OrderRows(List<Placed> rows) {
    private static final String INSERT = """
            INSERT INTO orders (order_id, customer_id, locale, name, email, currency, total_minor, lines, placed_at)
            SELECT * FROM unnest(?::uuid[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[],
                ?::jsonb[], ?::timestamptz[])""";

    void insert(JdbcTemplate database) {
        if (rows.isEmpty()) {
            return;
        }
        database.update(INSERT,
                Columns.texts(rows, Placed::orderId), Columns.texts(rows, Placed::customerId),
                Columns.texts(rows, Placed::locale), Columns.texts(rows, Placed::name),
                Columns.texts(rows, Placed::email), Columns.texts(rows, Placed::currency),
                rows.stream().mapToLong(Placed::total).toArray(), Columns.texts(rows, Placed::lines),
                Columns.texts(rows, placed -> Columns.time(placed.atMicros())));
    }
}
