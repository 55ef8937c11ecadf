//! What it costs to write and to read a typical order. Decides nothing: the aim is below a
//! microsecond each.

use criterion::{Criterion, criterion_group, criterion_main};
use events_schema::wire::{Decoder, Encoder};
use events_schema::{
    Contact, Currency, Event, EventId, EventType, Locale, MoneyMinor, OrderId, OrderLine,
    OrderPlaced, Quantity, Timestamp,
};
use std::hint::black_box;
use std::mem::take;
use uuid::Uuid;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Nine lines: the mean of the real year's baskets.
fn typical_order() -> Fallible<Event> {
    let order_id = OrderId::from(Uuid::from_u128(7));
    let line = |n: i64| -> Fallible<OrderLine> {
        Ok(OrderLine {
            sku: (1_000_000 + n).to_string().parse()?,
            quantity: Quantity::try_from(n + 1)?,
            unit_price_minor: MoneyMinor::try_from(199 + n)?,
        })
    };
    Ok(Event::from(OrderPlaced {
        event_id: EventId::of_order(order_id, EventType::OrderPlaced),
        order_id,
        customer_id: "household-1234".parse()?,
        placed_at: Timestamp::from_micros(1_767_225_600_000_001),
        currency: Currency::USD,
        total_minor: MoneyMinor::try_from(9_195)?,
        lines: (0..9).map(line).collect::<Fallible<_>>()?,
        locale: Locale::He,
        contact: Some(Contact {
            name: "Dana Levi".to_owned().try_into()?,
            email: "dana@example.com".to_owned().try_into()?,
        }),
        fingerprint: -42,
    }))
}

fn measure(criterion: &mut Criterion) -> Fallible<()> {
    let event = typical_order()?;
    let encoder = Encoder::new([(EventType::OrderPlaced, 1)]);
    let mut decoder = Decoder::default();
    decoder.learn(1, EventType::OrderPlaced.schema());
    let bytes = encoder.encode(&event, Vec::new())?;
    let mut buffer = Vec::new();
    criterion.bench_function("encode an order of 9 lines", |bencher| {
        // Into the same buffer again and again, as producer-api does.
        bencher.iter(|| {
            buffer.clear();
            buffer = encoder.encode(black_box(&event), take(&mut buffer)).unwrap_or_default();
        });
    });
    criterion.bench_function("decode an order of 9 lines", |bencher| {
        bencher.iter(|| decoder.decode(black_box(&bytes)));
    });
    Ok(())
}

fn orders(criterion: &mut Criterion) {
    if let Err(error) = measure(criterion) {
        eprintln!("nothing was measured: {error}");
    }
}

criterion_group!(benches, orders);
criterion_main!(benches);
