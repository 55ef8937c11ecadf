package orderflow.order;

import java.nio.charset.StandardCharsets;

/** Takes Avro values off the front of a value in Confluent's wire format. */
public final class AvroReader {
    /** Bytes are not in the form that this contract gives them. */
    public static final class NotInForm extends RuntimeException {
        NotInForm() {
            super("the value is not in the expected form");
        }
    }

    private static final int HEADER_BYTES = 5;
    private final byte[] bytes;
    private final int schemaId;
    private int at = HEADER_BYTES;

    public AvroReader(byte[] value) {
        if (value.length < HEADER_BYTES || value[0] != 0) {
            throw new NotInForm();
        }
        bytes = value;
        schemaId = (value[1] & 0xff) << 24 | (value[2] & 0xff) << 16 | (value[3] & 0xff) << 8 | value[4] & 0xff;
    }

    public int schemaId() {
        return schemaId;
    }

    public long number() {
        long rest = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (at >= bytes.length) {
                throw new NotInForm();
            }
            byte next = bytes[at++];
            rest |= (next & 0x7fL) << shift;
            if (next >= 0) {
                return rest >>> 1 ^ -(rest & 1);
            }
        }
        throw new NotInForm();
    }

    public String text() {
        int length = length();
        at += length;
        return new String(bytes, at - length, length, StandardCharsets.UTF_8);
    }

    /** Passes over a text. */
    public void skip() {
        int length = length(); // moves `at`
        at += length;
    }

    private int length() {
        long length = number();
        if (length < 0 || length > bytes.length - at) {
            throw new NotInForm();
        }
        return (int) length;
    }

    /** Nothing may be left over. */
    public void end() {
        if (at != bytes.length) {
            throw new NotInForm();
        }
    }
}
