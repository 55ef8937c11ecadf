package orderflow.order;

import java.util.Set;

/** Whether a body is JSON in UTF-8, as it is. */
final class MediaType {
    private static final Set<String> CHARSETS = Set.of("utf-8", "utf8", "us-ascii");

    private MediaType() {}

    static boolean isJson(String contentType) {
        if (contentType == null || contentType.equals("application/json")) {
            return contentType != null;
        }
        String[] parts = contentType.toLowerCase().split(";");
        boolean isJson = parts[0].strip().equals("application/json");
        for (int i = 1; i < parts.length; i++) {
            String[] parameter = parts[i].strip().split("=", 2);
            if (parameter.length == 2 && parameter[0].equals("charset")) {
                isJson &= CHARSETS.contains(parameter[1].replace("\"", ""));
            }
        }
        return isJson;
    }

    static boolean isIdentity(String contentEncoding) {
        return contentEncoding == null || contentEncoding.isEmpty() || contentEncoding.equalsIgnoreCase("identity");
    }
}
