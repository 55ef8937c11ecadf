//! What a folded order costs in memory. Run by hand: it measures, and holds nothing.

use std::time::Instant;

use events_schema::{EventId, EventType, OrderId, OrderPlaced, StockLine};
use uuid::Uuid;

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
    let order_id: OrderId = Uuid::from_u128(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060)).into();
    let at = |offset| Place { topic: Topic::Orders, partition: 0, offset };
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
#[ignore = "a measurement: ORDERS says of how many orders"]
fn bytes_of_a_folded_order() {
    let orders = chassis::settings::parsed("ORDERS", 200_000_u64, "a number").unwrap();
    let (before, began) = (memory("VmRSS"), Instant::now());
    let mut story = Story::default();
    (0..orders).for_each(|n| tell(&mut story, n.into(), 2 * i64::try_from(n).unwrap()));
    let told = memory("VmRSS") - before;
    let stand = Stand { positions: [((Topic::Orders, 0), i64::MAX)].into(), ..Stand::default() };
    let view = View { story: &story, stand: &stand };
    let mut rows = 0;
    for projection in super::super::projection::Projection::ALL {
        for (_, table) in projection.tables(view) {
            rows += table.count();
        }
    }
    let peak = memory("VmHWM") - before;
    let per = |bytes: u64| bytes / orders;
    println!(
        "{orders} orders: {} bytes each in the story, {} at the peak of the fold; {rows} rows, {:.1?}",
        per(told),
        per(peak),
        began.elapsed()
    );
}
