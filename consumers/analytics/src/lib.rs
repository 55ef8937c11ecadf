#![doc = include_str!("../README.md")]

mod decide;
mod projection;
mod store;
mod totals;

pub use decide::{Changes, Line, Order, OrderKey, Placed, Product, State, Tracked, decide};
pub use projection::{Analytics, MIGRATIONS, TABLES};
pub use totals::{CustomerTotals, Funnel, Sales, Totals};
