package orderflow.order;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

/** Asks the registry for the id of a subject's latest schema. */
public final class SchemaRegistry {
    private static final Duration WITHIN = Duration.ofSeconds(5);

    private SchemaRegistry() {}

    public static int latestId(String subject) throws IOException, InterruptedException {
        URI version = URI.create(Settings.registry() + "/subjects/" + subject + "/versions/latest");
        HttpClient client = HttpClient.newBuilder().connectTimeout(WITHIN).build();
        var answer = client.send(HttpRequest.newBuilder(version).timeout(WITHIN).build(), BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) {
            throw new IOException("the registry answers " + answer.statusCode() + " for " + subject);
        }
        return id(answer.body());
    }

    private static int id(byte[] version) throws IOException {
        try (JsonParser json = new JsonFactory().createParser(version)) {
            for (json.nextToken(); json.nextFieldName() != null; json.skipChildren()) {
                boolean isId = json.currentName().equals("id");
                if (json.nextToken() == JsonToken.VALUE_NUMBER_INT && isId) {
                    return json.getIntValue();
                }
            }
        }
        throw new IOException("the registry's answer has no id");
    }
}
