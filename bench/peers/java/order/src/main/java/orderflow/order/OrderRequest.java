package orderflow.order;

import java.util.List;

/** A checked order. */
record OrderRequest(String customerId, List<Line> lines, Contact contact, String locale) {
    // The limits of events-schema/src/limits.rs.
    private static final int IDENTIFIER_CHARS_MAX = 64;
    private static final int KEY_CHARS_MAX = 128;
    private static final int NAME_CHARS_MAX = 100;
    private static final int LINES_MAX = 500;
    private static final int QUANTITY_MAX = 1_000_000;

    static OrderRequest parse(byte[] body) throws Refused {
        OrderRequest request = RequestReader.read(body);
        if (!request.isValid()) {
            throw Refused.INVALID;
        }
        return request.locale == null ? request.withLocale("en") : request;
    }

    private OrderRequest withLocale(String locale) {
        return new OrderRequest(customerId, lines, contact, locale);
    }

    private boolean isValid() {
        if (!isIdentifier(customerId) || lines == null || lines.isEmpty() || lines.size() > LINES_MAX) {
            return false;
        }
        for (Line line : lines) {
            if (!isIdentifier(line.sku()) || line.quantity() < 1 || line.quantity() > QUANTITY_MAX) {
                return false;
            }
        }
        return isLocale() && contact != null && ReadableText.check(contact.name(), NAME_CHARS_MAX)
                && EmailAddress.check(contact.email());
    }

    private boolean isLocale() {
        return locale == null || locale.equals("en") || locale.equals("he");
    }

    /** Whether a text can be an Idempotency-Key. */
    static boolean isKey(String text) {
        if (text.isEmpty() || text.length() > KEY_CHARS_MAX) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) <= ' ' || text.charAt(i) > '~') {
                return false;
            }
        }
        return true;
    }

    private static boolean isIdentifier(String text) {
        if (text == null || text.isEmpty() || text.length() > IDENTIFIER_CHARS_MAX) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!isAlphanumeric(c) && c != '.' && c != '_' && c != '-') {
                return false;
            }
        }
        return true;
    }

    static boolean isAlphanumeric(char c) {
        return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9';
    }
}
