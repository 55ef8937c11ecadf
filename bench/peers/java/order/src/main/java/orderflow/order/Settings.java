package orderflow.order;

import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;

import java.util.Map;

/** What the harness tells a peer. */
public final class Settings {
    private Settings() {}

    public static String brokers() {
        return required("KAFKA_BOOTSTRAP_SERVERS");
    }

    public static String topic(String name) {
        return System.getenv().getOrDefault("KAFKA_PREFIX", "") + name;
    }

    public static String registry() {
        return required("SCHEMA_REGISTRY_URL");
    }

    public static String required(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(name + " must be set");
        }
        return value;
    }

    public static int positive(String name) {
        return Integer.parseUnsignedInt(required(name));
    }

    /** The producer: what is not here is as the client ships it. It knows no linger below a millisecond. */
    public static Map<String, Object> producer(String clientId) {
        return Map.ofEntries(
                Map.entry(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers()),
                Map.entry(ProducerConfig.CLIENT_ID_CONFIG, clientId),
                Map.entry(ProducerConfig.ACKS_CONFIG, "all"),
                Map.entry(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true),
                Map.entry(ProducerConfig.COMPRESSION_TYPE_CONFIG, "none"),
                Map.entry(ProducerConfig.LINGER_MS_CONFIG, (positive("LINGER_US") + 999) / 1000),
                Map.entry(ProducerConfig.BATCH_SIZE_CONFIG, 64 * 1024),
                Map.entry(ProducerConfig.MAX_BLOCK_MS_CONFIG, 1000),
                Map.entry(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, 5000),
                Map.entry(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, 10_000),
                Map.entry(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class),
                Map.entry(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class));
    }
}
