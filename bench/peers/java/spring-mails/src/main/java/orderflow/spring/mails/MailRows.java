package orderflow.spring.mails;

import java.util.ArrayList;
import java.util.List;

import orderflow.mail.MailEvent.Outcome;

import org.springframework.jdbc.core.JdbcTemplate;

/** Rows of the table mails. */
final class MailRows {
    private static final String INSERT = """
            INSERT INTO mails (event_id, customer_id, order_id, kind, state, details, occurred_at, cause, finished_at)
            SELECT e, c, o, k, CASE WHEN w IS NULL THEN 'queued' ELSE 'withheld' END, d, a, w,
                CASE WHEN w IS NOT NULL THEN now() END
            FROM unnest(?::uuid[], ?::text[], ?::uuid[], ?::text[], ?::jsonb[], ?::timestamptz[], ?::text[])
                AS mail (e, c, o, k, d, a, w)""";

    private final List<Outcome> rows = new ArrayList<>();
    private final List<String> causes = new ArrayList<>();

    void add(Outcome outcome, String cause) {
        rows.add(outcome);
        causes.add(cause);
    }

    void insert(JdbcTemplate database) {
        if (rows.isEmpty()) {
            return;
        }
        database.update(INSERT,
                Columns.texts(rows, Outcome::eventId), Columns.texts(rows, Outcome::customerId),
                Columns.texts(rows, Outcome::orderId), Columns.texts(rows, Outcome::kind),
                Columns.texts(rows, Outcome::details), Columns.texts(rows, outcome -> Columns.time(outcome.atMicros())),
                causes.toArray(String[]::new));
    }
}
