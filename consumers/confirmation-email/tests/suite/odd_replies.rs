//! Claims about replies that are odd, and clear all the same: the first digit decides, whatever the
//! words (RFC 5321, 4.2).

use std::time::{Duration, Instant};

use confirmation_email::courier::Progress;
use confirmation_email::settings::MailSettings;
use events_schema::Locale;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::smtp_server::{ALONE, Act, At, GROUPS, SmtpServer};
use crate::world::{World, confirmed, named, order, placed, settings, until_empty};

/// What becomes of a mail where the server says this in this place.
async fn outcome(world: &World, n: u128) -> (String, Option<String>) {
    world.deliver([placed(n), confirmed(n)]).await;
    until_empty(&mut world.courier()).await;
    world.cause(n).await
}

#[sqlx::test(migrations = false)]
async fn a_mail_that_was_clearly_taken_is_sent(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    let odd: [(At, &[u8]); 15] = [
        (At::Greeting, b"220 Serveur de messagerie pr\xeat\r\n"),
        (At::Greeting, b"220\r\n"),
        (At::Greeting, b"220-one\r\n220-\xd3\xca\r\n220 two\n"),
        (At::Ehlo, b"250-odd\n250-8BITMIME\n250\n"),
        (At::Mail, b"250\r\n"),
        (At::Rcpt, b"259 2.1.5 who knows\r\n"),
        (At::Data, b"354\r\n"),
        (At::Data, b"399 \xff\xfe\r\n"),
        (At::Content, b"250\r\n"),
        (At::Content, b"250 2.0.0 OK\n"),
        (At::Content, b"250 \xd3\xca\xbc\xfe\xd2\xd1\xca\xd5\xc8\xa1\r\n"),
        (At::Content, b"250-2.0.0 taken\r\n\r\n290 2.0.0 OK\r\n"),
        (At::Content, b"250 5.1.1 error: no such user\r\n"),
        // All lines should have one code; where they have not, the last is the last word.
        (At::Content, b"550-no\r\n250 taken after all\r\n"),
        (At::Rcpt, b"550-no\r\n250 yes\r\n"),
    ];
    let twice = [GROUPS, ALONE].into_iter().flat_map(|offers| odd.map(|odd| (offers, odd)));
    for (n, (offers, (at, bytes))) in (1..).zip(twice) {
        server.offer([offers; 2]);
        let act = if at == At::Content { Act::KeepAndBytes(bytes) } else { Act::Bytes(bytes) };
        server.once(at, "", act);
        assert_eq!(outcome(&world, n).await, ("sent".to_owned(), None), "{at:?} {bytes:?}");
        assert_eq!(server.mails().len(), n as usize);
    }
}

#[sqlx::test(migrations = false)]
async fn a_mail_that_was_clearly_refused_is_refused(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    let odd: [(At, &[u8], &str, &str); 10] = [
        (At::Rcpt, b"550 5.1.1 Bo\xeete inexistante\r\n", "bounced", "5.1.1"),
        (At::Rcpt, b"571 5.7.1 Delivery not authorized\r\n", "bounced", "5.7.1"),
        (At::Rcpt, b"550\r\n", "bounced", "550"),
        (At::Rcpt, b"471 4.7.1 Greylisted, try again\r\n", "queued", "4.7.1"),
        (At::Data, b"577\n", "bounced", "577"),
        (At::Content, b"571 5.7.1 Message refused\r\n", "bounced", "5.7.1"),
        (At::Content, b"499-\r\n499\r\n", "queued", "499"),
        (At::Content, b"554\n", "bounced", "554"),
        (At::Content, b"250-taken\r\n553 and yet not\r\n", "bounced", "553"),
        (At::Rcpt, b"250-yes\r\n556 no\r\n", "bounced", "556"),
    ];
    let twice = [GROUPS, ALONE].into_iter().flat_map(|offers| odd.map(|odd| (offers, odd)));
    for (n, (offers, (at, bytes, state, cause))) in (1..).zip(twice) {
        server.offer([offers; 2]);
        server.once(at, "", Act::Bytes(bytes));
        let expected = (state.to_owned(), Some(cause.to_owned()));
        assert_eq!(outcome(&world, 2 * n).await, expected, "{at:?} {bytes:?}");
        assert_eq!(outcome(&world, 2 * n + 1).await.0, "sent", "the connection is good");
    }
}

#[sqlx::test(migrations = false)]
async fn a_mail_is_unknown_only_where_nothing_was_heard_of_its_content(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    let table: [(&[u8], &str); 5] = [
        (b"250-taken, and the connection bre", "sent"),
        (b"250", "sent"),
        (b"554 5.7.1 refu", "bounced"),
        (b"25", "unknown"),
        (b"354 what\r\n", "unknown"),
    ];
    for (n, (bytes, state)) in (1..).zip(table) {
        server.once(At::Content, "", Act::LastWords(bytes));
        assert_eq!(outcome(&world, n).await.0, state, "{bytes:?}");
    }
}

/// However many mails go over a connection, an answer too many must not be taken for the next one's.
#[sqlx::test(migrations = false)]
async fn an_answer_too_many_costs_no_mail_anything(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    let odd: [(At, &[u8]); 4] = [
        (At::Content, b"250 taken\r\n250 taken\r\n"),
        (At::Content, b"250 taken\r\n354 go on\r\n250 taken\r\n"),
        (At::Content, b"250 taken\r\n421 bye\r\n"),
        (At::Content, b"250 taken\r\n550 5.1.1 no such user\r\n"),
    ];
    for (n, (at, bytes)) in (1..).zip(odd) {
        server.once(at, "", Act::KeepAndBytes(bytes));
        world.deliver([2 * n, 2 * n + 1].into_iter().flat_map(|n| [placed(n), confirmed(n)])).await;
        until_empty(&mut world.courier()).await;
        for n in [2 * n, 2 * n + 1] {
            assert_eq!(world.mail(n).await, ("sent".to_owned(), 1), "{bytes:?}");
        }
        assert_eq!(server.mails().len(), 2 * n as usize, "{bytes:?}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_reply_before_the_content_has_gone_is_no_answer_to_it(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Data, "", Act::Bytes(b"354 go on\r\n250 taken\r\n"));
    let (state, cause) = outcome(&world, 1).await;
    assert_eq!((state.as_str(), cause.as_deref()), ("queued", Some("no-answer")));
    server.once(At::Data, "", Act::Bytes(b"354 go on\r\n552 5.3.4 too large\r\n"));
    let (state, cause) = outcome(&world, 2).await;
    assert_eq!((state.as_str(), cause.as_deref()), ("bounced", Some("5.3.4")));
}

#[sqlx::test(migrations = false)]
async fn an_answer_without_an_end_ends(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    let begun = Instant::now();
    for (n, at, bytes, state) in [
        (1, At::Content, b"250-more\r\n", "sent"),
        (2, At::Content, b"and more\r\n", "unknown"),
        (3, At::Rcpt, b"250-more\r\n", "queued"),
        (4, At::Rcpt, b"550-more\r\n", "bounced"),
    ] {
        server.once(at, "", Act::Endless(bytes));
        assert_eq!(outcome(&world, n).await.0, state, "{at:?} {bytes:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A server that does not end its answer in time is given up, whatever the answer's beginning says.
#[sqlx::test(migrations = false)]
async fn a_go_ahead_that_is_not_ended_in_time_is_none(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let server = SmtpServer::start().await;
    let reply_within = Duration::from_millis(500);
    let settings = MailSettings { reply_within, ..settings(server.address) };
    let world = World::new(pool, options, settings).await;
    server.once(At::Rcpt, "", Act::Bytes(b"250-wait"));
    assert_eq!(outcome(&world, 1).await.0, "queued");
    assert_eq!(server.mails().len(), 0);
}

#[sqlx::test(migrations = false)]
async fn a_farewell_at_any_stage_sends_the_mail_over_another_connection(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    let mut courier = world.courier();
    world.deliver([placed(100), confirmed(100)]).await;
    until_empty(&mut courier).await;
    for (n, at) in (1..).zip([At::Mail, At::Rcpt, At::Data, At::Content]) {
        server.once(at, "", Act::Reply("421 4.3.2 shutting down"));
        world.deliver([placed(n), confirmed(n)]).await;
        until_empty(&mut courier).await;
        assert_eq!(world.mail(n).await, ("sent".to_owned(), 1), "{at:?}");
        assert_eq!(server.connections(), n as usize + 1, "{at:?}");
    }
    server.once(At::Rcpt, "customer.5@", Act::Reply("550 5.1.1 no such user"));
    server.once(At::Rset, "", Act::Reply("421 4.3.2 shutting down"));
    world.deliver([5, 6].into_iter().flat_map(|n| [placed(n), confirmed(n)])).await;
    until_empty(&mut courier).await;
    assert_eq!((world.count("sent").await, world.count("bounced").await), (6, 1));
    for at in [At::Greeting, At::Ehlo] {
        let server = SmtpServer::start().await;
        server.once(at, "", Act::Reply("421 4.3.2 shutting down"));
        let mut courier = world.courier_to(settings(server.address));
        let n = 10 + at as u128;
        world.deliver([placed(n), confirmed(n)]).await;
        assert_eq!(courier.try_send_next().await.unwrap(), Progress::Deferred, "{at:?}");
        assert_eq!(world.mail(n).await, ("queued".to_owned(), 0), "{at:?}");
        assert!(world.health.not_ready()["smtp"].ends_with("421 4.3.2 shutting down"));
    }
}

#[sqlx::test(migrations = false)]
async fn a_farewell_of_ours_is_waited_for_by_nobody(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    for (n, act) in (1..).zip([Act::Drop, Act::Hang, Act::Reply("500 what")]) {
        server.once(At::Quit, "", act);
        world.deliver([placed(n), confirmed(n)]).await;
        let mut courier = world.courier();
        until_empty(&mut courier).await;
        let begun = Instant::now();
        courier.finish().await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(3), "{act:?} {:?}", begun.elapsed());
        assert_eq!(world.mail(n).await, ("sent".to_owned(), 1), "{act:?}");
    }
}

/// Neither 8BITMIME nor SMTPUTF8 nor PIPELINING is needed.
#[sqlx::test(migrations = false)]
async fn a_server_that_offers_nothing_gets_seven_bits_a_line_at_a_time(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.offer(["250 here"; 2]);
    let long = "\u{5d3}\u{5e0}\u{5d4}".repeat(30);
    world.deliver([order(1, Locale::He, &long).into(), confirmed(1), named("A-1", &long)]).await;
    until_empty(&mut world.courier()).await;
    let mails = server.mails();
    let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    assert!(mail.content.is_ascii());
    assert!(mail.content.lines().all(|line| line.len() <= 998), "a line is too long (RFC 5322)");
    let said: Vec<_> = server.said().into_iter().map(|said| said.line).collect();
    assert!(said.contains(&"MAIL FROM:<orders@orderflow.example>".to_owned()), "{said:?}");
}

#[sqlx::test(migrations = false)]
async fn a_server_that_takes_groups_is_told_the_envelope_at_once(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.offer([ALONE; 2]);
    assert_eq!(outcome(&world, 1).await.0, "sent");
    assert_eq!(server.ahead(), 0);
    server.offer([GROUPS; 2]);
    assert_eq!(outcome(&world, 2).await.0, "sent");
    assert_eq!(server.ahead(), 2, "RCPT and DATA");
}

/// RFC 2920, 3.1: it should refuse `DATA` where it took no recipient. One that does not gets no mail.
#[sqlx::test(migrations = false)]
async fn a_server_that_waits_for_a_mail_that_it_refused_gets_none(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Rcpt, "", Act::Reply("550 5.1.1 no such user"));
    server.once(At::Data, "", Act::Reply("354 go on all the same"));
    world.deliver((1..=2).flat_map(|n| [placed(n), confirmed(n)])).await;
    until_empty(&mut world.courier()).await;
    assert_eq!(world.cause(1).await, ("bounced".to_owned(), Some("5.1.1".to_owned())));
    assert_eq!(world.cause(2).await.0, "sent");
    assert_eq!(server.mails().len(), 1);
    assert_eq!(server.connections(), 2, "the next goes over another connection");
}

#[sqlx::test(migrations = false)]
async fn a_recipient_that_is_refused_in_a_group_costs_its_mail_alone(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, server) = World::with_server(pool, options).await;
    server.once(At::Rcpt, "", Act::Reply("550 5.1.1 no such user"));
    world.deliver((1..=2).flat_map(|n| [placed(n), confirmed(n)])).await;
    until_empty(&mut world.courier()).await;
    assert_eq!(
        (world.cause(1).await.0.as_str(), world.cause(2).await.0.as_str()),
        ("bounced", "sent")
    );
    assert_eq!(server.connections(), 1);
}
