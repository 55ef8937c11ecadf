package orderflow.order;

import org.apache.kafka.clients.producer.BufferExhaustedException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** What lies between the HTTP server and the producer: from a request to a record, from a report to an answer. */
public final class OrderDesk {
    public static final int BODY_BYTES_MAX = 256 * 1024;
    private static final String PROBLEM = "application/problem+json";
    private final String topic = Settings.topic("orders");
    private final Catalogue catalogue = new Catalogue();
    private final int schemaId;

    /** Ready when it returns. */
    public OrderDesk() throws IOException, InterruptedException {
        schemaId = SchemaRegistry.latestId("orders-orderflow.OrderPlaced");
        catalogue.follow();
    }

    /** What a request says; keys are the values of its header Idempotency-Key. */
    public record Asked(
            String contentType, String contentEncoding, List<String> keys, String traceparent, byte[] body) {}

    public ProducerRecord<byte[], byte[]> place(Asked asked) throws Refused {
        String key = key(asked.keys());
        if (!MediaType.isJson(asked.contentType()) || !MediaType.isIdentity(asked.contentEncoding())) {
            throw Refused.MEDIA_TYPE;
        }
        if (asked.body().length > BODY_BYTES_MAX) {
            throw Refused.TOO_LARGE;
        }
        OrderRequest request = OrderRequest.parse(asked.body());
        PlacedOrder placed = new PlacedOrder(request, key, catalogue.lookUp(request.lines()), Instant.now());
        var headers = placed.headers(Trace.of(asked.traceparent()));
        return new ProducerRecord<>(topic, null, placed.key(), placed.value(schemaId), headers);
    }

    private static String key(List<String> values) throws Refused {
        if (values.isEmpty()) {
            return "";
        }
        if (values.size() > 1 || !OrderRequest.isKey(values.get(0))) {
            throw Refused.HEADER;
        }
        return values.get(0);
    }

    /** What a client hears. */
    public record Answer(int status, Map<String, String> headers, byte[] body) {}

    public static Answer accepted(ProducerRecord<byte[], byte[]> record, RecordMetadata report) {
        String id = new String(record.headers().lastHeader("ce_subject").value(), StandardCharsets.US_ASCII);
        String place = "orders:" + report.partition() + '@' + report.offset();
        String body = "{\"order_id\":\"" + id + "\",\"status\":\"accepted\",\"position\":\"" + place + "\"}";
        var headers =
                Map.of("Content-Type", "application/json", "Location", "/v1/orders/" + id, "Order-Position", place);
        return new Answer(202, headers, body.getBytes(StandardCharsets.US_ASCII));
    }

    public static Answer refused(Refused why) {
        String body = "{\"type\":\"urn:orderflow:problem:" + why.getMessage() + "\",\"status\":" + why.status() + "}";
        Map<String, String> headers = why.status() == 503
                ? Map.of("Content-Type", PROBLEM, "Retry-After", "1") : Map.of("Content-Type", PROBLEM);
        return new Answer(why.status(), headers, body.getBytes(StandardCharsets.US_ASCII));
    }

    /** For a report that is no success, or none in time. */
    public static Answer failed(Throwable error) {
        boolean isFull = error instanceof BufferExhaustedException
                || error.getCause() instanceof BufferExhaustedException;
        return refused(isFull ? Refused.QUEUE_FULL : Refused.OUTCOME_UNKNOWN);
    }
}
