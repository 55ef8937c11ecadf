//! The limits of what comes from outside. Does not check anything: the types in `values` do.

/// Most characters of a customer id or SKU.
pub const IDENTIFIER_CHARS_MAX: usize = 64;
/// Most characters of an Idempotency-Key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 128;
/// Most characters of a person's name.
pub const PERSON_NAME_CHARS_MAX: usize = 100;
/// Most characters of an e-mail address (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub const EMAIL_CHARS_MAX: usize = 254;
/// Most characters of an e-mail address before its `@` (RFC 5321, 4.5.3.1.1).
pub const EMAIL_LOCAL_CHARS_MAX: usize = 64;
/// Most characters of a product's name.
pub const PRODUCT_NAME_CHARS_MAX: usize = 200;
/// Most characters of a department's name.
pub const DEPARTMENT_CHARS_MAX: usize = 100;
/// Most characters of the reason of a cancellation.
pub const REASON_CHARS_MAX: usize = 200;
/// Most lines of an order.
pub const ORDER_LINES_MAX: usize = 500;
/// Most units of one order line.
pub const QUANTITY_MAX: i32 = 1_000_000;
/// Most units that one stock record may add or write off.
pub const STOCK_DELTA_MAX: i32 = 100_000_000;
/// Highest price of one unit, in minor units. With [`ORDER_LINES_MAX`] and [`QUANTITY_MAX`] a
/// total stays far below the range of an `i64`.
pub const UNIT_PRICE_MINOR_MAX: i64 = 1_000_000_000;
/// Highest whole number that every reader of JSON keeps as it is: others read numbers as doubles
/// (RFC 8259, section 6). No amount of an order is above it.
pub const JSON_INTEGER_MAX: i64 = (1 << 53) - 1;
