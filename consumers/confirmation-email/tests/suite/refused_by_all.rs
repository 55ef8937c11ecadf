//! Claims about refusals: about us or about them, told by several recipients.

use confirmation_email::courier::Progress;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use waiting::eventually;

use crate::smtp_server::{Act, At, SmtpServer};
use crate::world::{World, confirmed, order, placed, until_empty};

const RELAY_DENIED: Act = Act::Reply("554 5.7.1 <x@example.com>: Relay access denied");

/// Tries until the courier has claimed nothing more for now.
async fn try_often(world: &World) {
    let mut courier = world.courier();
    for _ in 0..20 {
        courier.try_send_next().await.unwrap();
    }
    courier.finish().await.unwrap();
}

async fn all_are_sent(world: &World, server: &SmtpServer, count: usize) {
    eventually("every mail is sent", async || {
        try_often(world).await;
        world.count("sent").await == count as i64
    })
    .await;
    assert_eq!(server.mails().len(), count, "each once");
}

#[sqlx::test(migrations = false)]
async fn a_server_that_refuses_everybody_bounces_no_mail_and_is_told_of(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    for at in [At::Rcpt, At::Data, At::Content] {
        let (world, server) = World::with_server(pool.clone(), options.clone()).await;
        server.always(at, RELAY_DENIED);
        world.confirm_orders(30).await;
        try_often(&world).await;
        assert_eq!((world.count("queued").await, world.count("bounced").await), (30, 0), "{at:?}");
        assert!(!world.post().is_open(), "the breaker is open");
        let words = &world.health.not_ready()["smtp"];
        assert_eq!(words, "554 5.7.1 <address> Relay access denied", "{at:?}");

        server.behave();
        all_are_sent(&world, &server, 30).await;
        assert!(world.health.not_ready().is_empty() && world.post().is_open(), "{at:?}");
        sqlx::query("TRUNCATE mails, orders").execute(&world.pool).await.unwrap();
    }
}

/// None of them is due for an hour.
#[sqlx::test(migrations = false)]
async fn one_mail_is_tried_where_all_are_held(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    server.always(At::Rcpt, RELAY_DENIED);
    world.confirm_orders(3).await;
    try_often(&world).await;
    let due = "SELECT count(*) FROM mails WHERE next_attempt_at <= now()";
    let due: i64 = sqlx::query_scalar(due).fetch_one(&world.pool).await.unwrap();
    assert_eq!((due, world.count("queued").await), (0, 3));
    server.behave();
    all_are_sent(&world, &server, 3).await;
}

#[sqlx::test(migrations = false)]
async fn an_address_that_does_not_exist_bounces_alone(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Rcpt, "customer.1@", Act::Reply("550 5.1.1 no such user"));
    server.once(At::Rcpt, "customer.2@", Act::Reply("550 5.1.1 no such user"));
    world.deliver([placed(1), confirmed(1), placed(2), confirmed(2)]).await;
    assert_eq!(until_empty(&mut world.courier()).await, 1);
    assert_eq!(world.cause(1).await, ("bounced".to_owned(), Some("5.1.1".to_owned())));
    assert!(world.post().is_open() && world.health.not_ready().is_empty());
}

#[sqlx::test(migrations = false)]
async fn everybody_unknown_is_an_outage_too(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    server.always(At::Rcpt, Act::Reply("550 5.1.1 unknown user"));
    world.confirm_orders(30).await;
    try_often(&world).await;
    assert_eq!((world.count("queued").await, world.count("bounced").await), (30, 0));
    server.behave();
    all_are_sent(&world, &server, 30).await;
}

#[sqlx::test(migrations = false)]
async fn a_refusal_that_stays_while_others_are_taken_bounces(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.always(At::Rcpt, Act::Reply("550 5.1.1 unknown user"));
    world.confirm_orders(12).await;
    try_often(&world).await;
    assert_eq!(world.count("queued").await, 12);
    server.behave();
    server.always_to(At::Rcpt, "customer", Act::Reply("550 5.1.1 unknown user"));
    // Somebody who exists: nobody else's address looks like it.
    let exists = events_schema::OrderPlaced {
        contact: Some(events_schema::Contact {
            name: "Ada".to_owned().try_into().unwrap(),
            email: "ada@example.com".to_owned().try_into().unwrap(),
        }),
        ..order(100, events_schema::Locale::En, "Ada")
    };
    world.deliver([exists.into(), confirmed(100)]).await;
    eventually("the rest is given up", async || {
        try_often(&world).await;
        world.count("bounced").await == 12
    })
    .await;
    assert_eq!(world.count("sent").await, 1);
    assert!(world.post().is_open() && world.health.not_ready().is_empty());
}

#[sqlx::test(migrations = false)]
async fn a_server_that_refuses_us_is_asked_about_one_mail_at_a_time(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.always(At::Rcpt, RELAY_DENIED);
    world.confirm_orders(30).await;
    let mut couriers = [world.courier(), world.courier(), world.courier()];
    for courier in &mut couriers {
        courier.try_send_next().await.unwrap();
    }
    let before = server.connections();
    for _ in 0..4 {
        for courier in &mut couriers {
            assert_eq!(courier.try_send_next().await.unwrap(), Progress::Deferred);
        }
    }
    assert!(server.connections() <= before + 1, "one probe at most, half a second after");
    let held: i64 = sqlx::query_scalar("SELECT count(*) FROM mails WHERE attempts > 0")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(held, 0, "no attempt is counted");
}

/// Greylists, quotas, a full disk, a connection that breaks: nobody's mail is used up by it.
#[sqlx::test(migrations = false)]
async fn a_server_that_takes_nothing_for_now_counts_no_attempts_and_is_told_of(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let table = [
        (At::Rcpt, Act::Reply("451 4.7.1 too many mails"), "451 4.7.1 too many mails"),
        (At::Content, Act::Reply("452 4.3.1 disk full"), "452 4.3.1 disk full"),
        (At::Rcpt, Act::Reply("421 4.3.2 shutting down"), "421 4.3.2 shutting down"),
        (At::Rcpt, Act::Drop, "the connection broke"),
    ];
    for (at, act, words) in table {
        let (world, server) = World::with_server(pool.clone(), options.clone()).await;
        server.always(at, act);
        world.confirm_orders(30).await;
        try_often(&world).await;
        assert!(!world.post().is_open(), "the breaker is open");
        assert_eq!(world.health.not_ready()["smtp"], words, "{act:?}");
        let counted: i64 = sqlx::query_scalar("SELECT count(*) FROM mails WHERE attempts > 0")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert!((1..5).contains(&counted), "{counted} attempts are counted: {act:?}");

        server.behave();
        world.let_time_pass().await;
        all_are_sent(&world, &server, 30).await;
        assert!(world.health.not_ready().is_empty() && world.post().is_open(), "{act:?}");
        sqlx::query("TRUNCATE mails, orders").execute(&world.pool).await.unwrap();
    }
}

/// Each of them may have arrived, and is not sent again; but they stay few.
#[sqlx::test(migrations = false)]
async fn a_server_that_is_heard_of_no_mail_gets_no_more_of_them(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.always(At::Content, Act::KeepAndDrop);
    world.confirm_orders(30).await;
    try_often(&world).await;
    let unknown = world.count("unknown").await;
    assert!((5..10).contains(&unknown), "{unknown} are unknown");
    assert_eq!(world.health.not_ready()["smtp"], "the connection broke");

    server.behave();
    eventually("the rest is sent", async || {
        try_often(&world).await;
        world.count("queued").await == 0
    })
    .await;
    assert_eq!(server.mails().len(), 30, "each once");
    assert!(world.health.not_ready().is_empty() && world.post().is_open());
}
