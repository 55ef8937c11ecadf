//! Claims about the couriers: one mail per row, whatever the mail server does.

use std::collections::HashSet;

use confirmation_email::courier::{Progress, sweep};
use events_schema::{EventId, EventType, Locale};
use postgres_client::Plans;
use relay::{Ending, Relay};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use waiting::eventually;

use crate::smtp_server::{Act, At, SmtpServer};
use crate::world::{World, confirmed, order, order_id, placed, rejected, settings, until_empty};

#[sqlx::test(migrations = false)]
async fn a_confirmed_order_gets_one_mail(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    world.confirm_orders(1).await;
    until_empty(&mut world.courier()).await;
    let mails = server.mails();
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "customer.1@example.com"));
    assert_eq!(world.mail(1).await, ("sent".to_owned(), 1));
}

#[sqlx::test(migrations = false)]
async fn a_mail_says_what_it_is_in_both_languages(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    let hebrew = order(2, Locale::He, "דנה, \"כהן\"");
    world.deliver([placed(1), confirmed(1), hebrew.into(), rejected(2)]).await;
    until_empty(&mut world.courier()).await;
    let mails: Vec<String> = server.mails().into_iter().map(|mail| mail.content).collect();
    let id = EventId::of_order(order_id(1), EventType::OrderConfirmed);
    for header in [
        "From: Orderflow <orders@orderflow.example>\r\n",
        "To: Dana <customer.1@example.com>\r\n",
        "Subject: Your order 00000001 is confirmed\r\n",
        "Date: Thu, 01 Jan 2026 00:00:01 +0000\r\n",
        &format!("Message-ID: <{id}@{}.orderflow.example>\r\n", tag(id, "household-1")),
        "Auto-Submitted: auto-generated\r\n",
        "Content-Language: en\r\n",
        "Content-Type: multipart/alternative;",
    ] {
        assert!(mails[0].contains(header), "{header} is not in\n{}", mails[0]);
    }
    assert!(mails[1].contains("Content-Language: he\r\n") && mails[1].is_ascii(), "{}", mails[1]);
}

/// What tells two customers' outcomes of one order id apart.
fn tag(id: EventId, customer: &str) -> String {
    uuid::Uuid::new_v5(&id.uuid(), customer.as_bytes()).to_string()[..8].to_owned()
}

#[sqlx::test(migrations = false)]
async fn a_replay_sends_nothing(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    let mut courier = world.courier();
    world.confirm_orders(5).await;
    until_empty(&mut courier).await;
    world.confirm_orders(5).await;
    until_empty(&mut courier).await;
    assert_eq!(server.mails().len(), 5);
}

#[sqlx::test(migrations = false)]
async fn one_connection_carries_many_mails(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    world.confirm_orders(50).await;
    until_empty(&mut world.courier()).await;
    assert_eq!((server.mails().len(), server.connections()), (50, 1));
}

#[sqlx::test(migrations = false)]
async fn couriers_side_by_side_never_send_the_same_mail(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    world.confirm_orders(200).await;
    let couriers: Vec<_> = (0..4)
        .map(|_| {
            let mut courier = world.courier();
            tokio::spawn(async move {
                while courier.try_send_next().await.unwrap() != Progress::Empty {
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for courier in couriers {
        courier.await.unwrap();
    }
    let recipients: HashSet<_> = server.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!((server.mails().len(), recipients.len()), (200, 200));
    assert!(server.connections() > 1, "only one courier worked");
}

#[sqlx::test(migrations = false)]
async fn a_courier_that_finds_more_than_it_carries_calls_one_more(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, _server) = World::with_server(pool, options).await;
    let called = async || {
        tokio::select! {
            biased;
            () = world.post().more.notified() => true,
            () = std::future::ready(()) => false,
        }
    };
    let batch = settings(([127, 0, 0, 1], 1).into()).batch as u128;
    world.confirm_orders(batch + 1).await;
    let mut courier = world.courier();
    courier.try_send_next().await.unwrap();
    assert!(called().await, "another mail waits");
    courier.try_send_next().await.unwrap();
    assert!(!called().await, "nothing waits any more");
}

#[sqlx::test(migrations = false)]
async fn a_mail_refused_for_now_is_sent_later_and_holds_up_no_other(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Rcpt, "customer.1@", Act::Reply("451 4.7.1 greylisted"));
    server.once(At::Content, "customer.2@", Act::Reply("452 4.3.1 disk full"));
    world.confirm_orders(3).await;
    let mut courier = world.courier();
    until_empty(&mut courier).await;
    assert_eq!(server.mails().len(), 1, "only the third is due");
    assert_eq!(world.mail(1).await, ("queued".to_owned(), 1));

    world.let_time_pass().await;
    until_empty(&mut courier).await;
    assert_eq!(server.mails().len(), 3);
    assert_eq!(world.mail(1).await, ("sent".to_owned(), 2));
    assert_eq!(server.connections(), 1, "the connection was kept");
}

#[sqlx::test(migrations = false)]
async fn a_mail_that_is_refused_for_now_too_often_has_bounced(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    world.confirm_orders(1).await;
    let mut courier = world.courier();
    for _ in 0..3 {
        server.once(At::Rcpt, "", Act::Reply("450 later"));
        until_empty(&mut courier).await;
        world.let_time_pass().await;
    }
    assert_eq!(world.mail(1).await, ("bounced".to_owned(), 3));
}

#[sqlx::test(migrations = false)]
async fn a_mail_refused_for_good_bounces_alone_and_its_address_is_not_kept(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Rcpt, "customer.2@", Act::Reply("550 5.1.1 <customer.2@example.com> unknown"));
    world.confirm_orders(3).await;
    until_empty(&mut world.courier()).await;
    assert_eq!((world.count("sent").await, world.count("bounced").await), (2, 1));
    let reply: String = sqlx::query_scalar("SELECT reply FROM mails WHERE state = 'bounced'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(reply, "550 5.1.1 <address> unknown");
}

#[sqlx::test(migrations = false)]
async fn a_connection_lost_after_the_content_leaves_the_mail_unknown(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Content, "customer.1@", Act::KeepAndDrop);
    world.confirm_orders(3).await;
    let mut courier = world.courier();
    until_empty(&mut courier).await;
    world.let_time_pass().await;
    until_empty(&mut courier).await;
    assert_eq!((world.count("sent").await, world.count("unknown").await), (2, 1));
    assert_eq!(server.mails().len(), 3, "each once");
}

#[sqlx::test(migrations = false)]
async fn a_connection_lost_before_the_content_sends_the_mail_again(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Rcpt, "customer.1@", Act::Drop);
    world.confirm_orders(2).await;
    let mut courier = world.courier();
    until_empty(&mut courier).await;
    assert_eq!(world.mail(1).await, ("queued".to_owned(), 1));
    world.let_time_pass().await;
    until_empty(&mut courier).await;
    assert_eq!((world.count("sent").await, server.mails().len()), (2, 2));
}

#[sqlx::test(migrations = false)]
async fn a_crash_between_handing_over_and_writing_down_is_unknown_and_not_sent_again(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Content, "", Act::KeepAndHang);
    world.confirm_orders(1).await;
    let mut doomed = world.courier();
    let crash = tokio::spawn(async move { doomed.try_send_next().await });
    eventually("the server has the mail", async || server.mails().len() == 1).await;
    crash.abort();
    assert!(crash.await.unwrap_err().is_cancelled());
    assert_eq!(world.mail(1).await.0, "sending");

    sweep(world.post()).await.unwrap();
    assert_eq!(world.mail(1).await.0, "sending", "while the lease lasts, somebody may be at it");
    world.let_time_pass().await;
    sweep(world.post()).await.unwrap();
    until_empty(&mut world.courier()).await;
    assert_eq!((world.mail(1).await.0.as_str(), server.mails().len()), ("unknown", 1));
}

#[sqlx::test(migrations = false)]
async fn mails_stay_queued_and_uncounted_while_the_server_is_away(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let server = SmtpServer::start().await;
    let address = server.address;
    drop(server);
    let world = World::new(pool, options, settings(address)).await;
    world.confirm_orders(3).await;
    let mut courier = world.courier();
    eventually("the port is closed", async || {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
    for _ in 0..3 {
        assert_eq!(courier.try_send_next().await.unwrap(), Progress::Deferred);
    }
    assert!(!world.post().is_open(), "the breaker is open");
    assert!(world.health.not_ready().contains_key("smtp"), "not ready");
    assert!(world.health.overdue().is_empty(), "but alive");
    assert_eq!(world.mail(1).await, ("queued".to_owned(), 0));

    let server = SmtpServer::start_at(address).await;
    eventually("the probe goes out", || async { world.post().is_open() || probe(&world).await })
        .await;
    until_empty(&mut courier).await;
    assert_eq!((server.mails().len(), world.count("sent").await), (3, 3));
    assert!(world.health.not_ready().is_empty(), "ready again");
}

async fn probe(world: &World) -> bool {
    world.courier().try_send_next().await.unwrap() == Progress::Sent
}

#[sqlx::test(migrations = false)]
async fn a_server_that_refuses_our_sender_bounces_no_mail(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Mail, "", Act::Reply("550 5.7.1 sender refused"));
    world.confirm_orders(3).await;
    let mut courier = world.courier();
    assert_eq!(courier.try_send_next().await.unwrap(), Progress::Deferred);
    assert_eq!(world.count("queued").await, 3);
    assert_eq!(world.mail(1).await, ("queued".to_owned(), 0));
    assert!(world.health.not_ready().contains_key("smtp"));
}

#[sqlx::test(migrations = false)]
async fn a_server_that_tires_of_a_connection_gets_a_new_one_at_once(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    let mut courier = world.courier();
    world.deliver([placed(1), confirmed(1)]).await;
    until_empty(&mut courier).await;
    server.once(At::Mail, "", Act::Reply("421 4.7.0 too many mails"));
    world.deliver([placed(2), confirmed(2)]).await;
    until_empty(&mut courier).await;
    server.once(At::Mail, "", Act::Drop);
    world.deliver([placed(3), confirmed(3)]).await;
    until_empty(&mut courier).await;
    assert_eq!((server.mails().len(), server.connections()), (3, 3));
    assert_eq!(world.mail(3).await, ("sent".to_owned(), 1));
}

#[sqlx::test(migrations = false)]
async fn a_greeting_that_turns_us_away_is_an_outage(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Greeting, "", Act::Reply("554 5.7.1 not now"));
    world.confirm_orders(1).await;
    assert_eq!(world.courier().try_send_next().await.unwrap(), Progress::Deferred);
    assert_eq!(world.mail(1).await, ("queued".to_owned(), 0));
}

#[sqlx::test(migrations = false)]
async fn a_courier_that_is_told_to_stop_gives_back_what_it_has_not_begun(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    world.confirm_orders(5).await;
    world.shutdown.cancel();
    let mut courier = world.courier();
    courier.try_send_next().await.unwrap();
    courier.finish().await.unwrap();
    assert_eq!(world.mail(1).await, ("queued".to_owned(), 0));
    assert_eq!((world.count("queued").await, server.mails().len()), (5, 0));
}

/// In the clear, so that a commit can be seen going by.
fn over(relay: &Relay, options: PgConnectOptions) -> PgPool {
    let options = options.host("127.0.0.1").port(relay.address().port());
    let options = postgres_client::session(
        options.ssl_mode(PgSslMode::Disable),
        "confirmation-email",
        Plans::Once,
    );
    PgPoolOptions::new().max_connections(1).connect_lazy_with(options)
}

#[sqlx::test(migrations = false)]
async fn mails_whose_claim_was_committed_unheard_are_given_back_and_sent(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let relay = Relay::to(&format!("{}:{}", options.get_host(), options.get_port())).await;
    let pool_over_relay = over(&relay, options.clone());
    let (world, server) = World::with_server(pool, options).await;
    world.confirm_orders(2).await;
    let mut courier = world.courier_over(pool_over_relay);
    relay.lose_the_answer_to(b"COMMIT", Ending::Fin);
    assert!(courier.try_send_next().await.is_err());
    assert_eq!((world.count("sending").await, server.mails().len()), (2, 0));
    until_empty(&mut courier).await;
    assert_eq!((world.count("sent").await, server.mails().len()), (2, 2));
    assert_eq!(world.mail(1).await, ("sent".to_owned(), 1));
}

#[sqlx::test(migrations = false)]
async fn the_outcome_of_a_mail_outlives_an_outage_of_the_database(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    world.confirm_orders(2).await;
    let outage = "
        CREATE FUNCTION outage() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'down' USING ERRCODE = '57P01'; END $$;
        CREATE TRIGGER outage BEFORE UPDATE ON mails FOR EACH ROW
            WHEN (OLD.state = 'sending') EXECUTE FUNCTION outage();";
    sqlx::raw_sql(outage).execute(&world.pool).await.unwrap();
    let mut courier = world.courier();
    assert!(courier.try_send_next().await.is_err());
    assert!(courier.try_send_next().await.is_err());
    assert_eq!((world.count("sending").await, server.mails().len()), (2, 2));

    sqlx::raw_sql("DROP TRIGGER outage ON mails").execute(&world.pool).await.unwrap();
    until_empty(&mut courier).await;
    assert_eq!((world.count("sent").await, server.mails().len()), (2, 2));
}
