package orderflow.order;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** That of producer-api/src/fingerprint.rs: tells a retry from another order under the same key. */
final class Fingerprint {
    private Fingerprint() {}

    static long of(OrderRequest request) {
        ByteWriter form = new ByteWriter(512);
        text(form, request.customerId());
        form.int32(request.lines().size());
        for (Line line : request.lines()) {
            text(form, line.sku());
            form.int32((int) line.quantity());
        }
        text(form, request.locale());
        return ByteBuffer.wrap(Ids.digest("SHA-256").digest(form.toBytes())).getLong();
    }

    private static void text(ByteWriter form, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        form.int32(bytes.length);
        form.raw(bytes);
    }
}
