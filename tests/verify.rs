//! Promise 9: the log explains every row. A row changed by hand is named, in whichever projection.

use std::time::Duration;

use harness::{Deployment, Order, holds_within};

/// A statement that changes one row, one that puts it back, and what `verify` has to name.
struct Tampering {
    change: &'static str,
    undo: &'static str,
    named: [&'static str; 2],
}

const TAMPERINGS: [Tampering; 4] = [
    Tampering {
        change: "UPDATE inventory.stock SET available = available + 1 WHERE sku = 'milk'",
        undo: "UPDATE inventory.stock SET available = available - 1 WHERE sku = 'milk'",
        named: ["inventory", "milk"],
    },
    Tampering {
        change: "UPDATE inventory.orders SET status = 'cancelled' WHERE customer_id = 'ada'",
        undo: "UPDATE inventory.orders SET status = 'confirmed' WHERE customer_id = 'ada'",
        named: ["inventory", "orders"],
    },
    Tampering {
        change: "UPDATE \"confirmation-email\".mails SET kind = 'cancelled' WHERE kind = 'confirmed'",
        undo: "UPDATE \"confirmation-email\".mails SET kind = 'confirmed' WHERE kind = 'cancelled'",
        named: ["confirmation-email", "mails"],
    },
    Tampering {
        change: "UPDATE analytics.hourly_sales SET units = units + 1 WHERE sku = 'milk'",
        undo: "UPDATE analytics.hourly_sales SET units = units - 1 WHERE sku = 'milk'",
        named: ["analytics", "hourly_sales"],
    },
];

#[tokio::test]
async fn a_row_changed_by_hand_is_named() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 10).await;
    let stocked = "SELECT count(*) FROM inventory.stock WHERE available = 10";
    settled(&deployment, stocked, 1).await;
    let placed = shop.place(&Order::of("ada", "milk", 2)).await;
    shop.becomes(&placed, "confirmed").await;
    settled(
        &deployment,
        "SELECT count(*) FROM \"confirmation-email\".mails WHERE state = 'sent'",
        1,
    )
    .await;
    settled(&deployment, "SELECT count(*) FROM analytics.hourly_sales WHERE sku = 'milk'", 1).await;
    deployment.orderctl(&["verify"]).await.expect_success();

    for Tampering { change, undo, named } in TAMPERINGS {
        assert_eq!(deployment.execute(change).await, 1, "{change}");
        let answer = deployment.orderctl(&["verify"]).await;
        assert_eq!(answer.code, Some(1), "{change}: {answer:?}");
        assert!(named.iter().all(|name| answer.stdout.contains(name)), "{change}: {answer:?}");
        deployment.execute(undo).await;
    }
    deployment.orderctl(&["verify"]).await.expect_success();
}

async fn settled(deployment: &Deployment, query: &str, wanted: i64) {
    let reached = async || deployment.number(query).await == wanted;
    assert!(holds_within(Duration::from_secs(60), reached).await, "{query}: {wanted}");
}
