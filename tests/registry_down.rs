//! A service starts while the schema registry is away: what it learned is on its disk.

use std::time::Duration;

use harness::{Deployment, Order, Shop, holds_within};
use relay::{Relay, host_and_port};

#[tokio::test]
async fn services_start_and_work_while_the_registry_is_away() {
    let deployment = Deployment::new().await;
    let registry = &deployment.stack.registry;
    let relay = Relay::to(host_and_port(registry)).await;
    let url = relay.instead_of_server_in(registry);
    let producer = deployment.service("producer-api", "producer-api").await;
    let producer = producer.env("SCHEMA_REGISTRY_URL", url.clone());
    let inventory = deployment.service("inventory", "inventory").await;
    let inventory = inventory.env("SCHEMA_REGISTRY_URL", url);
    let first = "SELECT count(*) FROM inventory.orders";
    {
        // Once with the registry, as after an installation.
        let producer = producer.clone().start().await;
        let _inventory = inventory.clone().start().await;
        let shop = Shop::at(&producer, None);
        shop.offer("milk", 249, 10).await;
        shop.place(&Order::of("ada", "milk", 1)).await;
        assert!(becomes(&deployment, first, 1).await, "the first order is decided");
    }
    drop(relay);
    let producer = producer.start().await;
    let _inventory = inventory.start().await;
    Shop::at(&producer, None).place(&Order::of("ben", "milk", 1)).await;
    assert!(becomes(&deployment, first, 2).await, "an order is decided without the registry");
}

async fn becomes(deployment: &Deployment, query: &str, wanted: i64) -> bool {
    let within = Duration::from_secs(60);
    holds_within(within, async || deployment.number(query).await == wanted).await
}
