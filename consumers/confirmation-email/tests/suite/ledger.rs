//! Claims about the ledger: what the log says becomes one row per mail, for ever.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::world::{
    World, cancelled_by, confirmed, named, placed, rejected, settings, until_empty,
};

async fn world(pool: PgPoolOptions, options: PgConnectOptions) -> World {
    World::new(pool, options, settings(([127, 0, 0, 1], 1).into())).await
}

#[sqlx::test(migrations = false)]
async fn redelivered_events_queue_no_second_mail(pool: PgPoolOptions, options: PgConnectOptions) {
    let world = world(pool, options).await;
    world.deliver([placed(1), confirmed(1)]).await;
    world.deliver([placed(1), confirmed(1)]).await;
    world.deliver([confirmed(1), confirmed(1)]).await;
    assert_eq!(world.count("queued").await, 1);
}

#[sqlx::test(migrations = false)]
async fn splitting_a_batch_anywhere_yields_the_same_ledger(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = world(pool, options).await;
    let events =
        |n: u128| [placed(n), named("A-1", "Apples"), confirmed(n), placed(n), rejected(n)];
    for split in 0..=5 {
        let n = split as u128 + 1;
        let (first, second) =
            (events(n).into_iter().take(split), events(n).into_iter().skip(split));
        world.deliver(first).await;
        world.deliver(second).await;
    }
    let ledger: Vec<(i64, i64, i64)> = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE kind = 'rejected' AND details <> '[]'),
                count(*) FILTER (WHERE state = 'queued')
         FROM mails GROUP BY order_id",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(ledger, vec![(2, 1, 2); 6]);
}

#[sqlx::test(migrations = false)]
async fn a_mail_to_nobody_is_withheld_and_never_claimed(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    world.deliver([confirmed(1)]).await;
    until_empty(&mut world.courier()).await;
    assert_eq!((world.count("withheld").await, server.mails().len()), (1, 0));
}

#[sqlx::test(migrations = false)]
async fn a_strangers_cancellation_costs_the_customer_neither_a_mail_nor_a_false_one(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    world.deliver([cancelled_by(1, "stranger")]).await;
    world.deliver([placed(1), confirmed(1)]).await;
    until_empty(&mut world.courier()).await;
    assert_eq!((world.count("withheld").await, server.mails().len()), (1, 1));
    world.deliver([cancelled_by(1, "stranger"), cancelled_by(1, "household-1")]).await;
    until_empty(&mut world.courier()).await;
    assert_eq!((world.count("withheld").await, server.mails().len()), (1, 2));
    assert!(server.mails()[1].content.contains("cancelled"));
}

#[sqlx::test(migrations = false)]
async fn the_last_name_of_a_product_wins(pool: PgPoolOptions, options: PgConnectOptions) {
    let world = world(pool, options).await;
    world.deliver([named("A-1", "Aples"), named("A-1", "Apples")]).await;
    world.deliver([named("B-2", "Bread"), named("A-1", "Red apples")]).await;
    let names: Vec<(String, String)> =
        sqlx::query_as("SELECT sku, name FROM products ORDER BY sku")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let expected = [("A-1", "Red apples"), ("B-2", "Bread")];
    assert_eq!(names, expected.map(|(sku, name)| (sku.to_owned(), name.to_owned())));
}
