package orderflow.quarkus.ingest;

import orderflow.order.Settings;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.annotations.QuarkusMain;

/** The peer of producer-api in Quarkus: REST and the Kafka client, the same work for an order, nothing else. */
@QuarkusMain
public class Application {
    public static void main(String[] arguments) {
        String[] address = Settings.required("HTTP_ADDR").split(":");
        System.setProperty("quarkus.http.host", address[0]);
        System.setProperty("quarkus.http.port", address[1]);
        Quarkus.run(arguments);
    }
}
