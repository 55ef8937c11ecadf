//! A connection to the mail server, however long the server takes to greet. Hands over no mail.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::mailer::Connection;
use crate::settings::MailSettings;
use crate::smtp::{ConnectError, Silence};

/// After so long without a greeting another connection is tried beside the first: a server that was
/// silent for a while is met as soon as it speaks, and one that takes its time is waited for.
const NEXT_AFTER: Duration = Duration::from_secs(4);
const BESIDE_MAX: usize = 8;

/// The first connection that comes about, within the time that one may take.
pub(crate) async fn connect(settings: &MailSettings) -> Result<Connection, ConnectError> {
    let race = race(settings);
    timeout(settings.connect_max(), race).await.unwrap_or(Err(Silence::Late.into()))
}

async fn race(settings: &MailSettings) -> Result<Connection, ConnectError> {
    let mut attempts = JoinSet::new();
    attempts.spawn(attempt(settings.clone()));
    loop {
        tokio::select! {
            Some(done) = attempts.join_next() => match done {
                Err(_) => return Err(Silence::Broken.into()),
                Ok(Err(_)) if !attempts.is_empty() => {}
                Ok(result) => return result,
            },
            () = sleep(NEXT_AFTER), if attempts.len() < BESIDE_MAX => {
                attempts.spawn(attempt(settings.clone()));
            }
        }
    }
}

async fn attempt(settings: MailSettings) -> Result<Connection, ConnectError> {
    let hello = settings.from.email.domain();
    Connection::open(&settings.server, hello, settings.reply_within).await
}
