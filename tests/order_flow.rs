//! An order travels the whole way. Kills nothing: see `storm`.

use std::time::Duration;

use harness::{Deployment, Mails, Order, Shop, found_within};

const WITHIN: Duration = Duration::from_secs(60);

async fn mails_to(deployment: &Deployment, order: &Order, count: usize) -> Vec<serde_json::Value> {
    let mails = Mails::of(&deployment.stack);
    let what = format!("{count} mails to {}", order.email);
    found_within(WITHIN, &what, async || {
        let found = mails.to(&order.email).await;
        (found.len() == count).then_some(found)
    })
    .await
}

/// A customer nobody else has: the sink is shared.
fn customer(deployment: &Deployment, name: &str) -> String {
    format!("{}{name}", deployment.prefix)
}

#[tokio::test]
async fn an_order_that_can_be_filled_is_confirmed_mailed_and_counted() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 10).await;
    deployment.in_stock("milk", 10).await;
    // Products and orders are topics of their own: a mail says what an article is called once its
    // own projection has read it.
    found_within(WITHIN, "the mails know the article", async || {
        let known = "SELECT count(*) FROM \"confirmation-email\".products";
        (deployment.number(known).await == 1).then_some(())
    })
    .await;

    let order = Order::of(&customer(&deployment, "ada"), "milk", 3);
    let placed = shop.place(&order).await;
    let shown = shop.becomes(&placed, "confirmed").await;
    assert_eq!(shown["lines"][0]["sku"], "milk");
    deployment.in_stock("milk", 7).await;

    let mails = mails_to(&deployment, &order, 1).await;
    assert!(mails[0]["Text"].as_str().unwrap().contains("Article milk"), "{}", mails[0]);
    found_within(WITHIN, "analytics counts the sale", async || {
        let sold = "SELECT coalesce(sum(units), 0)::bigint FROM analytics.hourly_sales";
        (deployment.number(sold).await == 3).then_some(())
    })
    .await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

#[tokio::test]
async fn an_order_that_cannot_be_filled_is_rejected_with_what_was_short_and_takes_nothing() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 10).await;
    shop.offer("bread", 199, 2).await;
    deployment.in_stock("milk", 10).await;
    deployment.in_stock("bread", 2).await;

    let mut order = Order::of(&customer(&deployment, "ben"), "milk", 1);
    order.lines.push(("bread".to_owned(), 3));
    let shown = shop.becomes(&shop.place(&order).await, "rejected").await;
    let reasons = shown.to_string();
    assert!(reasons.contains("bread") && reasons.contains("\"requested\":3"), "{reasons}");
    deployment.in_stock("milk", 10).await;
    mails_to(&deployment, &order, 1).await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

#[tokio::test]
async fn a_cancelled_order_returns_its_stock_and_sends_a_second_mail() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 5).await;
    deployment.in_stock("milk", 5).await;

    let order = Order::of(&customer(&deployment, "chen"), "milk", 5);
    let mut placed = shop.place(&order).await;
    shop.becomes(&placed, "confirmed").await;
    deployment.in_stock("milk", 0).await;
    placed.position = shop.cancel(&placed).await;
    shop.becomes(&placed, "cancelled").await;
    deployment.in_stock("milk", 5).await;
    mails_to(&deployment, &order, 2).await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

#[tokio::test]
async fn a_retry_through_another_instance_is_the_same_order() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    let other = deployment.service("producer-api", "producer-api-2").await.start().await;
    let other_shop = Shop::at(&other, None);
    shop.offer("milk", 249, 10).await;
    deployment.in_stock("milk", 10).await;

    let order = Order::of(&customer(&deployment, "dora"), "milk", 4).key("basket-1");
    let first = shop.place(&order).await;
    let again = other_shop.place(&order).await;
    assert_eq!(first.order_id, again.order_id);
    shop.becomes(&again, "confirmed").await;
    deployment.in_stock("milk", 6).await;
    mails_to(&deployment, &order, 1).await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

#[tokio::test]
async fn a_hebrew_customer_is_written_to_from_right_to_left() {
    let deployment = Deployment::new().await;
    let (shop, _services) = deployment.start_all().await;
    shop.offer("milk", 249, 5).await;
    deployment.in_stock("milk", 5).await;

    let mut order = Order::of(&customer(&deployment, "yael"), "milk", 1);
    order.locale = "he";
    shop.becomes(&shop.place(&order).await, "confirmed").await;
    let mails = mails_to(&deployment, &order, 1).await;
    assert!(mails[0]["HTML"].as_str().unwrap().contains("dir=\"rtl\""), "{}", mails[0]);
}
