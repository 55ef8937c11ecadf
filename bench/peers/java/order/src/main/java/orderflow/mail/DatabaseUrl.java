package orderflow.mail;

import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;

import orderflow.order.Settings;

/** DATABASE_URL as JDBC wants it. */
public record DatabaseUrl(String jdbc, String user, String password) {
    public static DatabaseUrl fromEnvironment() {
        URI url = URI.create(Settings.required("DATABASE_URL"));
        String[] login = url.getRawUserInfo().split(":", 2);
        String jdbc = "jdbc:postgresql://" + url.getHost() + ':' + url.getPort() + url.getRawPath();
        return new DatabaseUrl(jdbc, decoded(login[0]), login.length < 2 ? "" : decoded(login[1]));
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }
}
