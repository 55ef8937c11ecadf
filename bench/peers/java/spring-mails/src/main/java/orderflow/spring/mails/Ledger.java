package orderflow.spring.mails;

import java.util.List;

import orderflow.mail.MailEvent;
import orderflow.mail.MailEvents;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.stereotype.Component;
import org.springframework.transaction.support.TransactionTemplate;

/** A batch is one transaction: the position, what is known, the new rows. */
@Component
class Ledger {
    private final MailEvents events;
    private final Positions positions;
    private final JdbcTemplate database;
    private final TransactionTemplate transaction;

    Ledger(MailEvents events, Positions positions, JdbcTemplate database, TransactionTemplate transaction) {
        this.events = events;
        this.positions = positions;
        this.database = database;
        this.transaction = transaction;
    }

    @KafkaListener(topics = "${KAFKA_PREFIX:}orders", containerFactory = "workers")
    void apply(List<ConsumerRecord<byte[], byte[]>> records) {
        List<MailEvent> read = records.stream().map(record -> events.read(record.value())).toList();
        transaction.executeWithoutResult(status -> {
            positions.advance(records);
            new Batch(database, read).write();
        });
    }
}
