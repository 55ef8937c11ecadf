package orderflow.order;

import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The topic products in memory. */
final class Catalogue {
    private static final Duration POLL = Duration.ofSeconds(1);
    private final Map<String, Price> prices = new ConcurrentHashMap<>();

    /** The price of each line; null where there is none. */
    List<Price> lookUp(List<Line> lines) {
        List<Price> found = new ArrayList<>(lines.size());
        for (Line line : lines) {
            found.add(prices.get(line.sku()));
        }
        return found;
    }

    /** Returns once the topic is read to where it ends now, and goes on reading. */
    void follow() {
        var consumer = new KafkaConsumer<>(settings(), new StringDeserializer(), new ByteArrayDeserializer());
        List<TopicPartition> partitions = consumer.partitionsFor(Settings.topic("products")).stream()
                .map(found -> new TopicPartition(found.topic(), found.partition())).toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        Map<TopicPartition, Long> ends = new HashMap<>(consumer.endOffsets(partitions));
        while (!ends.isEmpty()) {
            take(consumer);
            ends.entrySet().removeIf(end -> consumer.position(end.getKey()) >= end.getValue());
        }
        Thread reader = new Thread(() -> goOn(consumer), "catalogue");
        reader.setDaemon(true);
        reader.start();
    }

    private void goOn(Consumer<String, byte[]> consumer) {
        while (true) {
            take(consumer);
        }
    }

    private void take(Consumer<String, byte[]> consumer) {
        for (ConsumerRecord<String, byte[]> record : consumer.poll(POLL)) {
            if (record.value() == null) {
                prices.remove(record.key());
                continue;
            }
            put(record);
        }
    }

    private void put(ConsumerRecord<String, byte[]> record) {
        try {
            AvroReader datum = new AvroReader(record.value());
            datum.skip(); // event_id
            String sku = datum.text();
            datum.skip(); // name
            datum.skip(); // department
            Price price = new Price(datum.number(), datum.text());
            if (sku.equals(record.key())) {
                prices.put(sku, price);
            }
        } catch (AvroReader.NotInForm passed) {
            return; // as producer-api does, it goes on with what it knows
        }
    }

    private static Map<String, Object> settings() {
        return Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, Settings.brokers(),
                ConsumerConfig.CLIENT_ID_CONFIG, "java-ingest-catalogue",
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    }
}
