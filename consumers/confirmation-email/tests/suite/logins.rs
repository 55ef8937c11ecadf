//! Claims about logins: what the server says of ours is about us, and nobody is told the secret.

use confirmation_email::settings::{Login, MailSettings, Tls};
use secrecy::SecretString;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::certificates::{Authority, GOOD};
use crate::encryption::{encrypted, nothing_goes_out};
use crate::login::{PASSWORD, USER};
use crate::smtp_server::{Act, At, SmtpServer};
use crate::world::{World, confirmed, placed, until_empty};

/// A server that wants a login, and settings with this password.
async fn server(password: &str, tls: Tls) -> (SmtpServer, MailSettings) {
    let authority = Authority::new();
    let at_once = tls == Tls::Implicit;
    let server = SmtpServer::start_encrypting(authority.vouch(GOOD), at_once).await;
    let mut settings = encrypted(&server, tls, &authority);
    settings.server.login =
        Some(Login { user: USER.to_owned(), password: SecretString::from(password) });
    (server, settings)
}

const BEFORE: &str = "250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS";

#[sqlx::test(migrations = false)]
async fn a_right_login_is_said_once_and_only_encrypted(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let table = [
        ("250-here\r\n250 AUTH LOGIN PLAIN", Tls::Required, "AUTH PLAIN "),
        ("250-here\r\n250 AUTH=PLAIN", Tls::Implicit, "AUTH PLAIN "),
        ("250-here\r\n250 auth gssapi login", Tls::Required, "AUTH LOGIN"),
        ("250-AUTH LOGIN\r\n250-AUTH LOGIN\r\n250 AUTH=LOGIN", Tls::Implicit, "AUTH LOGIN"),
    ];
    for (offers, tls, expected) in table {
        let (server, settings) = server(PASSWORD, tls).await;
        // Whoever offers a login in plain does not get it.
        server.offer([BEFORE, offers]);
        let world = World::new(pool.clone(), options.clone(), settings).await;
        world.deliver([placed(1), confirmed(1), placed(2), confirmed(2)]).await;
        until_empty(&mut world.courier()).await;
        assert_eq!((world.count("sent").await, server.mails().len()), (2, 2), "{offers}");
        let said = server.said();
        let logins: Vec<_> = said.iter().filter(|said| said.line.starts_with("AUTH")).collect();
        assert!(logins.len() == 1 && logins[0].encrypted, "{logins:?}");
        assert!(logins[0].line.starts_with(expected), "{logins:?}");
        sqlx::query("TRUNCATE mails, orders").execute(&world.pool).await.unwrap();
    }
}

#[sqlx::test(migrations = false)]
async fn a_wrong_login_is_about_us_and_mails_wait_for_the_right_one(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    for offers in ["250-here\r\n250 AUTH PLAIN", "250-here\r\n250 AUTH LOGIN"] {
        let (server, settings) = server("wrong", Tls::Required).await;
        server.offer([BEFORE, offers]);
        let world = World::new(pool.clone(), options.clone(), settings).await;
        let words = nothing_goes_out(&world).await;
        assert_eq!(words, "the mail server turned us away: 535 5.7.8 bad credentials");
        assert!(!server.said().iter().any(|said| said.line.starts_with("MAIL")), "{offers}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_server_that_repeats_a_login_is_not_quoted(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (server, settings) = server(PASSWORD, Tls::Required).await;
    let encoded = "AHNob3AtbWFpbGVyAHMzY3JldCDDqT4+Pj8/P35+fg==";
    for reply in [
        "500 5.5.2 unknown: AUTH PLAIN AHNob3AtbWFpbGVyAHMzY3JldCDDqT4+Pj8/P35+fg==",
        "500 5.5.2 unknown: AUTH PLAIN AHNob3AtbWFpbGVyAHMz...",
        "535 5.7.8 shop-mailer has another password",
    ] {
        server.once(At::Auth, "", Act::Reply(reply));
        let world = World::new(pool.clone(), options.clone(), settings.clone()).await;
        let words = nothing_goes_out(&world).await;
        assert_eq!(words, format!("the mail server turned us away: {} <login>", &reply[..3]));
    }
    let sent = server.said().into_iter().any(|said| said.line.ends_with(encoded));
    assert!(sent, "it is what we say");
}

#[sqlx::test(migrations = false)]
async fn no_mail_is_begun_without_a_way_to_log_in(pool: PgPoolOptions, options: PgConnectOptions) {
    for tls in [Tls::Required, Tls::Implicit] {
        let (server, settings) = server(PASSWORD, tls).await;
        // What was offered before encryption counts no more.
        server.offer([BEFORE, "250-here\r\n250 AUTH GSSAPI XOAUTH2"]);
        let world = World::new(pool.clone(), options.clone(), settings).await;
        let words = nothing_goes_out(&world).await;
        assert_eq!(words, "the mail server offers no AUTH PLAIN or LOGIN");
        let said = server.said();
        let asked = said.iter().any(|said| said.line.starts_with("AUTH"));
        assert!(!asked && !said.iter().any(|said| said.line.starts_with("MAIL")), "{said:?}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_login_that_is_not_dealt_with_now_is_an_outage(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (server, settings) = server(PASSWORD, Tls::Required).await;
    for reply in ["454 4.7.0 later", "421 4.7.0 too many errors", "432 4.7.12 change it first"] {
        server.once(At::Auth, "", Act::Reply(reply));
        let world = World::new(pool.clone(), options.clone(), settings.clone()).await;
        let words = nothing_goes_out(&world).await;
        assert_eq!(words, format!("the mail server turned us away: {reply}"));
    }
}
