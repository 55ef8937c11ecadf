//! What a folded order costs in memory. Run by hand: it measures, and holds nothing.

use std::time::Instant;

use events_schema::{EventId, EventType, OrderId, OrderPlaced, RecordPosition, StockLine};

use super::*;
use crate::testing::{confirmed, placed};

/// `VmHWM` or `VmRSS` of this process, in bytes.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// An order of nine lines, as a grocer's are on average, and its confirmation.
fn tell(story: &mut Story, n: u128, offset: i64) {
    let order_id =
        OrderId::for_key(&"household-1".parse().unwrap(), &n.to_string().parse().unwrap());
    let at = |offset| RecordPosition { topic: Topic::Orders, partition: 0, offset };
    let placed: OrderPlaced = placed(1);
    let skus = (0..9).map(|line| format!("{:07}", (n * 31 + line) % 92_331).parse().unwrap());
    let lines = skus.map(|sku| events_schema::OrderLine { sku, ..placed.lines[0].clone() });
    let lines: Vec<_> = lines.collect();
    let reserved = lines.iter().map(|line| StockLine { sku: line.sku.clone(), quantity: 2 });
    let reserved = reserved.collect();
    let event_id = EventId::of_order(order_id, EventType::OrderPlaced);
    let outcome = EventId::of_order(order_id, EventType::OrderConfirmed);
    story.tell(at(offset), OrderPlaced { event_id, order_id, lines, ..placed }.into());
    let confirmed =
        events_schema::OrderConfirmed { event_id: outcome, order_id, reserved, ..confirmed(1) };
    story.tell(at(offset + 1), confirmed.into());
}

#[test]
fn orders_are_put_aside_before_they_are_too_many() {
    let mut story = Story::default();
    for n in 0..60_000 {
        tell(&mut story, n, 2 * i64::try_from(n).unwrap());
        story.make_room().unwrap();
        assert!(story.orders.len() <= HELD_MAX / 2);
    }
    let mut orders = 0;
    let stand = Stand::default();
    View { story: &story, stand: &stand }.each_order(|_, told| orders += told.len() / 2);
    assert_eq!(orders, 60_000);
}

#[test]
#[ignore = "a measurement: ORDERS says of how many orders"]
fn memory_of_a_fold() {
    let orders = chassis::settings::parsed("ORDERS", 200_000_u64, "a number").unwrap();
    let (before, began) = (memory("VmRSS"), Instant::now());
    let mut story = Story::default();
    for n in 0..orders {
        tell(&mut story, n.into(), 2 * i64::try_from(n).unwrap());
        story.make_room().unwrap();
    }
    let (told, read) = (memory("VmHWM") - before, began.elapsed());
    let stand = Stand { positions: [((Topic::Orders, 0), i64::MAX)].into(), ..Stand::default() };
    let view = View { story: &story, stand: &stand };
    let mut rows = 0;
    for projection in super::super::projection::Projection::ALL {
        assert!(projection.broken_invariants(view).len() < 100_000);
        for (_, table) in projection.tables(view) {
            rows += table.count();
        }
    }
    story.whole().unwrap();
    println!(
        "{orders} orders: {} MB at the peak of reading ({read:.1?}), {} MB at that of the fold \
         ({:.1?}); {rows} rows; {} bytes of an order put aside",
        told / 1_000_000,
        (memory("VmHWM") - before) / 1_000_000,
        began.elapsed(),
        story.shelf().spool().written() / orders
    );
}
