package orderflow.quarkus.ingest;

import io.smallrye.common.annotation.NonBlocking;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.core.Context;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.Response;
import java.util.List;
import java.util.concurrent.CompletionStage;

import orderflow.order.OrderDesk.Answer;
import orderflow.order.OrderDesk.Asked;

/** Waits for nothing, so it stays on the threads that read from the network. */
@Path("/")
@NonBlocking
public class OrderResource {
    private final Orders orders;

    OrderResource(Orders orders) {
        this.orders = orders;
    }

    @GET
    @Path("readyz")
    public Response ready() {
        return Response.status(orders.isReady() ? 200 : 503).build();
    }

    @POST
    @Path("v1/orders")
    public CompletionStage<Response> place(@Context HttpHeaders headers, byte[] body) {
        List<String> keys = headers.getRequestHeader("Idempotency-Key");
        Asked asked = new Asked(
                headers.getHeaderString(HttpHeaders.CONTENT_TYPE),
                headers.getHeaderString(HttpHeaders.CONTENT_ENCODING),
                keys == null ? List.of() : keys,
                headers.getHeaderString("traceparent"),
                body);
        return orders.place(asked).thenApply(OrderResource::response);
    }

    private static Response response(Answer answer) {
        Response.ResponseBuilder response = Response.status(answer.status()).entity(answer.body());
        answer.headers().forEach(response::header);
        return response.build();
    }
}
