package orderflow.order;

/** What events-schema's border::email lets pass: RFC 5321 before the @, RFC 1035 behind it. */
final class EmailAddress {
    private static final int CHARS_MAX = 254;
    private static final int LOCAL_CHARS_MAX = 64;
    private static final int LABEL_CHARS_MAX = 63;

    private EmailAddress() {}

    static boolean check(String text) {
        int at = text == null ? -1 : text.indexOf('@');
        if (at < 0 || text.length() > CHARS_MAX || at > LOCAL_CHARS_MAX) {
            return false;
        }
        return isDotAtom(text.substring(0, at)) && isDomain(text.substring(at + 1));
    }

    private static boolean isDomain(String domain) {
        int dot = domain.indexOf('.');
        if (dot < 0) {
            return false;
        }
        int start = 0;
        for (; dot >= 0; start = dot + 1, dot = domain.indexOf('.', start)) {
            if (!isLabel(domain, start, dot)) {
                return false;
            }
        }
        return isLabel(domain, start, domain.length()) && !isNumber(domain, start);
    }

    private static boolean isDotAtom(String text) {
        char before = '.';
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c <= ' ' || c > '~' || "<>()[]\\,;:\"@".indexOf(c) >= 0 || c == '.' && before == '.') {
                return false;
            }
            before = c;
        }
        return before != '.';
    }

    private static boolean isLabel(String text, int start, int end) {
        int length = end - start;
        if (length < 1 || length > LABEL_CHARS_MAX || text.charAt(start) == '-' || text.charAt(end - 1) == '-') {
            return false;
        }
        for (int i = start; i < end; i++) {
            if (!OrderRequest.isAlphanumeric(text.charAt(i)) && text.charAt(i) != '-') {
                return false;
            }
        }
        return true;
    }

    private static boolean isNumber(String text, int start) {
        for (int i = start; i < text.length(); i++) {
            if (text.charAt(i) < '0' || text.charAt(i) > '9') {
                return false;
            }
        }
        return true;
    }
}
