package orderflow.connect.mails;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;

import orderflow.mail.DatabaseUrl;
import orderflow.order.Settings;

import org.apache.kafka.connect.cli.ConnectStandalone;

/**
 * The peer of confirmation-email's ledger in Kafka Connect: Debezium's JDBC sink writes the table mails. It writes rows
 * and no position, and does not look whether the order of a mail is known.
 */
public class Application {
    public static void main(String[] arguments) throws IOException {
        // Where the harness keeps what a run leaves, kill -9 included.
        String scratch = System.getenv().getOrDefault("BENCH_SCRATCH", System.getProperty("java.io.tmpdir"));
        Path folder = Files.createTempDirectory(Path.of(scratch), "connect-mails");
        String worker = written(folder.resolve("worker.properties"), worker(folder));
        ConnectStandalone.main(new String[] {worker, written(folder.resolve("sink.properties"), sink())});
    }

    private static String written(Path file, Map<String, String> settings) throws IOException {
        Properties properties = new Properties();
        properties.putAll(settings);
        try (Writer out = Files.newBufferedWriter(file)) {
            properties.store(out, null);
        }
        file.toFile().deleteOnExit();
        return file.toString();
    }

    private static Map<String, String> worker(Path folder) {
        folder.toFile().deleteOnExit();
        return Map.ofEntries(
                Map.entry("bootstrap.servers", Settings.brokers()),
                Map.entry("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
                Map.entry("value.converter", "org.apache.kafka.connect.converters.ByteArrayConverter"),
                Map.entry("offset.storage.file.filename", folder.resolve("offsets").toString()),
                Map.entry("listeners", "http://" + Settings.required("HEALTH_ADDR")),
                Map.entry("plugin.path", System.getProperty("plugins")),
                Map.entry("plugin.discovery", "service_load"),
                Map.entry("connector.client.config.override.policy", "All"),
                Map.entry("offset.flush.interval.ms", "1000"));
    }

    private static Map<String, String> sink() {
        DatabaseUrl url = DatabaseUrl.fromEnvironment();
        return Map.ofEntries(
                Map.entry("name", "mails"),
                Map.entry("connector.class", "io.debezium.connector.jdbc.JdbcSinkConnector"),
                Map.entry("tasks.max", Settings.required("WORKERS")),
                Map.entry("topics", Settings.topic("orders")),
                Map.entry("transforms", "row"),
                Map.entry("transforms.row.type", MailRow.class.getName()),
                Map.entry("collection.name.format", "mails"),
                Map.entry("connection.url", url.jdbc()),
                Map.entry("connection.username", url.user()),
                Map.entry("connection.password", url.password()),
                Map.entry("insert.mode", "upsert"),
                Map.entry("primary.key.mode", "record_key"),
                Map.entry("schema.evolution", "none"),
                Map.entry("batch.size", Settings.required("BATCH_RECORDS_MAX")),
                Map.entry("use.reduction.buffer", "true"),
                Map.entry("dialect.postgres.unnest.insert.enabled", "true"),
                Map.entry("consumer.override.group.id", Settings.required("GROUP")),
                Map.entry("consumer.override.isolation.level", "read_committed"),
                Map.entry("consumer.override.auto.offset.reset", "earliest"),
                Map.entry("consumer.override.session.timeout.ms", "10000"),
                Map.entry("consumer.override.max.poll.records", Settings.required("BATCH_RECORDS_MAX")),
                Map.entry("consumer.override.max.partition.fetch.bytes", "4194304"));
    }
}
