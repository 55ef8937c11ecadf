package orderflow.spring.mails;

import java.io.IOException;
import java.util.Map;
import javax.sql.DataSource;

import com.zaxxer.hikari.HikariDataSource;

import orderflow.mail.DatabaseUrl;
import orderflow.mail.MailEvents;
import orderflow.order.Settings;

import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.context.event.EventListener;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.event.ConsumerStoppedEvent;
import org.springframework.kafka.listener.CommonContainerStoppingErrorHandler;
import org.springframework.kafka.listener.ContainerProperties.AckMode;

/**
 * The peer of confirmation-email's ledger in Spring: a batch listener of spring-kafka and JDBC. It writes the same
 * rows into the same tables, with the position in the same transaction.
 */
@SpringBootApplication(proxyBeanMethods = false)
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    DataSource database() {
        DatabaseUrl url = DatabaseUrl.fromEnvironment();
        HikariDataSource pool = new HikariDataSource();
        pool.setJdbcUrl(url.jdbc());
        pool.setUsername(url.user());
        pool.setPassword(url.password());
        // One for each worker's batch, and one more where a partition is taken meanwhile.
        pool.setMaximumPoolSize(Settings.positive("WORKERS") + 1);
        return pool;
    }

    @Bean
    MailEvents events() throws IOException, InterruptedException {
        return new MailEvents();
    }

    @Bean
    ConcurrentKafkaListenerContainerFactory<byte[], byte[]> workers(Positions positions) {
        var factory = new ConcurrentKafkaListenerContainerFactory<byte[], byte[]>();
        factory.setConsumerFactory(new DefaultKafkaConsumerFactory<>(consumer()));
        factory.setBatchListener(true);
        factory.setConcurrency(Settings.positive("WORKERS"));
        // Nothing is committed to Kafka: the position is in the database.
        factory.getContainerProperties().setAckMode(AckMode.MANUAL);
        factory.getContainerProperties().setConsumerRebalanceListener(positions);
        factory.setCommonErrorHandler(new CommonContainerStoppingErrorHandler());
        return factory;
    }

    private static Map<String, Object> consumer() {
        return Map.ofEntries(
                Map.entry(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, Settings.brokers()),
                Map.entry(ConsumerConfig.GROUP_ID_CONFIG, Settings.required("GROUP")),
                Map.entry(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed"),
                Map.entry(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false),
                Map.entry(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest"),
                Map.entry(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Settings.positive("BATCH_RECORDS_MAX")),
                // A batch is gathered of all partitions, and one of them alone can fill it.
                Map.entry(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 << 20),
                // Whoever is killed is missed soon.
                Map.entry(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 10_000),
                Map.entry(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class),
                Map.entry(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class));
    }

    /** A worker that failed is the end of the process. */
    @EventListener
    void stopped(ConsumerStoppedEvent event) {
        if (event.getReason() != ConsumerStoppedEvent.Reason.NORMAL) {
            Runtime.getRuntime().halt(1);
        }
    }
}
