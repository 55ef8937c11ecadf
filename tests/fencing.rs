//! Promise 3: a worker that lost its partitions without knowing it writes nothing, and comes back
//! by itself. Also run against a build without the fence: see `defects`.

use std::time::Duration;

use harness::{Deployment, Order, Service, Shop, Violation, ensure, holds_within};
use sqlx::Connection;
use waiting::WAITING_FOR_A_LOCK;

const WITHIN: Duration = Duration::from_secs(60);
/// In this time a thawed worker has done whatever it was about to do.
const AFTERMATH: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_frozen_worker_that_lost_its_partitions_writes_nothing_and_rejoins() {
    let deployment = Deployment::new().await;
    let frozen = deployment.service("inventory", "frozen").await.start().await;
    let mut successor = deployment.service("inventory", "successor").await.spawn();
    let producer = deployment.start("producer-api").await;
    let shop = Shop::at(&producer, None);
    frozen_while_its_partitions_move(&deployment, &shop, &frozen, &successor).await.unwrap();

    // Alone again, it has to take the partitions back.
    successor.kill();
    let placed = shop.place(&Order::of("ben", "milk", 1)).await;
    let decided =
        format!("SELECT count(*) FROM inventory.orders WHERE order_id = '{}'", placed.order_id);
    assert!(
        holds_within(WITHIN, async || deployment.number(&decided).await == 1).await,
        "the thawed worker rejoined and decided the order"
    );
}

/// Freezes `frozen` in the middle of a batch until `successor` has taken its partitions and done
/// its work, then thaws it: no position may move back, no row change.
pub(crate) async fn frozen_while_its_partitions_move(
    deployment: &Deployment,
    shop: &Shop,
    frozen: &Service,
    successor: &Service,
) -> Result<(), Violation> {
    successor.ready().await;
    shop.offer("milk", 249, 1_000).await;
    let stocked = "SELECT count(*) FROM inventory.stock WHERE available = 1000";
    ensure(holds_within(WITHIN, async || deployment.number(stocked).await == 1).await, "stock")?;

    let orders = place_while_locked(deployment, shop, frozen).await?;
    let decided = "SELECT count(*) FROM inventory.orders";
    let all = holds_within(WITHIN, async || deployment.number(decided).await == orders).await;
    ensure(all, "the successor decides what the frozen worker had begun")?;
    // The outcomes come back as records, and move its position too.
    let settled = holds_within(WITHIN, async || deployment.is_at_the_end("inventory").await).await;
    ensure(settled, "the successor has read everything")?;
    let before = state(deployment).await;

    frozen.thaw();
    let changed = holds_within(AFTERMATH, async || state(deployment).await != before).await;
    ensure(!changed, format!("the thawed worker changed {before}"))?;
    let verified = deployment.orderctl(&["verify", "--projection", "inventory"]).await;
    ensure(verified.code == Some(0), format!("verify: {verified:?}"))
}

/// Customers enough to reach every partition of both workers.
const CUSTOMERS: usize = 48;

/// Both workers' batches wait at the stock row; one of them is frozen there.
async fn place_while_locked(
    deployment: &Deployment,
    shop: &Shop,
    frozen: &Service,
) -> Result<i64, Violation> {
    let mut connection = deployment.pool.acquire().await.unwrap();
    let mut lock = connection.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM inventory.stock FOR UPDATE").execute(&mut *lock).await.unwrap();
    for customer in 0..CUSTOMERS {
        shop.place(&Order::of(&format!("c{customer}"), "milk", 1)).await;
    }
    let both =
        holds_within(WITHIN, async || deployment.number(WAITING_FOR_A_LOCK).await >= 2).await;
    frozen.freeze();
    lock.rollback().await.unwrap();
    ensure(both, "both workers are in the middle of a batch")?;
    Ok(CUSTOMERS as i64)
}

/// What a zombie could change: where the projection stands, and what it holds.
async fn state(deployment: &Deployment) -> String {
    let query = "SELECT concat_ws(' ',
        (SELECT string_agg(topic || partition || '@' || next_offset, ',' ORDER BY topic, partition)
         FROM inventory.positions WHERE next_offset > 0),
        (SELECT sum(available) FROM inventory.stock),
        (SELECT count(*) FROM inventory.orders))";
    sqlx::query_scalar(query).fetch_one(&deployment.pool).await.unwrap()
}
