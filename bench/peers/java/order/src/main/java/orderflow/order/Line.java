package orderflow.order;

/** What is ordered. */
record Line(String sku, long quantity) {}
