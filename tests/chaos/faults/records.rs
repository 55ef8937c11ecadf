//! Records that cannot be applied for a while, and what an operator does about them.

use std::time::Duration;

use harness::{Draw, found_within, holds_within};

use super::{Strike, lasts};
use crate::world::World;

const WITHIN: Duration = Duration::from_secs(60);
const PARKED: &str = "SELECT count(*) FROM inventory.parked";

/// Inventory's database refuses the orders of one customer in ten; what parked is redriven then, while
/// later events of the same orders still come.
pub(crate) async fn refused(world: &mut World<'_>, draw: &mut Draw) -> Strike {
    let deployment = world.deployment;
    let refuse = format!(
        "ALTER TABLE inventory.orders ADD CONSTRAINT refused
         CHECK (customer_id NOT LIKE '%{}') NOT VALID",
        draw.below(10)
    );
    deployment.execute(&refuse).await;
    let park = async || (deployment.number(PARKED).await > 0).then_some(());
    found_within(WITHIN, "orders that are refused park", park).await;
    lasts(6.0).await;
    deployment.execute("ALTER TABLE inventory.orders DROP CONSTRAINT refused").await;
    let redrive = ["parked", "redrive", "--projection", "inventory", "--all"];
    // What is left parked is a red cell.
    holds_within(WITHIN, async || {
        deployment.orderctl(&redrive).await;
        deployment.number(PARKED).await == 0
    })
    .await;
    Strike::default()
}
