package orderflow.order;

/** Whom to write to. */
record Contact(String name, String email) {}
