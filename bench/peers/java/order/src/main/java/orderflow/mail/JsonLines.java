package orderflow.mail;

import com.fasterxml.jackson.core.io.JsonStringEncoder;

/** A JSON array of SKUs with two numbers each. */
final class JsonLines {
    private final String first;
    private final String second;
    private final StringBuilder out = new StringBuilder(256).append('[');
    private long total;

    JsonLines(String first, String second) {
        this.first = ",\"" + first + "\":";
        this.second = ",\"" + second + "\":";
    }

    void add(String sku, long firstNumber, long secondNumber) {
        out.append(out.length() > 1 ? ",{\"sku\":\"" : "{\"sku\":\"");
        JsonStringEncoder.getInstance().quoteAsString(sku, out);
        out.append('"').append(first).append(firstNumber).append(second).append(secondNumber).append('}');
        total += firstNumber * secondNumber;
    }

    /** The sum of the products of the two numbers. */
    long total() {
        return total;
    }

    String text() {
        return out + "]";
    }
}
