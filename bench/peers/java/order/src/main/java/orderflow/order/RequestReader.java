package orderflow.order;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/** Reads a body and refuses what it does not know. A member that is missing is null, which no check lets pass. */
final class RequestReader {
    // Not per thread: the threads may be virtual, and each new.
    private static final JsonFactory JSON =
            JsonFactory.builder().recyclerPool(JsonRecyclerPools.sharedConcurrentDequePool()).build();

    private final JsonParser json;

    private RequestReader(JsonParser json) {
        this.json = json;
    }

    static OrderRequest read(byte[] body) throws Refused {
        try (JsonParser json = JSON.createParser(body)) {
            json.nextToken();
            OrderRequest request = new RequestReader(json).request();
            if (json.nextToken() != null) {
                throw Refused.MALFORMED;
            }
            return request;
        } catch (InputCoercionException outOfRange) {
            throw Refused.INVALID;
        } catch (JsonProcessingException malformed) {
            throw Refused.MALFORMED;
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
    }

    private OrderRequest request() throws IOException, Refused {
        String customer = null;
        List<Line> lines = null;
        Contact contact = null;
        String locale = null;
        expect(JsonToken.START_OBJECT);
        for (String name; (name = json.nextFieldName()) != null; ) {
            json.nextToken();
            switch (name) {
                case "customer_id" -> customer = once(customer, text());
                case "lines" -> lines = once(lines, lines());
                case "contact" -> contact = once(contact, contact());
                case "locale" -> locale = once(locale, text());
                default -> throw Refused.INVALID;
            }
        }
        return new OrderRequest(customer, lines, contact, locale);
    }

    private List<Line> lines() throws IOException, Refused {
        if (json.currentToken() == JsonToken.VALUE_NULL) {
            return null;
        }
        expect(JsonToken.START_ARRAY);
        List<Line> lines = new ArrayList<>(8);
        while (json.nextToken() != JsonToken.END_ARRAY) {
            lines.add(line());
        }
        return lines;
    }

    private Line line() throws IOException, Refused {
        String sku = null;
        Long quantity = null;
        expect(JsonToken.START_OBJECT);
        for (String name; (name = json.nextFieldName()) != null; ) {
            json.nextToken();
            switch (name) {
                case "sku" -> sku = once(sku, text());
                case "quantity" -> quantity = once(quantity, number());
                default -> throw Refused.INVALID;
            }
        }
        return new Line(sku, quantity == null ? 0 : quantity);
    }

    private Contact contact() throws IOException, Refused {
        String name = null;
        String email = null;
        expect(JsonToken.START_OBJECT);
        for (String member; (member = json.nextFieldName()) != null; ) {
            json.nextToken();
            switch (member) {
                case "name" -> name = once(name, text());
                case "email" -> email = once(email, text());
                default -> throw Refused.INVALID;
            }
        }
        return new Contact(name, email);
    }

    private static <T> T once(T before, T value) throws Refused {
        if (before != null) {
            throw Refused.MALFORMED;
        }
        return value;
    }

    private String text() throws IOException, Refused {
        if (json.currentToken() == JsonToken.VALUE_NULL) {
            return null;
        }
        expect(JsonToken.VALUE_STRING);
        return json.getText();
    }

    private Long number() throws IOException, Refused {
        if (json.currentToken() == JsonToken.VALUE_NULL) {
            return null;
        }
        expect(JsonToken.VALUE_NUMBER_INT);
        return json.getLongValue();
    }

    private void expect(JsonToken token) throws Refused {
        if (json.currentToken() != token) {
            throw json.currentToken() == null ? Refused.MALFORMED : Refused.INVALID;
        }
    }
}
