package orderflow.order;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/** The ids of RFC 9562, as 16 bytes. */
final class Ids {
    // The namespace of events-schema/src/ids.rs.
    private static final byte[] NAMESPACE =
            HexFormat.of().parseHex("6d1e38a260f55e0c9f2b6c2f3b8d9a41");
    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

    private Ids() {}

    /** The order that this customer means by this key. */
    static byte[] ofKey(String customer, String key) {
        return v5(NAMESPACE, customer + '\n' + key);
    }

    /** The one event of this type that an order can have. */
    static byte[] ofEvent(byte[] order, String type) {
        return v5(order, type);
    }

    private static byte[] v5(byte[] space, String name) {
        MessageDigest sha1 = digest("SHA-1");
        sha1.update(space);
        byte[] id = Arrays.copyOf(sha1.digest(name.getBytes(StandardCharsets.UTF_8)), 16);
        return marked(id, 0x50);
    }

    /** A UUIDv7, for an order without a key. */
    static byte[] drawn(long milliseconds) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        long front = milliseconds << 16 | random.nextLong() & 0xffff;
        return marked(ByteBuffer.allocate(16).putLong(front).putLong(random.nextLong()).array(), 0x70);
    }

    private static byte[] marked(byte[] id, int version) {
        id[6] = (byte) (id[6] & 0x0f | version);
        id[8] = (byte) (id[8] & 0x3f | 0x80);
        return id;
    }

    /** The text form. */
    static byte[] text(byte[] id) {
        byte[] text = new byte[36];
        for (int i = 0, at = 0; i < id.length; i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10) {
                text[at++] = '-';
            }
            text[at++] = HEX[id[i] >> 4 & 0x0f];
            text[at++] = HEX[id[i] & 0x0f];
        }
        return text;
    }

    static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException everyJavaHasIt) {
            throw new IllegalStateException(everyJavaHasIt);
        }
    }
}
