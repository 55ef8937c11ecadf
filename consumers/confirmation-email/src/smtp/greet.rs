//! The beginning of a conversation: greeting and encryption, then the login. Hands over no mail.

use std::time::Duration;

use tokio::time::timeout;

use super::answer::Answer;
use super::login::log_in;
use super::wire::{connect, encrypt};
use super::{Conversation, Silence};
use crate::settings::{SmtpServer, Tls};

/// Why there is no conversation. Shows neither password nor user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("could not connect: {0}")]
    Tcp(#[from] std::io::Error),
    #[error("could not encrypt the connection: {}", reason(.0))]
    Tls(#[from] native_tls::Error),
    #[error("the mail server turned us away: {0}")]
    Refused(Answer),
    #[error("{0}")]
    Silent(#[from] Silence),
    #[error("the mail server offers no {0}")]
    Lacks(&'static str),
}

/// Connects, encrypts and logs in; the server may take `within` for each step.
pub(crate) async fn open(
    server: &SmtpServer,
    hello: &str,
    within: Duration,
) -> Result<Conversation, ConnectError> {
    let tcp = connect(&server.host, server.port, within).await?;
    let mut conversation = match server.tls {
        Tls::Implicit => {
            let tls = timeout(within, encrypt(server, tcp)).await;
            Conversation::new(tls.map_err(|_| Silence::Late)??, within)
        }
        Tls::None | Tls::Required => Conversation::new(Box::new(tcp), within),
    };
    accepted(conversation.hear(within).await)?;
    let mut offers = greet(&mut conversation, hello).await?;
    if server.tls == Tls::Required {
        conversation = start_tls(conversation, &offers, server).await?;
        offers = greet(&mut conversation, hello).await?;
    }
    if let Some(login) = &server.login {
        log_in(&mut conversation, &offers, login).await?;
    }
    conversation.takes_groups = offers.iter().any(|offer| offer == "PIPELINING");
    Ok(conversation)
}

/// What is wrong with a certificate OpenSSL says last, in brackets, behind what is kept of no reply.
fn reason(error: &native_tls::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (").and_then(|(_, reason)| reason.strip_suffix(')')) {
        Some(reason) => format!("its certificate is not good: {reason}"),
        None => text,
    }
}

/// A 2yz, or it is the reason.
pub(super) fn accepted(answer: Result<Answer, Silence>) -> Result<Answer, ConnectError> {
    let answer = answer?;
    match answer.status.code {
        200..=299 => Ok(answer),
        _ => Err(ConnectError::Refused(answer)),
    }
}

/// What the server offers. One that knows no EHLO is greeted as in 1982, and offers nothing.
async fn greet(conversation: &mut Conversation, hello: &str) -> Result<Vec<String>, ConnectError> {
    let answer = conversation.ask(&format!("EHLO {hello}")).await?;
    if matches!(answer.status.code, 500 | 501 | 502 | 504 | 550) {
        accepted(conversation.ask(&format!("HELO {hello}")).await)?;
        return Ok(Vec::new());
    }
    let lines = accepted(Ok(answer))?.lines;
    Ok(lines.into_iter().map(|line| line.to_ascii_uppercase()).collect())
}

async fn start_tls(
    mut conversation: Conversation,
    offers: &[String],
    server: &SmtpServer,
) -> Result<Conversation, ConnectError> {
    if !offers.iter().any(|offer| offer == "STARTTLS") {
        return Err(ConnectError::Lacks("STARTTLS"));
    }
    accepted(conversation.ask("STARTTLS").await)?;
    let within = conversation.within;
    let tls = timeout(within, encrypt(server, conversation.into_wire()?)).await;
    Ok(Conversation::new(tls.map_err(|_| Silence::Late)??, within))
}
