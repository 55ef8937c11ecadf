//! Claims about the ledger: what the log says becomes one row per mail, for ever.

use confirmation_email::ConfirmationEmail;
use runtime::testing::{batch, rows_read};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::world::{World, cancelled_by, confirmed, named, placed, settings, until_empty};

async fn world(pool: PgPoolOptions, options: PgConnectOptions) -> World {
    World::new(pool, options, settings(([127, 0, 0, 1], 1).into())).await
}

/// Postgres would read a small table whole, and keeps to a plan that it made for one.
#[sqlx::test(migrations = false)]
async fn a_batch_reads_no_rows_but_its_own_though_the_ledger_grew(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let world = world(pool, options).await;
    world.deliver([placed(1), confirmed(1)]).await;
    sqlx::raw_sql("ANALYZE").execute(&world.pool).await.unwrap();
    world.deliver([placed(1), confirmed(1)]).await;
    world.deliver((2..1000).flat_map(|order| [placed(order), confirmed(order)])).await;
    let events = batch(0, [placed(1), confirmed(1), placed(1000), confirmed(1000)]);
    let read = rows_read::<ConfirmationEmail>(&world.pool, &events).await.unwrap();
    assert!(read < 20, "{read} rows are read for two orders");
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
