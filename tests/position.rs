//! Promise 3: rows and position move in one transaction. The scenario is also run against a build
//! that commits the position first: see `defects`.

use std::time::Duration;

use harness::{Deployment, Order, Placed, Service, Violation, ensure, holds_within};
use sqlx::Connection;
use waiting::WAITING_FOR_A_LOCK;

const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_worker_killed_in_the_middle_of_a_batch_loses_nothing() {
    let deployment = Deployment::new().await;
    let inventory = deployment.service("inventory", "inventory").await.start().await;
    killed_in_the_middle(&deployment, inventory).await.unwrap();
}

/// Stops the worker's batch at the stock row that it needs, kills it there, and starts it again.
pub(crate) async fn killed_in_the_middle(
    deployment: &Deployment,
    mut inventory: Service,
) -> Result<(), Violation> {
    let producer = deployment.start("producer-api").await;
    let shop = harness::Shop::at(&producer, None);
    shop.offer("milk", 249, 5).await;
    let stocked = "SELECT count(*) FROM inventory.stock WHERE available = 5";
    let stocked = holds_within(WITHIN, async || deployment.number(stocked).await == 1).await;
    ensure(stocked, "the stock arrives")?;

    let mut lock = deployment.pool.acquire().await.unwrap();
    let mut transaction = lock.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM inventory.stock FOR UPDATE")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let placed = shop.place(&Order::of("ada", "milk", 2)).await;
    let blocked =
        holds_within(WITHIN, async || deployment.number(WAITING_FOR_A_LOCK).await > 0).await;
    ensure(blocked, "the worker's batch waits for the stock row")?;
    inventory.kill();
    transaction.rollback().await.unwrap();

    inventory.start_again();
    // Of the same customer, so behind it in the same partition: a position that was moved without
    // the rows shows at once, and no time has to run out.
    let next = shop.place(&Order::of("ada", "milk", 1)).await;
    ensure(
        holds_within(WITHIN, async || is_decided(deployment, &next).await).await,
        "the next order is decided",
    )?;
    ensure(is_decided(deployment, &placed).await, "the order is decided after the worker came back")
}

async fn is_decided(deployment: &Deployment, order: &Placed) -> bool {
    let query =
        format!("SELECT count(*) FROM inventory.orders WHERE order_id = '{}'", order.order_id);
    deployment.number(&query).await == 1
}
