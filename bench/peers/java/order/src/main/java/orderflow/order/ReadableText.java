package orderflow.order;

import java.util.ArrayDeque;
import java.util.Deque;

/** What events-schema's border::text lets pass: a text that can be seen and leaves the text around it as it is. */
final class ReadableText {
    /** Most combining marks in a row. */
    private static final int MARKS_MAX = 8;

    private final Deque<Integer> open = new ArrayDeque<>();
    private boolean isSeen;
    private int marks;

    private ReadableText() {}

    static boolean check(String text, int charsMax) {
        if (text == null || text.length() > charsMax && text.codePointCount(0, text.length()) > charsMax) {
            return false;
        }
        boolean isAscii = true;
        boolean isSeen = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c < ' ' || c == 0x7f) {
                return false;
            }
            isAscii &= c < 0x80;
            isSeen |= c > ' ';
        }
        return isAscii ? isSeen : new ReadableText().isReadable(text);
    }

    private boolean isReadable(String text) {
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            if (!takes(c)) {
                return false;
            }
            i += Character.charCount(c);
        }
        return isSeen && open.isEmpty();
    }

    private boolean takes(int c) {
        int type = Character.getType(c);
        if (type == Character.CONTROL || type == Character.SURROGATE || isRefused(c)) {
            return false;
        }
        isSeen |= isDrawn(c, type);
        marks = type == Character.NON_SPACING_MARK || type == Character.ENCLOSING_MARK ? marks + 1 : 0;
        return marks <= MARKS_MAX && isBalanced(c);
    }

    private static boolean isRefused(int c) {
        return c == 0x202d || c == 0x202e || c == 0x2028 || c == 0x2029
                || c >= 0x206a && c <= 0x206f || c >= 0xfff9 && c <= 0xfffb
                || c >= 0xe000 && c <= 0xf8ff || c >= 0xf0000 || c >= 0xfdd0 && c <= 0xfdef
                || (c & 0xfffe) == 0xfffe;
    }

    private static boolean isDrawn(int c, int type) {
        return switch (c) {
            case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800 -> false;
            default -> switch (type) {
                case Character.UPPERCASE_LETTER, Character.LOWERCASE_LETTER, Character.TITLECASE_LETTER,
                        Character.MODIFIER_LETTER, Character.OTHER_LETTER, Character.COMBINING_SPACING_MARK,
                        Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER,
                        Character.CONNECTOR_PUNCTUATION, Character.DASH_PUNCTUATION, Character.START_PUNCTUATION,
                        Character.END_PUNCTUATION, Character.INITIAL_QUOTE_PUNCTUATION,
                        Character.FINAL_QUOTE_PUNCTUATION, Character.OTHER_PUNCTUATION, Character.MATH_SYMBOL,
                        Character.CURRENCY_SYMBOL, Character.MODIFIER_SYMBOL, Character.OTHER_SYMBOL -> true;
                default -> false;
            };
        };
    }

    /** Embeddings and isolates must end in the order they began. */
    private boolean isBalanced(int c) {
        switch (c) {
            case 0x202a, 0x202b -> open.push(0x202c);
            case 0x2066, 0x2067, 0x2068 -> open.push(0x2069);
            case 0x202c, 0x2069 -> {
                return !open.isEmpty() && open.pop() == c;
            }
            default -> { }
        }
        return true;
    }
}
