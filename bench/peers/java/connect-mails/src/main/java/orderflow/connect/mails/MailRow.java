package orderflow.connect.mails;

import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;

import orderflow.mail.MailEvent.Outcome;
import orderflow.mail.MailEvents;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.transforms.Transformation;

/** Of an outcome's bytes makes the row of its mail, with the names of types that Debezium's sink knows. */
public class MailRow implements Transformation<SinkRecord> {
    private static final Schema UUID = SchemaBuilder.string().name("io.debezium.data.Uuid").build();
    private static final Schema JSON = SchemaBuilder.string().name("io.debezium.data.Json").build();
    private static final Schema TIME = SchemaBuilder.string().name("io.debezium.time.ZonedTimestamp").build();
    private static final Schema KEY = SchemaBuilder.struct()
            .field("event_id", UUID)
            .field("customer_id", Schema.STRING_SCHEMA)
            .build();
    private static final Schema VALUE = SchemaBuilder.struct()
            .field("order_id", UUID)
            .field("kind", Schema.STRING_SCHEMA)
            .field("state", Schema.STRING_SCHEMA)
            .field("details", JSON)
            .field("occurred_at", TIME)
            .build();

    private MailEvents events;

    @Override
    public void configure(Map<String, ?> settings) {
        try {
            events = new MailEvents();
        } catch (IOException | InterruptedException error) {
            throw new ConnectException(error);
        }
    }

    /** Orders are read and checked, too, and dropped. */
    @Override
    public SinkRecord apply(SinkRecord record) {
        if (!(events.read((byte[]) record.value()) instanceof Outcome outcome)) {
            return null;
        }
        return record.newRecord(
                record.topic(), record.kafkaPartition(), KEY, key(outcome), VALUE, row(outcome), record.timestamp());
    }

    private static Struct key(Outcome outcome) {
        return new Struct(KEY).put("event_id", outcome.eventId().toString()).put("customer_id", outcome.customerId());
    }

    private static Struct row(Outcome outcome) {
        return new Struct(VALUE)
                .put("order_id", outcome.orderId().toString())
                .put("kind", outcome.kind())
                .put("state", "queued")
                .put("details", outcome.details())
                .put("occurred_at", Instant.EPOCH.plus(outcome.atMicros(), ChronoUnit.MICROS).toString());
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef();
    }

    @Override
    public void close() {}
}
