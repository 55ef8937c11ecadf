package orderflow.order;

import org.apache.kafka.common.header.internals.RecordHeaders;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.List;

/** An order with its prices. */
final class PlacedOrder {
    private static final long JSON_INTEGER_MAX = (1L << 53) - 1;
    private static final byte[] SPEC_VERSION = ascii("1.0");
    private static final byte[] TYPE = ascii("orderflow.OrderPlaced");
    private static final byte[] SOURCE = ascii("/producer-api");
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

    private final OrderRequest request;
    private final List<Price> prices;
    private final long total;
    private final Instant at;
    private final byte[] id;
    private final byte[] eventId;

    /** Prices an order, under its key where there is one. */
    PlacedOrder(OrderRequest request, String key, List<Price> prices, Instant now) throws Refused {
        this.request = request;
        this.prices = prices;
        total = total(request.lines(), prices);
        at = now.truncatedTo(ChronoUnit.MICROS);
        byte[] order = key.isEmpty() ? Ids.drawn(now.toEpochMilli()) : Ids.ofKey(request.customerId(), key);
        id = Ids.text(order);
        eventId = Ids.text(Ids.ofEvent(order, "OrderPlaced"));
    }

    private static long total(List<Line> lines, List<Price> prices) throws Refused {
        long total = 0;
        for (int i = 0; i < prices.size(); i++) {
            Price price = prices.get(i);
            if (price == null) {
                throw Refused.UNKNOWN_SKU;
            }
            if (!price.currency().equals(prices.get(0).currency())) {
                throw Refused.CURRENCIES;
            }
            // At most 500 lines of a million units at a thousand million: far below the range.
            total += price.minor() * lines.get(i).quantity();
        }
        if (total > JSON_INTEGER_MAX) {
            throw Refused.INVALID;
        }
        return total;
    }

    /** As text. */
    byte[] id() {
        return id;
    }

    byte[] key() {
        return ascii(request.customerId());
    }

    /** The event in Confluent's wire format. */
    byte[] value(int schemaId) {
        ByteWriter out = new ByteWriter(512);
        out.octet(0);
        out.int32(schemaId);
        out.text(eventId);
        out.text(id);
        out.text(request.customerId());
        out.varint(ChronoUnit.MICROS.between(Instant.EPOCH, at));
        out.text(prices.get(0).currency());
        out.varint(total);
        lines(out);
        out.text(request.locale());
        out.varint(1);
        out.text(request.contact().name());
        out.text(request.contact().email());
        out.varint(Fingerprint.of(request));
        return out.toBytes();
    }

    private void lines(ByteWriter out) {
        out.varint(prices.size());
        for (int i = 0; i < prices.size(); i++) {
            Line line = request.lines().get(i);
            out.text(line.sku());
            out.varint(line.quantity());
            out.varint(prices.get(i).minor());
        }
        out.varint(0);
    }

    /** Those of events-schema/src/envelope.rs, in the same order. */
    RecordHeaders headers(byte[] traceparent) {
        RecordHeaders headers = new RecordHeaders();
        headers.add("ce_specversion", SPEC_VERSION);
        headers.add("ce_id", eventId);
        headers.add("ce_type", TYPE);
        headers.add("ce_source", SOURCE);
        headers.add("ce_time", ascii(TIME.format(at)));
        headers.add("ce_subject", id);
        headers.add("traceparent", traceparent);
        return headers;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
