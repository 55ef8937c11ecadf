package orderflow.order;

/** Why an order is refused, with the status that producer-api has for it. */
public final class Refused extends Exception {
    public static final Refused MALFORMED = new Refused(400, "malformed-json");
    public static final Refused HEADER = new Refused(400, "invalid-header");
    public static final Refused UNKNOWN_SKU = new Refused(404, "unknown-sku");
    public static final Refused TOO_LARGE = new Refused(413, "body-too-large");
    public static final Refused MEDIA_TYPE = new Refused(415, "unsupported-media-type");
    public static final Refused INVALID = new Refused(422, "invalid-body");
    public static final Refused CURRENCIES = new Refused(422, "mixed-currencies");
    public static final Refused QUEUE_FULL = new Refused(503, "queue-full");
    public static final Refused OUTCOME_UNKNOWN = new Refused(503, "outcome-unknown");

    private final int status;

    private Refused(int status, String problem) {
        super(problem, null, false, false); // no stack trace: it is an answer
        this.status = status;
    }

    public int status() {
        return status;
    }
}
