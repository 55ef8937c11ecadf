package orderflow.spring.ingest;

import java.io.IOException;
import java.util.Map;

import orderflow.order.OrderDesk;
import orderflow.order.Settings;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;

/** The peer of producer-api in Spring Boot: Web MVC and spring-kafka, the same work for an order, nothing else. */
@SpringBootApplication(proxyBeanMethods = false)
public class Application {
    public static void main(String[] arguments) {
        SpringApplication application = new SpringApplication(Application.class);
        String[] address = Settings.required("HTTP_ADDR").split(":");
        application.setDefaultProperties(Map.of("server.address", address[0], "server.port", address[1]));
        application.run(arguments);
    }

    @Bean
    OrderDesk desk() throws IOException, InterruptedException {
        return new OrderDesk();
    }

    @Bean
    KafkaTemplate<byte[], byte[]> kafka() {
        return new KafkaTemplate<>(new DefaultKafkaProducerFactory<>(Settings.producer("spring-ingest")));
    }
}
