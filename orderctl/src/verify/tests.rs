//! A small log against rows written by hand: what fits is not reported, what differs is named.

use std::collections::HashMap;

use events_schema::{Event, EventId, ProductDelisted, RecordPosition, Timestamp, Topic};
use sqlx::PgPool;

use super::*;
use crate::log::Span;
use crate::testing::{confirmed, encoder, order, placed, product, schema};
use fixture::{MIGRATIONS, POSITIONS, prepared, run, story};
use record::{LogRecord, Unreadable};
use story::{Stand, Story};

/// Every difference of a projection, as it is printed.
pub(super) async fn differences(
    pool: &PgPool,
    projection: Projection,
    story: &Story,
) -> Vec<String> {
    let (outcome, mut printed) = printed(pool, projection, story).await;
    printed.retain(|line| line.starts_with("  ! "));
    assert_eq!(outcome == Outcome::Fine, printed.is_empty());
    printed
}

/// The whole report of a projection.
async fn printed(pool: &PgPool, projection: Projection, story: &Story) -> (Outcome, Vec<String>) {
    let mut connection = pool.acquire().await.unwrap();
    let mut snapshot = snapshot::begin(&mut connection).await.unwrap();
    let names: HashMap<_, _> = snapshot::names(projection, str::to_owned);
    let (stored, _) = snapshot::stored(&mut snapshot, projection, &names).await.unwrap();
    let stand: Stand = stored.decode(&mut Decoding::new(schema)).unwrap();
    let view = View { story, stand: &stand };
    let report = check(&mut snapshot, projection, view).await.unwrap();
    let mut printed = Vec::new();
    let mut out = |line| {
        printed.push(line);
        Ok(())
    };
    let outcome = report.print(&mut out).unwrap();
    (outcome, printed)
}

#[sqlx::test]
async fn rows_that_the_log_explains_are_not_reported(pool: PgPool) {
    prepared(&pool).await;
    for projection in Projection::ALL {
        assert_eq!(differences(&pool, projection, &story()).await, Vec::<String>::new());
    }
}

/// What is done by hand, and what verify says of it.
const TAMPERED: [(Projection, &str, &str); 20] = [
    (
        Projection::Inventory,
        "UPDATE inventory.stock SET available = 7 WHERE sku = 'a'",
        "inventory.stock a  available: the log says 6, Postgres says 7",
    ),
    (
        Projection::Inventory,
        "DELETE FROM inventory.stock WHERE sku = 'b'",
        "inventory.stock b  the log has this row, Postgres does not",
    ),
    (
        Projection::Inventory,
        "DELETE FROM inventory.stock WHERE available = 0",
        "inventory.stock c  the log has this row, Postgres does not",
    ),
    (
        Projection::Inventory,
        "UPDATE inventory.stock_receipts SET delta = 11 WHERE sku = 'a'",
        "delta: the log says 10, Postgres says 11",
    ),
    (
        Projection::Inventory,
        "UPDATE inventory.stock_receipts SET delta = 0 WHERE sku = 'a'",
        "it was refused, and nothing in the log justifies that: stock:0@0",
    ),
    (
        Projection::Inventory,
        "DELETE FROM inventory.stock_receipts WHERE delta = 0",
        "inventory.stock_receipts 00000000-0000-0000-0000-000000000005  the log has this row",
    ),
    (
        Projection::Inventory,
        "UPDATE inventory.products SET price_minor = 99 WHERE sku = 'b'",
        "inventory.products b  price_minor: the log says 100, Postgres says 99",
    ),
    (
        Projection::Inventory,
        "UPDATE inventory.orders SET status = 'confirmed' WHERE status = 'rejected'",
        "status: the log says rejected, Postgres says confirmed",
    ),
    (
        Projection::Inventory,
        "UPDATE inventory.orders SET shortages = '[]'",
        "shortages: the log says a 2 1, Postgres says ",
    ),
    (
        Projection::Inventory,
        "UPDATE inventory.order_lines SET quantity = 3 WHERE line = 0 AND
        order_id = '00000000-0000-0000-0000-000000000006'",
        "inventory.order_lines 00000000-0000-0000-0000-000000000006 line 0  quantity: the log says 2, \
         Postgres says 3",
    ),
    (
        Projection::Inventory,
        "DELETE FROM inventory.outbox",
        "inventory.orders 00000000-0000-0000-0000-000000000006  it was placed and has no outcome",
    ),
    (
        Projection::ConfirmationEmail,
        "UPDATE \"confirmation-email\".orders SET email = 'x@y.z'
        WHERE total_minor = 250 AND name = 'Customer 2'",
        "confirmation-email.orders 00000000-0000-0000-0000-000000000002 customer-2  email: differs",
    ),
    (
        Projection::ConfirmationEmail,
        "UPDATE \"confirmation-email\".products SET name = 'old' WHERE sku = 'a'",
        "confirmation-email.products a  name: the log says Apples, Postgres says old",
    ),
    (
        Projection::ConfirmationEmail,
        "UPDATE \"confirmation-email\".mails SET state = 'withheld'
        WHERE state = 'queued'",
        "withheld: the log says false, Postgres says true",
    ),
    (
        Projection::ConfirmationEmail,
        "DELETE FROM \"confirmation-email\".mails WHERE state = 'sent'",
        "the log has this row, Postgres does not",
    ),
    (
        Projection::Analytics,
        "UPDATE analytics.products SET department = 'DELI' WHERE sku = 'a'",
        "analytics.products a  department: the log says GROCERY, Postgres says DELI",
    ),
    (
        Projection::Analytics,
        "UPDATE analytics.orders SET units = 4 WHERE customer_id = 'customer-3'",
        "analytics.orders 00000000-0000-0000-0000-000000000003 customer-3  units: the log says 3, \
         Postgres says 4",
    ),
    (
        Projection::Analytics,
        "INSERT INTO analytics.hourly_sales VALUES
        ('2026-01-01T00:00:00Z', 'a', 'USD', 1, 2, 200)",
        "hourly_sales 2026-01-01T00:00:00.000000Z a USD  Postgres has this row, the log does not",
    ),
    (
        Projection::Analytics,
        "UPDATE analytics.hourly_funnel SET placed = 6",
        "placed: the log says 5, Postgres says 6",
    ),
    (
        Projection::Analytics,
        "UPDATE analytics.customers SET revenue_minor = 250 WHERE confirmed = 1",
        "analytics.customers customer-1 USD  revenue_minor: the log says 0, Postgres says 250",
    ),
];

#[sqlx::test]
async fn a_row_changed_by_hand_is_named(pool: PgPool) {
    prepared(&pool).await;
    let (story, mut missed) = (story(), Vec::new());
    for (projection, by_hand, expected) in TAMPERED {
        run(&pool, &format!("CREATE TABLE saved AS SELECT 1; {by_hand}")).await;
        let found = differences(&pool, projection, &story).await;
        if !found.iter().any(|line| line.contains(expected)) {
            missed.push((by_hand, found));
        }
        restored(&pool).await;
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Everything as it was before.
async fn restored(pool: &PgPool) {
    for (schema, _) in MIGRATIONS {
        run(pool, &format!("DROP SCHEMA \"{schema}\" CASCADE")).await;
    }
    run(pool, "DROP TABLE saved").await;
    prepared(pool).await;
}

pub(super) fn record_of(event: Event) -> LogRecord {
    LogRecord {
        key: Some(event.key().into()),
        payload: Some(encoder().encode(&event, vec![]).unwrap()),
        subject: Some(event.subject()),
        event: Some(event),
    }
}

/// Analytics has parked it, at the first offset of orders:1.
pub(super) async fn park(pool: &PgPool, record: &LogRecord) {
    let sql = "INSERT INTO analytics.parked (topic, topic_id, partition, record_offset, cause, \
               detail, blocks, subject, record_key, payload, headers, recorded_at)
        VALUES ('orders', 'id', 1, 0, 'refused-by-database', 'd', true, $1, $2, $3, '[]', now())";
    let query = sqlx::query(sql).bind(&record.subject).bind(&record.key).bind(&record.payload);
    query.execute(pool).await.unwrap();
}

#[sqlx::test]
async fn a_parked_record_is_left_out_of_its_projection_only(pool: PgPool) {
    prepared(&pool).await;
    let (mut story, record) = (story(), record_of(placed(6).into()));
    park(&pool, &record).await;
    story.parked.insert(RecordPosition { topic: Topic::Orders, partition: 1, offset: 0 }, record);
    let found = differences(&pool, Projection::Analytics, &story).await;
    let of_six = "analytics.customers customer-6 USD  Postgres has this row, the log does not";
    assert!(found.iter().any(|line| line.contains(of_six)), "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("analytics.parked")), "{found:#?}");
    assert!(differences(&pool, Projection::Inventory, &story).await.is_empty());

    run(&pool, "UPDATE analytics.parked SET payload = '\\x00'").await;
    let found = differences(&pool, Projection::Analytics, &story).await;
    let named = "analytics.parked orders:1@0  its bytes in the log are others";
    assert!(found.iter().any(|line| line.contains(named)), "{found:#?}");
}

/// What was parked of order 6 by analytics, and the line of the report about it.
pub(super) async fn parked_line(pool: &PgPool, story: &Story) -> String {
    let (_, printed) = printed(pool, Projection::Analytics, story).await;
    let line = printed.into_iter().find(|line| line.starts_with("  parked")).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[sqlx::test]
async fn a_record_is_left_out_in_every_state_and_the_report_says_how_many_are_in_each(
    pool: PgPool,
) {
    prepared(&pool).await;
    let (mut story, record) = (story(), record_of(placed(6).into()));
    park(&pool, &record).await;
    story.parked.insert(RecordPosition { topic: Topic::Orders, partition: 1, offset: 0 }, record);
    let of_six = "analytics.customers customer-6 USD  Postgres has this row, the log does not";
    for (state, line) in [
        ("parked", "parked 1, 1 on the database's word"),
        ("quarantined", "parked 1, 1 of them quarantined, 1 on the database's word"),
        ("discarded", "parked 0, 1 discarded"),
    ] {
        run(&pool, &format!("UPDATE analytics.parked SET state = '{state}'")).await;
        let found = differences(&pool, Projection::Analytics, &story).await;
        assert!(found.iter().any(|line| line.contains(of_six)), "{state}: {found:#?}");
        assert_eq!(parked_line(&pool, &story).await, line);
    }
}

#[sqlx::test]
async fn a_record_that_was_redriven_is_in_the_fold_again(pool: PgPool) {
    prepared(&pool).await;
    let record = record_of(placed(6).into());
    park(&pool, &record).await;
    let redrive = "WITH gone AS (DELETE FROM analytics.parked RETURNING *)
        INSERT INTO analytics.audit (actor, action, topic, partition, record_offset, parked_id, subject)
        SELECT 'ada', 'redriven', topic, partition, record_offset, id, subject FROM gone";
    run(&pool, redrive).await;
    let nobodys =
        "INSERT INTO analytics.audit (actor, action, topic, partition, record_offset, parked_id)
        VALUES ('ada', 'redriven', 'orders', 0, 0, 9)";
    run(&pool, nobodys).await;
    assert_eq!(differences(&pool, Projection::Analytics, &story()).await, Vec::<String>::new());
    assert_eq!(parked_line(&pool, &story()).await, "parked 0");

    // What waited behind it, and still does: an account of another subject is no reason for it.
    let (mut story, follower) = (story(), record_of(confirmed(6).into()));
    let place = RecordPosition { topic: Topic::Orders, partition: 1, offset: 1 };
    park(&pool, &follower).await;
    story.parked.insert(place, follower);
    let wait = "UPDATE analytics.parked SET cause = 'blocked', record_offset = 1;
        UPDATE analytics.positions SET next_offset = 2 WHERE topic = 'orders' AND partition = 1";
    run(&pool, wait).await;
    assert_eq!(differences(&pool, Projection::Analytics, &story).await, Vec::<String>::new());
    run(&pool, "UPDATE analytics.audit SET action = 'redrive-failed'").await;
    let unjustified = "nothing in the log justifies that it is parked";
    let named = format!("  ! analytics.parked orders:1@1  {unjustified}");
    assert_eq!(differences(&pool, Projection::Analytics, &story).await, [named]);
}

#[sqlx::test]
async fn a_parked_record_of_a_former_topic_is_counted_and_not_compared(pool: PgPool) {
    prepared(&pool).await;
    let (mut story, follower) = (story(), record_of(confirmed(6).into()));
    park(&pool, &record_of(placed(6).into())).await;
    run(&pool, "UPDATE analytics.parked SET topic_id = 'former'").await;
    assert_eq!(differences(&pool, Projection::Analytics, &story).await, Vec::<String>::new());
    assert_eq!(parked_line(&pool, &story).await, "parked 0, 1 of a former topic");

    // A worker parks behind it all the same.
    park(&pool, &follower).await;
    story.parked.insert(RecordPosition { topic: Topic::Orders, partition: 1, offset: 1 }, follower);
    let wait =
        "UPDATE analytics.parked SET cause = 'blocked', record_offset = 1 WHERE topic_id = 'id';
        UPDATE analytics.positions SET next_offset = 2 WHERE topic = 'orders' AND partition = 1";
    run(&pool, wait).await;
    assert_eq!(differences(&pool, Projection::Analytics, &story).await, Vec::<String>::new());
}

#[sqlx::test]
async fn a_record_that_nobody_can_read_must_be_parked(pool: PgPool) {
    prepared(&pool).await;
    let place = RecordPosition { topic: Topic::Orders, partition: 0, offset: 5 };
    let with = |claimed: &str, why: &str| {
        let mut story = story();
        let (claimed, why) = (Some(claimed.to_owned()), why.to_owned());
        story.tell_unreadable(place, None, Unreadable { claimed, why });
        story
    };
    let request = with("orderflow.OrderCancelRequested", "it cannot be decoded");
    let line = "  ! inventory.record orders:0@5  it cannot be decoded and it is not parked";
    assert_eq!(differences(&pool, Projection::Inventory, &request).await, [line]);
    // It heeds no requests, so it never looked.
    assert!(differences(&pool, Projection::ConfirmationEmail, &request).await.is_empty());

    let unknown = with("orderflow.OrderTeleported", "nobody knows its type");
    let line =
        "  ! confirmation-email.record orders:0@5  nobody knows its type and it is not parked";
    assert_eq!(differences(&pool, Projection::ConfirmationEmail, &unknown).await, [line]);
}

#[sqlx::test]
async fn an_order_that_was_placed_before_it_was_cancelled_must_have_been_decided(pool: PgPool) {
    prepared(&pool).await;
    let mut story = story();
    let [request, placing, ..] = &mut story.orders.get_mut(&order(4)).unwrap()[..] else {
        panic!("order 4 is requested to be cancelled, then placed")
    };
    std::mem::swap(&mut request.place, &mut placing.place);
    run(&pool, "UPDATE inventory.orders SET source_offset = 7 WHERE source_offset = 6").await;
    let found = differences(&pool, Projection::Inventory, &story).await;
    let why = "it was placed before its cancellation was asked for, and never decided";
    assert_eq!(found, [format!("  ! inventory.orders {}  {why}", order(4))]);
}

#[sqlx::test]
async fn a_product_of_which_compaction_left_only_later_records_is_not_compared(pool: PgPool) {
    prepared(&pool).await;
    run(&pool, "INSERT INTO analytics.products VALUES ('z', 'Zest', 'GROCERY')").await;
    let mut story = story();
    let unseen = RecordPosition { topic: Topic::Products, partition: 0, offset: 9 };
    story.tell(unseen, product("z", "Zebra").into());
    let named = "  ! analytics.products z  Postgres has this row, the log does not";
    assert_eq!(differences(&pool, Projection::Analytics, &story).await, [named]);
    story.compacted.insert((Topic::Products, 0));
    assert!(differences(&pool, Projection::Analytics, &story).await.is_empty());
}

#[sqlx::test]
async fn a_delisted_product_is_in_no_catalogue_and_keeps_its_name(pool: PgPool) {
    prepared(&pool).await;
    let mut story = story();
    let tombstone = ProductDelisted {
        event_id: EventId::time_ordered(),
        sku: "a".parse().unwrap(),
        delisted_at: Timestamp::from_micros(0),
    };
    let place = RecordPosition { topic: Topic::Products, partition: 0, offset: 2 };
    story.tell(place, tombstone.into());
    let named = "  ! inventory.products a  Postgres has this row, the log does not";
    assert_eq!(differences(&pool, Projection::Inventory, &story).await, [named]);
    run(&pool, "DELETE FROM inventory.products WHERE sku = 'a'").await;
    for projection in [Projection::Inventory, Projection::ConfirmationEmail, Projection::Analytics]
    {
        assert_eq!(differences(&pool, projection, &story).await, Vec::<String>::new());
    }
}

#[test]
fn a_log_that_lost_records_or_a_position_outside_of_it_is_a_gap() {
    let positions = POSITIONS.map(|(topic, partition, next)| ((topic, partition), next));
    let stand = Stand { positions: positions.into(), ..Stand::default() };
    let span = |partition, start, end| Span { partition, start, end };
    let said = |spans: &[Span]| {
        reading::complete(Projection::Analytics, &stand, Topic::Orders, spans).map_err(|gap| gap.0)
    };
    assert_eq!(said(&[span(0, 0, 12), span(1, 0, 1)]), Ok(()));
    let lost = said(&[span(0, 4, 12)]).unwrap_err();
    assert_eq!(lost, "orders:0 begins at 4: its first records are gone");
    let beyond = said(&[span(0, 0, 9)]).unwrap_err();
    assert_eq!(beyond, "analytics stands at 10 of orders:0, which ends at 9");
    let unread = said(&[span(2, 0, 9)]).unwrap_err();
    assert_eq!(unread, "analytics has no position for orders:2: it never read it");
}

#[test]
fn a_topic_that_was_made_again_is_a_gap() {
    let same = |known| snapshot::same_topic(Projection::Analytics, "orders", "one", known);
    assert!(same(Some("one")).is_ok());
    let said = same(Some("two")).unwrap_err().0;
    assert_eq!(said, "analytics stands in another topic orders: its id was one and is two");
}
