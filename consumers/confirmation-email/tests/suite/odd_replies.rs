//! Claims about replies that are odd, and clear all the same: the first digit decides, whatever the
//! words (RFC 5321, 4.2).

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::smtp_server::{Act, At};
use crate::world::{World, until_empty};

/// What becomes of a mail where the server says this in this place.
async fn outcome(world: &World, n: u128) -> (String, Option<String>) {
    world.deliver([crate::world::placed(n), crate::world::confirmed(n)]).await;
    until_empty(&mut world.courier()).await;
    world.cause(n).await
}

#[sqlx::test(migrations = false)]
async fn a_mail_that_was_clearly_taken_is_sent(pool: PgPoolOptions, options: PgConnectOptions) {
    let (world, server) = World::with_server(pool, options).await;
    let odd: [(At, &[u8]); 12] = [
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
    ];
    for (n, (at, bytes)) in (1..).zip(odd) {
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
    let odd: [(At, &[u8], &str, &str); 8] = [
        (At::Rcpt, b"550 5.1.1 Bo\xeete inexistante\r\n", "bounced", "5.1.1"),
        (At::Rcpt, b"571 5.7.1 Delivery not authorized\r\n", "bounced", "5.7.1"),
        (At::Rcpt, b"550\r\n", "bounced", "550"),
        (At::Rcpt, b"471 4.7.1 Greylisted, try again\r\n", "queued", "4.7.1"),
        (At::Data, b"577\n", "bounced", "577"),
        (At::Content, b"571 5.7.1 Message refused\r\n", "bounced", "5.7.1"),
        (At::Content, b"499-\r\n499\r\n", "queued", "499"),
        (At::Content, b"554\n", "bounced", "554"),
    ];
    for (n, (at, bytes, state, cause)) in (1..).zip(odd) {
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
