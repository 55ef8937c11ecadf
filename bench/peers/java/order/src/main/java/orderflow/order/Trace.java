package orderflow.order;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/** The header traceparent. */
final class Trace {
    private static final HexFormat HEX = HexFormat.of();

    private Trace() {}

    /** The one that came, where it is one, else the start of a new trace. */
    static byte[] of(String given) {
        String trace = given != null && isTrace(given) ? given : started();
        return trace.getBytes(StandardCharsets.US_ASCII);
    }

    private static String started() {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        return "00-" + HEX.toHexDigits(random.nextLong()) + HEX.toHexDigits(random.nextLong())
                + '-' + HEX.toHexDigits(random.nextLong()) + "-00";
    }

    private static boolean isTrace(String text) {
        return text.length() == 55 && text.startsWith("00-") && text.charAt(35) == '-' && text.charAt(52) == '-'
                && isHex(text, 3, 35) && isNotZero(text, 3, 35) && isHex(text, 36, 52) && isNotZero(text, 36, 52)
                && isHex(text, 53, 55);
    }

    private static boolean isHex(String text, int start, int end) {
        return text.substring(start, end).chars().allMatch(c -> c >= '0' && c <= '9' || c >= 'a' && c <= 'f');
    }

    private static boolean isNotZero(String text, int start, int end) {
        return text.substring(start, end).chars().anyMatch(c -> c != '0');
    }
}
