package orderflow.mail;

import java.util.UUID;

/** What the ledger of mails reads. */
public sealed interface MailEvent {
    /** Of whom a mail is, and what it says; lines are JSON. Without a contact there is no name and no address. */
    record Placed(UUID orderId, String customerId, String locale, String name, String email, String currency,
            long total, String lines, long atMicros) implements MailEvent {}

    /** One mail; details are JSON. */
    record Outcome(UUID eventId, UUID orderId, String customerId, String kind, long atMicros, String details)
            implements MailEvent {}
}
