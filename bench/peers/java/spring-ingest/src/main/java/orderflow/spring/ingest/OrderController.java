package orderflow.spring.ingest;

import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.util.Collections;
import java.util.concurrent.ExecutionException;

import orderflow.order.OrderDesk;
import orderflow.order.OrderDesk.Answer;
import orderflow.order.OrderDesk.Asked;
import orderflow.order.Refused;

import org.apache.kafka.clients.producer.ProducerRecord;
import org.springframework.http.HttpHeaders;
import org.springframework.http.ResponseEntity;
import org.springframework.kafka.KafkaException;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

@RestController
class OrderController {
    private final OrderDesk desk;
    private final KafkaTemplate<byte[], byte[]> kafka;

    OrderController(OrderDesk desk, KafkaTemplate<byte[], byte[]> kafka) {
        this.desk = desk;
        this.kafka = kafka;
    }

    @GetMapping("/readyz")
    void ready() {}

    @PostMapping("/v1/orders")
    ResponseEntity<byte[]> place(HttpServletRequest request) throws IOException, InterruptedException {
        Answer answer = answer(request);
        HttpHeaders headers = new HttpHeaders();
        answer.headers().forEach(headers::set);
        return ResponseEntity.status(answer.status()).headers(headers).body(answer.body());
    }

    private Answer answer(HttpServletRequest request) throws IOException, InterruptedException {
        try {
            return publish(desk.place(asked(request)));
        } catch (Refused why) {
            return OrderDesk.refused(why);
        }
    }

    private static Asked asked(HttpServletRequest request) throws IOException {
        return new Asked(
                request.getContentType(),
                request.getHeader(HttpHeaders.CONTENT_ENCODING),
                Collections.list(request.getHeaders("Idempotency-Key")),
                request.getHeader("traceparent"),
                request.getInputStream().readNBytes(OrderDesk.BODY_BYTES_MAX + 1));
    }

    /** Waits for the broker's report: a virtual thread costs nothing while it does. */
    private Answer publish(ProducerRecord<byte[], byte[]> record) throws InterruptedException {
        try {
            return OrderDesk.accepted(record, kafka.send(record).get().getRecordMetadata());
        } catch (ExecutionException failed) {
            return OrderDesk.failed(failed.getCause());
        } catch (KafkaException notSent) {
            return OrderDesk.failed(notSent);
        }
    }
}
