package orderflow.spring.mails;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

import orderflow.mail.MailEvent;
import orderflow.mail.MailEvent.Outcome;
import orderflow.mail.MailEvent.Placed;
import orderflow.order.Settings;

import org.springframework.jdbc.core.JdbcTemplate;

/** What a batch means for the ledger, as confirmation-email decides it. */
final class Batch {
    private static final Duration AGE_MAX =
            Duration.ofDays(Long.parseLong(Settings.required("MAIL_MAX_AGE").replaceFirst("d$", "")));
    private static final String KNOWN_ORDERS = """
            SELECT order_id, customer_id, email IS NOT NULL FROM orders
            JOIN unnest(?::uuid[], ?::text[]) AS key (order_id, customer_id) USING (order_id, customer_id)""";
    private static final String KNOWN_MAILS = """
            SELECT event_id, customer_id FROM mails
            JOIN unnest(?::uuid[], ?::text[]) AS key (event_id, customer_id) USING (event_id, customer_id)""";

    private record Key(UUID id, String customer) {}

    private final JdbcTemplate database;
    private final List<MailEvent> events;
    private final Instant oldest = Instant.now().minus(AGE_MAX);
    // Orders that are there, and whether they have somebody to write to; mails that are there.
    private final Map<Key, Boolean> orders = new HashMap<>();
    private final Set<Key> mails = new HashSet<>();

    Batch(JdbcTemplate database, List<MailEvent> events) {
        this.database = database;
        this.events = events;
    }

    void write() {
        load();
        List<Placed> newOrders = new ArrayList<>();
        MailRows newMails = new MailRows();
        for (MailEvent event : events) {
            if (event instanceof Placed placed && isNew(placed)) {
                newOrders.add(placed);
            } else if (event instanceof Outcome outcome && isNew(outcome)) {
                newMails.add(outcome, cause(outcome));
            }
        }
        new OrderRows(newOrders).insert(database);
        newMails.insert(database);
    }

    private boolean isNew(Placed placed) {
        return orders.putIfAbsent(new Key(placed.orderId(), placed.customerId()), placed.email() != null) == null;
    }

    private boolean isNew(Outcome outcome) {
        return mails.add(new Key(outcome.eventId(), outcome.customerId()));
    }

    private void load() {
        Set<Key> ofOrders = new HashSet<>();
        Set<Key> ofMails = new HashSet<>();
        for (MailEvent event : events) {
            if (event instanceof Placed placed) {
                ofOrders.add(new Key(placed.orderId(), placed.customerId()));
            } else if (event instanceof Outcome outcome) {
                ofOrders.add(new Key(outcome.orderId(), outcome.customerId()));
                ofMails.add(new Key(outcome.eventId(), outcome.customerId()));
            }
        }
        database.query(KNOWN_ORDERS, row -> {
            orders.put(new Key(row.getObject(1, UUID.class), row.getString(2)), row.getBoolean(3));
        }, ids(ofOrders), customers(ofOrders));
        database.query(KNOWN_MAILS, row -> {
            mails.add(new Key(row.getObject(1, UUID.class), row.getString(2)));
        }, ids(ofMails), customers(ofMails));
    }

    private static String[] ids(Set<Key> keys) {
        return Columns.texts(List.copyOf(keys), Key::id);
    }

    private static String[] customers(Set<Key> keys) {
        return Columns.texts(List.copyOf(keys), Key::customer);
    }

    /** Why a mail is withheld; null where it is queued. */
    private String cause(Outcome outcome) {
        Boolean hasContact = orders.get(new Key(outcome.orderId(), outcome.customerId()));
        if (hasContact == null) {
            return "not-placed";
        }
        if (!hasContact) {
            return "no-contact";
        }
        return Columns.time(outcome.atMicros()).isBefore(oldest) ? "too-old" : null;
    }
}
