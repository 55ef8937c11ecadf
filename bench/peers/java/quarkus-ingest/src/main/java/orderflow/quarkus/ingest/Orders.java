package orderflow.quarkus.ingest;

import io.quarkus.runtime.Startup;
import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

import orderflow.order.OrderDesk;
import orderflow.order.OrderDesk.Answer;
import orderflow.order.OrderDesk.Asked;
import orderflow.order.Refused;
import orderflow.order.Settings;

import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;

/** The producer and what it needs; ready once it is made. */
@Startup
@ApplicationScoped
public class Orders {
    private final OrderDesk desk;
    private final Producer<byte[], byte[]> producer;

    Orders() throws IOException, InterruptedException {
        desk = new OrderDesk();
        producer = new KafkaProducer<>(Settings.producer("quarkus-ingest"));
        // Whoever sends first would wait for it, and that is a thread that waits for nobody.
        producer.partitionsFor(Settings.topic("orders"));
    }

    @PreDestroy
    void close() {
        producer.close();
    }

    /** Whoever asks waits until it is made. */
    boolean isReady() {
        return true;
    }

    /** Answers after the broker's report. */
    CompletionStage<Answer> place(Asked asked) {
        try {
            return publish(desk.place(asked));
        } catch (Refused why) {
            return CompletableFuture.completedStage(OrderDesk.refused(why));
        } catch (KafkaException notSent) {
            return CompletableFuture.completedStage(OrderDesk.failed(notSent));
        }
    }

    private CompletionStage<Answer> publish(ProducerRecord<byte[], byte[]> record) {
        CompletableFuture<Answer> answer = new CompletableFuture<>();
        producer.send(record, (report, error) ->
                answer.complete(error == null ? OrderDesk.accepted(record, report) : OrderDesk.failed(error)));
        return answer;
    }
}
