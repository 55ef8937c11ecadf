package orderflow.spring.mails;

import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.kafka.listener.ConsumerAwareRebalanceListener;
import org.springframework.stereotype.Component;

/** Where each partition is, in the database. A position moves by compare-and-set. */
@Component
class Positions implements ConsumerAwareRebalanceListener {
    private static final String TAKE = """
            INSERT INTO positions (topic, partition, topic_id, epoch, next_offset) VALUES (?, ?, '', 1, 0)
            ON CONFLICT (topic, partition) DO UPDATE
                SET epoch = positions.epoch + 1, updated_at = clock_timestamp()
            RETURNING epoch, next_offset""";
    private static final String ADVANCE = """
            UPDATE positions AS p SET next_offset = s.next, updated_at = clock_timestamp()
            FROM unnest(?::int[], ?::bigint[], ?::bigint[], ?::bigint[]) AS s (partition, epoch, before, next)
            WHERE p.topic = ? AND p.partition = s.partition AND p.epoch = s.epoch AND p.next_offset = s.before""";

    private record Taken(long epoch, long next) {}

    private final JdbcTemplate database;
    private final Map<Integer, Long> epochs = new ConcurrentHashMap<>();

    Positions(JdbcTemplate database) {
        this.database = database;
    }

    /** Takes what was assigned; the log is read from there. */
    @Override
    public void onPartitionsAssigned(Consumer<?, ?> consumer, Collection<TopicPartition> assigned) {
        for (TopicPartition at : assigned) {
            Taken taken = database.queryForObject(
                    TAKE, (row, n) -> new Taken(row.getLong(1), row.getLong(2)), at.topic(), at.partition());
            epochs.put(at.partition(), taken.epoch());
            consumer.seek(at, taken.next());
        }
    }

    /** Part of the batch's transaction. */
    void advance(Iterable<ConsumerRecord<byte[], byte[]>> records) {
        Spans spans = new Spans();
        records.forEach(spans::pass);
        long[] held = spans.partitions().stream().mapToLong(epochs::get).toArray();
        int moved = database.update(
                ADVANCE, spans.partitionNumbers(), held, spans.starts(), spans.ends(), spans.topic());
        if (moved != held.length) {
            throw new IllegalStateException("a position is not where this worker left it");
        }
    }
}
