//! How this service reaches the mail server and how patient it is. Connects to nothing.

use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::settings::{self, SettingsError};
use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

use crate::authorities::Authorities;

/// What the couriers need to know.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// `SMTP_URL`: `smtp://host:25`, `smtp://user:password@host:587?tls=required` (STARTTLS) or
    /// `smtps://user:password@host:465`.
    pub server: SmtpServer,
    /// `MAIL_FROM`: `Shop <orders@shop.example>`.
    pub from: Mailbox,
    /// `MAIL_CONNECTIONS` (default 4): connections to the mail server per process.
    pub connections: usize,
    /// `MAIL_BATCH` (default 8): mails that a courier claims at once, and at most as many whose
    /// fate a crash leaves unknown.
    pub batch: i64,
    /// `MAIL_REPLY_SECONDS_MAX` (default 30): how long the server may take to answer; twice as
    /// long once it has the content.
    pub reply_within: Duration,
    /// `MAIL_RETRY_SECONDS` (default 30): until the second attempt, then doubled up to an hour.
    pub backoff: Backoff,
    /// `MAIL_ATTEMPTS_MAX` (default 100, about four days): then the mail has bounced.
    pub attempts_max: i32,
    /// `MAIL_MAX_AGE` (default `3d`): an outcome that came about longer ago is told to nobody.
    pub max_age: Duration,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from being read.
    pub tls: Tls,
    /// Whom to log in as.
    pub login: Option<Login>,
    /// `SMTP_CA_FILE`: whose certificates are good beside the system's.
    pub authorities: Authorities,
}

/// How a connection is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// It is not: for a relay on the same machine, or a sink.
    None,
    /// From the first byte (`smtps://`).
    Implicit,
    /// By STARTTLS, or there is no connection (`?tls=required`).
    Required,
}

/// User and password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

const BATCH_MAX: u64 = 100;
const CONNECTIONS_MAX: u64 = 64;
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const DAY: u64 = 24 * 3600;
const MAX_AGE: Duration = Duration::from_secs(3 * DAY);
const URL_EXPECTED: SettingsError = SettingsError::Invalid(
    "SMTP_URL",
    "smtp://host:port, smtp://user:password@host:port?tls=required or smtps://user:password@host:port",
);

impl MailSettings {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// When the server or the sender is not named, or something cannot be read.
    pub fn from_env() -> Result<Self, SettingsError> {
        Ok(Self {
            server: SmtpServer {
                authorities: Authorities::from_env()?,
                ..SmtpServer::parse(&settings::secret("SMTP_URL")?)?
            },
            from: mail_from(&settings::required("MAIL_FROM")?)?,
            connections: settings::within("MAIL_CONNECTIONS", 4, 1..=CONNECTIONS_MAX)?,
            batch: settings::within("MAIL_BATCH", 8, 1..=BATCH_MAX)?,
            reply_within: seconds("MAIL_REPLY_SECONDS_MAX", 30)?,
            backoff: Backoff { first: seconds("MAIL_RETRY_SECONDS", 30)?, longest: LONGEST_WAIT },
            attempts_max: settings::at_least_one("MAIL_ATTEMPTS_MAX", 100)?,
            max_age: max_age()?,
        })
    }

    /// How long a mail waits after that many attempts, or `None` when it is time to give up. Those that
    /// were deferred together do not come back together: their ids spread them.
    pub fn retry_after(&self, attempts: i32, mail: Uuid) -> Option<Duration> {
        let (high, low) = mail.as_u64_pair();
        let tried = u32::try_from(attempts).unwrap_or_default();
        (attempts < self.attempts_max).then(|| self.backoff.wait(tried, high ^ low))
    }

    /// The longest that one connection can take to be made.
    pub fn connect_max(&self) -> Duration {
        self.reply_within
    }

    /// The longest that one mail can take: three replies over a connection that the server has had
    /// enough of, a new one, four replies, the content, and the reply to it, which may take twice as
    /// long.
    pub fn mail_max(&self) -> Duration {
        self.reply_within * 11
    }

    /// How long a claim is good for. A mail is begun only while [`Self::mail_max`] is left of it,
    /// so that a row whose lease has run out belongs to a courier that is gone.
    pub fn lease(&self) -> Duration {
        self.reply_within * 13
    }
}

/// A sender that every server can read: not all offer SMTPUTF8, and a domain has a form in ASCII.
fn mail_from(text: &str) -> Result<Mailbox, SettingsError> {
    let mailbox = text.parse::<Mailbox>().ok();
    let readable = mailbox.filter(|mailbox| {
        let address: &str = mailbox.email.as_ref();
        address.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte))
    });
    let expected = "like Shop <orders@shop.example>, with an address in ASCII";
    readable.ok_or(SettingsError::Invalid("MAIL_FROM", expected))
}

/// `MAIL_MAX_AGE`, also for whoever enters mails in the ledger.
///
/// # Errors
/// When it is no time, or out of bounds.
pub(crate) fn max_age() -> Result<Duration, SettingsError> {
    let expected = SettingsError::Invalid("MAIL_MAX_AGE", "like 90s, 45m, 12h or 3d, 1s to 3650d");
    match settings::optional("MAIL_MAX_AGE") {
        None => Ok(MAX_AGE),
        Some(text) => age(&text).ok_or(expected),
    }
}

/// A number of seconds, minutes, hours or days.
fn age(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits)?.trim() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => DAY,
        _ => return None,
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=3650 * DAY).contains(&seconds).then(|| Duration::from_secs(seconds))
}

fn seconds(name: &'static str, default: u64) -> Result<Duration, SettingsError> {
    settings::within(name, default, 1..=600).map(Duration::from_secs)
}

impl SmtpServer {
    /// Reads an `SMTP_URL`.
    ///
    /// # Errors
    /// When it is none, or would send a password over a connection that can be read.
    pub fn parse(url: &SecretString) -> Result<Self, SettingsError> {
        let url = Url::parse(url.expose_secret()).map_err(|_| URL_EXPECTED)?;
        let tls = tls(&url)?;
        let login = login(&url)?;
        if login.is_some() && tls == Tls::None {
            return Err(SettingsError::Invalid(
                "SMTP_URL",
                "smtps:// or have ?tls=required where it names a password",
            ));
        }
        let default_port = if tls == Tls::Implicit { 465 } else { 25 };
        let (host, port) = (host(&url)?, url.port().unwrap_or(default_port));
        Ok(Self { host, port, tls, login, authorities: Authorities::default() })
    }
}

/// The host without the brackets of an IPv6 address.
fn host(url: &Url) -> Result<String, SettingsError> {
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(URL_EXPECTED)?;
    Ok(host.trim_matches(['[', ']']).to_owned())
}

fn tls(url: &Url) -> Result<Tls, SettingsError> {
    let wanted = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value);
    match (url.scheme(), wanted.as_deref()) {
        ("smtps", None) => Ok(Tls::Implicit),
        ("smtp", None) => Ok(Tls::None),
        ("smtp", Some("required")) => Ok(Tls::Required),
        _ => Err(URL_EXPECTED),
    }
}

fn login(url: &Url) -> Result<Option<Login>, SettingsError> {
    if url.username().is_empty() {
        return Ok(None);
    }
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8().map_err(|_| URL_EXPECTED)?;
        Ok(decoded.into_owned())
    };
    let password = plain(url.password().unwrap_or_default())?;
    Ok(Some(Login { user: plain(url.username())?, password: SecretString::from(password) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<SmtpServer, SettingsError> {
        SmtpServer::parse(&SecretString::from(url))
    }

    #[test]
    fn an_smtp_url_names_host_port_tls_and_login() {
        let table = [
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Tls::None),
            ("smtp://mail.example", "mail.example", 25, Tls::None),
            ("smtp://[::1]:2525", "::1", 2525, Tls::None),
            ("smtp://u:p@mail.example:587?tls=required", "mail.example", 587, Tls::Required),
            ("smtps://u:p@mail.example", "mail.example", 465, Tls::Implicit),
        ];
        for (url, host, port, tls) in table {
            let server = parse(url).unwrap();
            assert_eq!((server.host.as_str(), server.port, server.tls), (host, port, tls), "{url}");
        }
    }

    #[test]
    fn a_login_may_hold_escaped_characters() {
        let login =
            parse("smtps://shop%40example.com:a%2Fb%25@mail.example").unwrap().login.unwrap();
        assert_eq!(
            (login.user.as_str(), login.password.expose_secret()),
            ("shop@example.com", "a/b%")
        );
    }

    #[test]
    fn a_password_over_a_readable_connection_and_what_is_no_url_are_refused() {
        for url in ["smtp://u:p@mail.example", "mail.example:25", "http://x", "smtp://x?tls=maybe"]
        {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_sender_is_an_address_that_every_server_can_read() {
        for text in
            ["a@shop.example", "Shop <a+b@shop.example>", "L\u{e1}den <a@xn--ldn-xqa.example>"]
        {
            assert!(mail_from(text).is_ok(), "{text}");
        }
        let bad =
            ["", "shop", "b\u{fc}ro@shop.example", "a@l\u{e4}den.example", "\"a b\"@shop.example"];
        for text in bad {
            assert!(mail_from(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_is_a_number_and_its_unit_within_bounds() {
        let table = [("90", 90), ("90s", 90), ("45m", 2_700), ("12h", 43_200), ("3d", 3 * DAY)];
        for (text, seconds) in table {
            assert_eq!(age(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "d", "3w", "-1d", "1.5h", "3651d", "99999999999999999999d"] {
            assert_eq!(age(text), None, "{text}");
        }
    }

    fn an_example() -> MailSettings {
        MailSettings {
            server: parse("smtp://x").unwrap(),
            from: "Shop <orders@shop.example>".parse().unwrap(),
            connections: 1,
            batch: 8,
            reply_within: Duration::from_secs(3),
            backoff: Backoff { first: Duration::from_secs(30), longest: LONGEST_WAIT },
            attempts_max: 100,
            max_age: MAX_AGE,
        }
    }

    #[test]
    fn a_mail_is_tried_less_and_less_often_and_then_given_up() {
        let settings = an_example();
        for mail in (0..100).map(Uuid::from_u128) {
            let wait = |attempts| settings.retry_after(attempts, mail).map(|wait| wait.as_secs());
            assert!((24..=36).contains(&wait(1).unwrap()), "{mail}");
            assert!((2880..=4320).contains(&wait(99).unwrap()), "{mail}");
            assert_eq!(wait(100), None);
        }
    }

    #[test]
    fn mails_that_were_deferred_together_come_back_apart() {
        let mails = (0..100).map(|n| Uuid::new_v5(&Uuid::NAMESPACE_OID, &[n]));
        let settings = an_example();
        let mut waits: Vec<_> = mails.filter_map(|mail| settings.retry_after(3, mail)).collect();
        waits.sort();
        let span = waits[waits.len() - 1] - waits[0];
        assert!(span > Duration::from_secs(30), "all within {span:?}");
    }

    #[test]
    fn a_claim_outlasts_the_mail_that_is_begun_under_it() {
        let settings = an_example();
        assert!(
            settings.lease() > settings.mail_max() && settings.mail_max() > settings.connect_max()
        );
    }
}
