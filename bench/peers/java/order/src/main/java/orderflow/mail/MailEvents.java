package orderflow.mail;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;

import orderflow.order.AvroReader;
import orderflow.order.SchemaRegistry;

/** Reads the events of the topic orders that make mails; any other is an error. */
public final class MailEvents {
    private static final Map<String, String> KINDS =
            Map.of("OrderConfirmed", "confirmed", "OrderRejected", "rejected", "OrderCancelled", "cancelled");

    private final int placed;
    private final Map<Integer, String> kinds = new HashMap<>();

    public MailEvents() throws IOException, InterruptedException {
        placed = SchemaRegistry.latestId("orders-orderflow.OrderPlaced");
        for (Map.Entry<String, String> kind : KINDS.entrySet()) {
            kinds.put(SchemaRegistry.latestId("orders-orderflow." + kind.getKey()), kind.getValue());
        }
    }

    public MailEvent read(byte[] value) {
        AvroReader datum = new AvroReader(value);
        String kind = kinds.get(datum.schemaId());
        if (kind == null && datum.schemaId() != placed) {
            throw new IllegalArgumentException("the schema " + datum.schemaId() + " is of no event that makes a mail");
        }
        MailEvent event = kind == null ? placed(datum) : outcome(datum, kind);
        datum.end();
        return event;
    }

    private static MailEvent.Placed placed(AvroReader datum) {
        datum.skip(); // event_id
        UUID orderId = UUID.fromString(datum.text());
        String customer = datum.text();
        long at = datum.number();
        String currency = datum.text();
        long total = datum.number();
        JsonLines lines = lines(datum);
        String locale = datum.text();
        boolean hasContact = datum.number() == 1;
        String name = hasContact ? datum.text() : null;
        String email = hasContact ? datum.text() : null;
        datum.number(); // fingerprint
        if (lines.total() != total) {
            throw new IllegalArgumentException("the total is " + total + " and the lines give " + lines.total());
        }
        return new MailEvent.Placed(orderId, customer, locale, name, email, currency, total, lines.text(), at);
    }

    private static JsonLines lines(AvroReader datum) {
        JsonLines lines = new JsonLines("quantity", "unit_price_minor");
        for (long count = datum.number(); count != 0; count = datum.number()) {
            for (long n = 0; n < count; n++) {
                lines.add(datum.text(), datum.number(), datum.number());
            }
        }
        return lines;
    }

    private static MailEvent.Outcome outcome(AvroReader datum, String kind) {
        UUID eventId = UUID.fromString(datum.text());
        UUID orderId = UUID.fromString(datum.text());
        String customer = datum.text();
        long at = datum.number();
        boolean isRejection = kind.equals("rejected");
        JsonLines details = new JsonLines("requested", "available");
        for (long count = datum.number(); count != 0; count = datum.number()) {
            for (long n = 0; n < count; n++) {
                String sku = datum.text();
                long quantity = datum.number();
                if (isRejection) {
                    details.add(sku, quantity, datum.number());
                }
            }
        }
        return new MailEvent.Outcome(eventId, orderId, customer, kind, at, details.text());
    }
}
