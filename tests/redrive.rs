//! Promise 4, the operator's side: what is parked is applied again, in order, into its projection
//! only, also where a process is killed in the middle. Also run against a build that redrives what
//! came last first: see `defects`.

use std::time::Duration;

use events_schema::{IdempotencyKey, OrderId};
use harness::{
    CONSUMERS, Deployment, Mails, Order, Service, Violation, ensure, found_within, holds_within,
};

use crate::parked::produce;

const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_order_behind_a_poison_record_is_redriven_when_the_poison_is_discarded() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    let mails = Mails::of(&deployment.stack);
    let customer = format!("{}ada", deployment.prefix);
    shop.offer("milk", 249, 10).await;
    deployment.in_stock("milk", 10).await;
    let first = shop.place(&Order::of(&customer, "milk", 1)).await;
    shop.becomes(&first, "confirmed").await;
    let key: IdempotencyKey = "basket-2".parse().unwrap();
    let order_id = OrderId::for_key(&customer.parse().unwrap(), &key).to_string();
    let partition = first.partition().to_string();
    produce(&deployment, &partition, &order_id, b"\xffno event at all").await;
    let order = Order::of(&customer, "milk", 1).key("basket-2");
    let blocked = shop.place(&order).await;
    for consumer in CONSUMERS {
        until_parked(&deployment, consumer, &order_id, 2).await;
    }

    // In vain, as long as the poison is the first; and nothing is lost by it.
    let redrive = async |consumer: &str| {
        let which = ["--projection", consumer, "--order", &order_id];
        deployment.orderctl(&[["parked", "redrive"].as_slice(), &which].concat()).await
    };
    let failed = redrive("inventory").await;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stdout.contains("undecodable"), "{failed:?}");
    until_parked(&deployment, "inventory", &order_id, 2).await;

    for consumer in CONSUMERS {
        let discard = ["parked", "discard", "--projection", consumer, "--cause", "undecodable"];
        let discard = [discard.as_slice(), &["--reason", "no event at all"]].concat();
        deployment.orderctl(&discard).await.expect_success();
        redrive(consumer).await.expect_success();
        until_parked(&deployment, consumer, &order_id, 0).await;
    }
    shop.becomes(&blocked, "confirmed").await;
    let sent = async || mails.to(&order.email).await.len() == 2;
    assert!(holds_within(WITHIN, sent).await, "a mail for each of the two orders");
    for consumer in CONSUMERS {
        let done = async || deployment.is_at_the_end(consumer).await;
        assert!(holds_within(WITHIN, done).await, "{consumer} reads on to the end");
    }
    deployment.orderctl(&["verify"]).await.expect_success();
    let told = deployment.orderctl(&["audit", "--order", &order_id]).await.expect_success();
    for step in ["redrive-requested", "redrive-failed", "discarded", "redriven"] {
        assert!(told.stdout.contains(step), "{step} is in the audit: {}", told.stdout);
    }
}

#[tokio::test]
async fn a_redrive_that_is_killed_goes_on_and_applies_nothing_twice() {
    let deployment = Deployment::new().await;
    let inventory = deployment.start("inventory").await;
    killed_in_the_middle(&deployment, inventory).await.unwrap();
}

/// Records that park one behind the other, as it takes an order's life to do: behind a first one
/// that the database refuses, until somebody mends that.
pub(crate) async fn killed_in_the_middle(
    deployment: &Deployment,
    mut inventory: Service,
) -> Result<(), Violation> {
    let producer = deployment.start("producer-api").await;
    let shop = harness::Shop::at(&producer, None);
    shop.offer("milk", 249, 100).await;
    deployment.in_stock("milk", 100).await;
    let broken = "ALTER TABLE inventory.orders ADD CONSTRAINT broken CHECK (total_minor <> 498)";
    deployment.execute(broken).await;
    for number in 0..8 {
        let order = Order::of(&format!("customer-{number}"), "milk", 2);
        let placed = shop.place(&order).await;
        shop.cancel(&placed).await;
    }
    let parked = "SELECT count(*) FROM inventory.parked";
    let all = holds_within(WITHIN, async || deployment.number(parked).await == 16).await;
    ensure(all, "every order and its cancellation parks")?;
    deployment.execute("ALTER TABLE inventory.orders DROP CONSTRAINT broken").await;

    let all = ["--projection", "inventory", "--all", "--rate", "4", "--no-wait"];
    let redrive = [["parked", "redrive"].as_slice(), &all].concat();
    deployment.orderctl(&redrive).await.expect_success();
    found_within(WITHIN, "the redrive is in the middle", async || {
        (deployment.number(parked).await <= 12).then_some(())
    })
    .await;
    inventory.kill();
    let left = deployment.number(parked).await;
    ensure(left > 0, "it was killed in the middle")?;
    inventory.start_again();
    let follow = ["parked", "redrives", "--projection", "inventory", "--follow", "1"];
    let followed = deployment.orderctl(&follow).await;
    ensure(followed.code == Some(0), format!("the redrive ends well: {followed:?}"))?;
    ensure(deployment.number(parked).await == 0, "nothing is parked any more")?;
    // A cancellation that comes first is kept, and then nothing is decided.
    let in_order = "SELECT count(*) FROM inventory.orders
                    WHERE status = 'cancelled' AND decided_at IS NOT NULL";
    ensure(deployment.number(in_order).await == 8, "every order was decided, then cancelled")?;
    let units = "SELECT available FROM inventory.stock WHERE sku = 'milk'";
    ensure(deployment.number(units).await == 100, "every unit came back, once")?;
    for counted in ["count(*)", "count(DISTINCT parked_id)"] {
        let told = format!("SELECT {counted} FROM inventory.audit WHERE action = 'redriven'");
        ensure(deployment.number(&told).await == 16, "every record was redriven once")?;
    }
    Ok(())
}

async fn until_parked(deployment: &Deployment, consumer: &str, order: &str, records: i64) {
    let parked = format!(
        "SELECT count(*) FROM \"{consumer}\".parked WHERE subject = '{order}' AND state = 'parked'"
    );
    let what = format!("{records} records of the order are parked in {consumer}");
    found_within(WITHIN, &what, async || {
        (deployment.number(&parked).await == records).then_some(())
    })
    .await;
}
