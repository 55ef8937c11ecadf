//! Claims about encryption: it comes about with the server that is meant, or no mail goes out.

use std::time::Duration;

use confirmation_email::courier::Progress;
use confirmation_email::settings::{MailSettings, SmtpServer as Server, Tls};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::timeout;

use crate::certificates::{Authority, Claim, GOOD, self_signed};
use crate::smtp_server::{Act, At, Said, SmtpServer};
use crate::world::{World, confirmed, placed, settings, until_empty};

const BOTH: [Tls; 2] = [Tls::Required, Tls::Implicit];

/// Settings for this server, of whom this authority vouches.
pub(crate) fn encrypted(server: &SmtpServer, tls: Tls, authority: &Authority) -> MailSettings {
    let plain = settings(server.address);
    let server = Server { tls, authorities: authority.trusted(), ..plain.server };
    MailSettings { server, ..plain }
}

/// The mail about an order does not go out. What readiness says.
pub(crate) async fn nothing_goes_out(world: &World) -> String {
    world.deliver([placed(1), confirmed(1)]).await;
    let mut courier = world.courier();
    for _ in 0..2 {
        assert_eq!(courier.try_send_next().await.unwrap(), Progress::Deferred);
    }
    assert_eq!(world.mail(1).await, ("queued".to_owned(), 0));
    assert!(!world.post().is_open(), "the breaker is open");
    let words = world.health.not_ready().remove("smtp").unwrap();
    sqlx::query("TRUNCATE mails, orders").execute(&world.pool).await.unwrap();
    words
}

fn verbs(said: &[Said], encrypted: bool) -> Vec<&str> {
    let lines = said.iter().filter(|said| said.encrypted == encrypted);
    lines.filter_map(|said| said.line.split(' ').next()).collect()
}

#[sqlx::test(migrations = false)]
async fn a_mail_goes_out_encrypted_and_nothing_of_it_in_plain(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let authority = Authority::new();
    for tls in BOTH {
        let at_once = tls == Tls::Implicit;
        let server = SmtpServer::start_encrypting(authority.vouch(GOOD), at_once).await;
        let settings = encrypted(&server, tls, &authority);
        let world = World::new(pool.clone(), options.clone(), settings).await;
        world.deliver([placed(1), confirmed(1)]).await;
        until_empty(&mut world.courier()).await;
        assert_eq!((world.count("sent").await, server.mails().len()), (1, 1), "{tls:?}");
        let said = server.said();
        assert_eq!(verbs(&said, true), ["EHLO", "MAIL", "RCPT", "DATA"], "{tls:?}");
        let in_plain: &[&str] = if at_once { &[] } else { &["EHLO", "STARTTLS"] };
        assert_eq!(verbs(&said, false), in_plain, "{tls:?}");
        sqlx::query("TRUNCATE mails, orders").execute(&world.pool).await.unwrap();
    }
}

#[sqlx::test(migrations = false)]
async fn an_answer_put_in_before_encryption_ends_the_connection(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let authority = Authority::new();
    let server = SmtpServer::start_encrypting(authority.vouch(GOOD), false).await;
    let settings = encrypted(&server, Tls::Required, &authority);
    let injected: [&[u8]; 3] = [
        b"220 go on\r\n250-here\r\n250 AUTH PLAIN\r\n",
        b"220 go on\r\n250 OK\r\n250 OK\r\n354 go on\r\n250 taken\r\n",
        b"220 go on\r\n2",
    ];
    for bytes in injected {
        server.once(At::StartTls, "", Act::Bytes(bytes));
        let world = World::new(pool.clone(), options.clone(), settings.clone()).await;
        let words = nothing_goes_out(&world).await;
        assert_eq!(words, "could not connect: the server spoke out of turn before encryption");
    }
    assert_eq!(verbs(&server.said(), true), Vec::<&str>::new());
}

#[sqlx::test(migrations = false)]
async fn a_server_that_does_not_encrypt_is_told_nothing(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let authority = Authority::new();
    let server = SmtpServer::start_encrypting(authority.vouch(GOOD), false).await;
    let settings = encrypted(&server, Tls::Required, &authority);
    let table = [
        (At::Ehlo, Act::Reply("250-here\r\n250-AUTH PLAIN\r\n250 XSTARTTLS"), "offers no STARTTLS"),
        (At::Ehlo, Act::Reply("502 what"), "offers no STARTTLS"),
        (At::StartTls, Act::Reply("454 4.7.0 not now"), "turned us away: 454 4.7.0 not now"),
        (At::StartTls, Act::Reply("502 5.5.1 what"), "turned us away: 502 5.5.1 what"),
        (At::StartTls, Act::Reply("421 4.3.2 bye"), "turned us away: 421 4.3.2 bye"),
        (At::StartTls, Act::Reply("354 go on"), "turned us away: 354 go on"),
    ];
    for (at, act, words) in table {
        server.once(at, "", act);
        let world = World::new(pool.clone(), options.clone(), settings.clone()).await;
        assert!(nothing_goes_out(&world).await.ends_with(words), "{act:?}");
    }
    let said = server.said();
    let harmless = ["EHLO", "HELO", "STARTTLS"];
    assert!(said.iter().all(|said| !said.encrypted), "{said:?}");
    assert!(verbs(&said, false).iter().all(|verb| harmless.contains(verb)), "{said:?}");
}

#[sqlx::test(migrations = false)]
async fn a_certificate_that_is_not_good_is_refused_and_readiness_says_why(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (ours, other) = (Authority::new(), Authority::called("Somebody else"));
    let table = [
        (ours.vouch(Claim { name: "mail.example", ..GOOD }), "IP address mismatch"),
        (ours.vouch(Claim { name: "127.0.0.2", ..GOOD }), "IP address mismatch"),
        (ours.vouch(Claim { valid: (-2, -1), ..GOOD }), "certificate has expired"),
        (ours.vouch(Claim { valid: (1, 2), ..GOOD }), "certificate is not yet valid"),
        (self_signed(GOOD), "self-signed certificate"),
        (other.vouch(GOOD), "unable to get local issuer certificate"),
    ];
    for (certificate, reason) in table {
        for tls in BOTH {
            let at_once = tls == Tls::Implicit;
            let server = SmtpServer::start_encrypting(certificate.clone(), at_once).await;
            let settings = encrypted(&server, tls, &ours);
            let world = World::new(pool.clone(), options.clone(), settings).await;
            let words = nothing_goes_out(&world).await;
            let expected = "could not encrypt the connection: its certificate is not good: ";
            assert_eq!(words, format!("{expected}{reason}"), "{tls:?}");
            assert_eq!(verbs(&server.said(), true), Vec::<&str>::new(), "{tls:?} {reason}");
        }
    }
}

#[sqlx::test(migrations = false)]
async fn a_server_is_known_by_the_name_that_we_call_it_by(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let authority = Authority::new();
    for (name, goes_out) in [("localhost", true), ("localhost.example", false), ("local", false)] {
        let claim = Claim { name, ..GOOD };
        let server = SmtpServer::start_encrypting(authority.vouch(claim), true).await;
        let mut settings = encrypted(&server, Tls::Implicit, &authority);
        settings.server.host = "localhost".to_owned();
        let world = World::new(pool.clone(), options.clone(), settings).await;
        if goes_out {
            world.deliver([placed(1), confirmed(1)]).await;
            until_empty(&mut world.courier()).await;
            assert_eq!(world.count("sent").await, 1);
            sqlx::query("TRUNCATE mails, orders").execute(&world.pool).await.unwrap();
        } else {
            let words = nothing_goes_out(&world).await;
            assert!(words.to_lowercase().ends_with("hostname mismatch"), "{words}");
        }
    }
}

#[sqlx::test(migrations = false)]
async fn a_server_that_falls_silent_in_the_handshake_is_given_up(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let authority = Authority::new();
    for tls in BOTH {
        let at_once = tls == Tls::Implicit;
        let server = SmtpServer::start_encrypting(authority.vouch(GOOD), at_once).await;
        server.always(At::Handshake, Act::Hang);
        let reply_within = Duration::from_secs(1);
        let settings = MailSettings { reply_within, ..encrypted(&server, tls, &authority) };
        let world = World::new(pool.clone(), options.clone(), settings).await;
        let words = timeout(Duration::from_secs(10), nothing_goes_out(&world)).await;
        assert_eq!(words.expect("it is given up"), "no answer in time", "{tls:?}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_server_in_plain_is_none_that_encrypts_from_the_first_byte(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let server = SmtpServer::start().await;
    let settings = encrypted(&server, Tls::Implicit, &Authority::new());
    let world = World::new(pool, options, settings).await;
    let words = nothing_goes_out(&world).await;
    assert!(words.starts_with("could not encrypt the connection: "), "{words}");
    assert_eq!(server.mails().len(), 0);
}
