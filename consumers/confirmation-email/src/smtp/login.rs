//! The login: PLAIN, or LOGIN where that is all there is. Encrypts nothing; lets no secret out again.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret;

use super::answer::Answer;
use super::greet::{ConnectError, accepted};
use super::{Conversation, Silence};
use crate::settings::Login;

/// Logs in by what the server offers.
pub(super) async fn log_in(
    conversation: &mut Conversation,
    offers: &[String],
    login: &Login,
) -> Result<(), ConnectError> {
    let password = login.password.expose_secret();
    let (user, secret) = (encoded(&login.user), encoded(password));
    let both = encoded(&format!("\0{}\0{password}", login.user));
    let done = if is_offered(offers, "PLAIN") {
        accepted(conversation.ask(&format!("AUTH PLAIN {both}")).await).map(drop)
    } else if is_offered(offers, "LOGIN") {
        by_turns(conversation, &user, &secret).await
    } else {
        Err(ConnectError::Lacks("AUTH PLAIN or LOGIN"))
    };
    done.map_err(|error| match error {
        ConnectError::Refused(answer) => ConnectError::Refused(concealed(
            answer,
            &[&both, &user, &secret, &login.user, password],
        )),
        error => error,
    })
}

async fn by_turns(
    conversation: &mut Conversation,
    user: &str,
    password: &str,
) -> Result<(), ConnectError> {
    expect_more(conversation.ask("AUTH LOGIN").await)?;
    expect_more(conversation.ask(user).await)?;
    accepted(conversation.ask(password).await).map(drop)
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn is_offered(offers: &[String], mechanism: &str) -> bool {
    let named = |offer: &String| {
        let mut words = offer.split([' ', '=']);
        words.next() == Some("AUTH") && words.any(|word| word == mechanism)
    };
    offers.iter().any(named)
}

fn expect_more(answer: Result<Answer, Silence>) -> Result<(), ConnectError> {
    let answer = answer?;
    match answer.status.code {
        300..=399 => Ok(()),
        _ => Err(ConnectError::Refused(answer)),
    }
}

/// A shorter piece of a secret is a word like any other.
const PIECE_MIN: usize = 6;

/// The answer without the lines that repeat a secret, or a piece of one: servers are known to repeat
/// a command that they do not understand, some of them cut off or in capitals.
fn concealed(answer: Answer, secrets: &[&str]) -> Answer {
    let secrets: Vec<String> = secrets.iter().map(|secret| secret.to_lowercase()).collect();
    let lines = answer.lines.into_iter().map(|line| match repeats(&line, &secrets) {
        true => "<login>".to_owned(),
        false => line,
    });
    Answer { status: answer.status, lines: lines.collect() }
}

fn repeats(line: &str, secrets: &[String]) -> bool {
    let line = line.to_lowercase();
    let mut pieces = line
        .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/'))
        .filter(|piece| piece.len() >= PIECE_MIN);
    let whole = |secret: &&String| !secret.is_empty() && line.contains(secret.as_str());
    secrets.iter().any(|secret| whole(&secret))
        || pieces.any(|piece| secrets.iter().any(|secret| secret.contains(piece)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::Status;

    #[test]
    fn mechanisms_are_read_of_either_kind_of_offer() {
        let offers = |line: &str| [line.to_owned()];
        for line in ["AUTH PLAIN", "AUTH LOGIN PLAIN", "AUTH=LOGIN PLAIN", "AUTH=PLAIN"] {
            assert!(is_offered(&offers(line), "PLAIN"), "{line}");
        }
        for line in ["AUTH", "AUTH GSSAPI XPLAIN", "XAUTH PLAIN", "PLAIN", ""] {
            assert!(!is_offered(&offers(line), "PLAIN"), "{line}");
        }
    }

    #[test]
    fn no_word_of_a_login_is_repeated() {
        let secrets = ["AHNob3AtbWFpbGVyAHMzY3JldA==", "shop-mailer", "s3c ret"];
        let said = |line: &str| {
            let status = Status { code: 535, enhanced: None };
            concealed(Answer { status, lines: vec![line.to_owned()] }, &secrets).to_string()
        };
        for line in [
            "unknown command: AUTH PLAIN AHNob3AtbWFpbGVyAHMzY3JldA==",
            "what is AUTH PLAIN AHNOB3ATBWFPBGVYAHMZY3JLDA==",
            "what is 'AUTH PLAIN AHNob3Atb...'",
            "Shop-Mailer may not",
            "no s3c ret here",
        ] {
            assert_eq!(said(line), "535 <login>", "{line}");
        }
        assert_eq!(said("5.7.8 bad credentials"), "535 5.7.8 bad credentials");
    }
}
