package orderflow.spring.mails;

import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

import org.apache.kafka.clients.consumer.ConsumerRecord;

/** What a batch takes of each partition: from the first record to behind the last. */
final class Spans {
    private record Span(long start, long end) {}

    // In order, so that two workers lock rows in the same one.
    private final SortedMap<Integer, Span> spans = new TreeMap<>();
    private String topic;

    void pass(ConsumerRecord<byte[], byte[]> record) {
        topic = record.topic();
        Span span = new Span(record.offset(), record.offset() + 1);
        spans.merge(record.partition(), span, (before, next) -> new Span(before.start(), next.end()));
    }

    String topic() {
        return topic;
    }

    Set<Integer> partitions() {
        return spans.keySet();
    }

    int[] partitionNumbers() {
        return spans.keySet().stream().mapToInt(Integer::intValue).toArray();
    }

    long[] starts() {
        return spans.values().stream().mapToLong(Span::start).toArray();
    }

    long[] ends() {
        return spans.values().stream().mapToLong(Span::end).toArray();
    }
}
