//! Orders drawn from a seed, of any number. The real year's are in `source`.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::draw::{Draw, Zipf};
use super::request::{Basket, Line, Product};
use super::source::{Rows, Slice};

/// Of the units that a SKU is asked for, how many come to the shelf (as for the real year).
const STOCK_PERCENT: i64 = 98;
const DEPARTMENTS: [&str; 6] = ["BAKERY", "DAIRY", "DRUG GM", "GROCERY", "MEAT", "PRODUCE"];

/// What a seed means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) skus: usize,
    pub(crate) customers: usize,
    /// How unevenly SKUs and customers are drawn; 0 is evenly.
    pub(crate) zipf: f64,
}

/// A source without an end, in which order N is always the same.
#[derive(Clone)]
pub(crate) struct Generated {
    shape: Shape,
    skus: Arc<Zipf>,
    customers: Arc<Zipf>,
}

impl Generated {
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            shape,
            skus: Arc::new(Zipf::new(shape.skus, shape.zipf)),
            customers: Arc::new(Zipf::new(shape.customers, shape.zipf)),
        }
    }

    /// Tells this source from those of other shapes, in every id that it makes: under one key
    /// there is one order.
    pub(crate) fn label(&self) -> String {
        let Shape { seed, skus, customers, zipf } = self.shape;
        let shape = format!("{skus} {customers} {zipf}");
        let (mark, ..) = Uuid::new_v5(&Uuid::from_u64_pair(seed, 0), shape.as_bytes()).as_fields();
        format!("g{seed}-{mark:08x}")
    }

    pub(crate) fn baskets(&self, slice: Slice) -> Rows<Basket> {
        let source = self.clone();
        Box::new((slice.from..slice.to).map(move |index| Ok(source.basket(index))))
    }

    fn basket(&self, index: usize) -> Basket {
        let label = self.label();
        let basket = format!("{label}-{index}");
        let mut draw = Draw::new(self.shape.seed, &basket);
        let customer = self.customers.rank(&mut draw);
        // About as many lines as a real basket: the median is 5, the mean 9, some have 40 and more.
        let wanted = 1 + (4.0 * -(1.0 - draw.fraction()).ln().max(-20.0) * 2.0) as usize;
        let mut lines = BTreeMap::new();
        for _ in 0..wanted {
            let quantity = if draw.below(5) == 0 { 2 + draw.below(3) as i32 } else { 1 };
            lines.insert(self.skus.rank(&mut draw), quantity);
        }
        let lines =
            lines.into_iter().map(|(rank, quantity)| Line { sku: sku(&label, rank), quantity });
        Basket { basket, customer_id: format!("{label}-c{customer}"), lines: lines.collect() }
    }

    pub(crate) fn products(&self) -> Vec<Product> {
        let label = self.label();
        let product = |rank| {
            let sku = sku(&label, rank);
            let mut draw = Draw::new(self.shape.seed, &sku);
            Product {
                name: format!("Generated article {rank}"),
                department: draw.one_of(&DEPARTMENTS).to_owned(),
                price_minor: 49 + draw.below(2_000) as i64,
                currency: "USD".to_owned(),
                sku,
            }
        };
        (0..self.shape.skus).map(product).collect()
    }

    pub(crate) fn stock(&self, slice: Slice) -> Vec<Line> {
        let mut asked = BTreeMap::<String, i64>::new();
        for basket in (slice.from..slice.to).map(|index| self.basket(index)) {
            for line in basket.lines {
                *asked.entry(line.sku).or_default() += i64::from(line.quantity);
            }
        }
        let lines = asked.into_iter().map(|(sku, units)| {
            let quantity = ((units * STOCK_PERCENT + 50) / 100).clamp(1, i64::from(i32::MAX));
            Line { sku, quantity: quantity as i32 }
        });
        lines.collect()
    }
}

fn sku(label: &str, rank: usize) -> String {
    format!("{label}-s{rank}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(seed: u64) -> Generated {
        Generated::new(Shape { seed, skus: 100, customers: 50, zipf: 1.0 })
    }

    fn baskets(source: &Generated, from: usize, to: usize) -> Vec<Basket> {
        source.baskets(Slice { from, to }).map(Result::unwrap).collect()
    }

    #[test]
    fn an_order_is_the_same_whatever_was_skipped_before_it() {
        let whole = baskets(&source(1), 0, 20);
        assert_eq!(whole[15..], baskets(&source(1), 15, 20));
        assert_ne!(whole, baskets(&source(2), 0, 20));
    }

    #[test]
    fn sources_of_different_shapes_share_no_key() {
        let shape = Shape { seed: 1, skus: 100, customers: 50, zipf: 1.0 };
        let others = [
            Shape { seed: 2, ..shape },
            Shape { skus: 101, ..shape },
            Shape { customers: 51, ..shape },
            Shape { zipf: 1.5, ..shape },
        ];
        let label = |shape| Generated::new(shape).label();
        assert!(others.into_iter().all(|other| label(other) != label(shape)));
        assert_eq!(label(shape), label(shape));
    }

    #[test]
    fn every_line_names_a_product_once_and_asks_for_something() {
        let source = source(3);
        let products = source.products();
        for basket in baskets(&source, 0, 200) {
            let mut skus: Vec<_> = basket.lines.iter().map(|line| &line.sku).collect();
            skus.dedup();
            assert_eq!(skus.len(), basket.lines.len());
            assert!(basket.lines.iter().all(|line| line.quantity > 0));
            assert!(skus.iter().all(|sku| products.iter().any(|product| product.sku == **sku)));
        }
    }

    #[test]
    fn the_shelf_gets_a_little_less_than_the_orders_ask_for() {
        let source = source(4);
        let slice = Slice { from: 0, to: 2_000 };
        let asked: i64 = baskets(&source, 0, 2_000)
            .iter()
            .flat_map(|basket| &basket.lines)
            .map(|line| i64::from(line.quantity))
            .sum();
        let shelf: i64 = source.stock(slice).iter().map(|line| i64::from(line.quantity)).sum();
        assert!(shelf * 100 < asked * 99 && shelf * 100 > asked * 97, "{shelf} of {asked}");
    }
}
