package orderflow.order;

/** What the catalogue says of a SKU. */
record Price(long minor, String currency) {}
