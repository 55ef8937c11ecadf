//! What a mail server's answer means for a mail: the one table of it. Speaks to no server.

use crate::smtp::Status;

/// How far a mail had come when the server answered, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `MAIL FROM`: nothing of this mail has been said yet but who sends it.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`: the server is asked whether it takes the content.
    Data,
    /// The content is on its way; the dot that ends it is not.
    Body,
    /// The content is there, or may be.
    Content,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An answer with these numbers.
    Reply(Status),
    /// Nothing: the connection broke, or nothing came in time, or it was no SMTP.
    Nothing,
}

/// What becomes of the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next stage.
    Proceed,
    /// The server took it.
    Sent,
    /// Again later; it counts as an attempt.
    Deferred,
    /// Refused for good, as far as this answer goes: see `evidence`.
    Refused,
    /// Handed over, and no answer heard. Never sent again by itself.
    Unknown,
    /// The server is not to be had at all: this mail is as good as not tried.
    NotBegun,
}

/// The table.
pub(crate) fn verdict(stage: Stage, heard: Heard) -> Verdict {
    match (stage, heard) {
        (Stage::Content, Heard::Nothing) => Verdict::Unknown,
        // The content was never complete, so it cannot have arrived.
        (Stage::Rcpt | Stage::Data | Stage::Body, Heard::Nothing) => Verdict::Deferred,
        (Stage::Mail, Heard::Nothing) => Verdict::NotBegun,
        (_, Heard::Reply(status)) => of_reply(stage, status),
    }
}

/// By the first digit; the others only say of whom it speaks.
fn of_reply(stage: Stage, status: Status) -> Verdict {
    match (stage, status.code) {
        (Stage::Mail | Stage::Rcpt, 200..=299) | (Stage::Data, 300..=399) => Verdict::Proceed,
        (Stage::Content, 200..=299) => Verdict::Sent,
        // Whatever is wrong with the sender is wrong with every mail.
        (Stage::Mail, _) => Verdict::NotBegun,
        _ if is_about_us(stage, status) => Verdict::NotBegun,
        (_, 400..=499) => Verdict::Deferred,
        (_, 500..=599) => Verdict::Refused,
        // No such answer exists here; before the end of the content nothing can have arrived.
        (Stage::Content, _) => Verdict::Unknown,
        (Stage::Rcpt | Stage::Data | Stage::Body, _) => Verdict::Deferred,
    }
}

/// Answers that cannot be about a recipient: a login that is missing or wrong (RFC 4954), a sequence
/// of commands that the server did not expect, our sender's address.
fn is_about_us(stage: Stage, status: Status) -> bool {
    let code = matches!(status.code, 502 | 503 | 530 | 534 | 535 | 538);
    let enhanced = matches!(status.enhanced, Some((1, 7 | 8) | (5, 1) | (7, 8 | 9 | 11)));
    matches!(stage, Stage::Rcpt | Stage::Data) && (code || (enhanced && status.code >= 500))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-` is no answer; `550 5.1.7` an answer with an enhanced code.
    fn heard(text: &str) -> Heard {
        let (code, enhanced) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = enhanced.split('.').skip(1).map(|part| part.parse().unwrap());
        let enhanced = parts.next().zip(parts.next());
        code.parse().map_or(Heard::Nothing, |code| Heard::Reply(Status { code, enhanced }))
    }

    #[test]
    fn every_answer_has_its_meaning() {
        use Stage::*;
        use Verdict::{Deferred, NotBegun, Proceed, Refused, Sent, Unknown};
        let table = [
            (Mail, "250", Proceed),
            (Mail, "421", NotBegun), // too many mails, too long idle
            (Mail, "451", NotBegun),
            (Mail, "530", NotBegun), // log in first
            (Mail, "550", NotBegun), // our sender is refused
            (Mail, "554 5.7.1", NotBegun),
            (Mail, "-", NotBegun),
            (Rcpt, "250", Proceed),
            (Rcpt, "251", Proceed), // will forward
            (Rcpt, "299", Proceed),
            (Rcpt, "421", Deferred),
            (Rcpt, "450", Deferred), // greylisted, mailbox busy
            (Rcpt, "471 4.7.1", Deferred),
            (Rcpt, "452 4.5.3", Deferred), // too many recipients
            (Rcpt, "501 5.1.3", Refused),  // no address at all
            (Rcpt, "503", NotBegun),
            (Rcpt, "530 5.7.0", NotBegun),
            (Rcpt, "535 5.7.8", NotBegun),
            (Rcpt, "550 5.1.7", NotBegun), // our sender's address
            (Rcpt, "550 5.1.1", Refused),  // no such mailbox
            (Rcpt, "553", Refused),
            (Rcpt, "571 5.7.1", Refused), // policy: evidence tells of whom
            (Rcpt, "-", Deferred),
            (Data, "354", Proceed),
            (Data, "399", Proceed),
            (Data, "250", Deferred), // not what DATA is answered with
            (Data, "451", Deferred),
            (Data, "503 5.5.1", NotBegun),
            (Data, "554", Refused),
            (Data, "-", Deferred),
            (Body, "552", Refused), // too large, said before its end
            (Body, "250", Deferred),
            (Body, "-", Deferred),
            (Content, "250", Sent),
            (Content, "251", Sent),
            (Content, "421", Deferred),
            (Content, "452", Deferred),
            (Content, "552", Refused),       // too large
            (Content, "554", Refused),       // spam
            (Content, "571 5.7.1", Refused), // refused by policy
            (Content, "354", Unknown),
            (Content, "-", Unknown),
        ];
        for (stage, answer, expected) in table {
            assert_eq!(verdict(stage, heard(answer)), expected, "{stage:?} {answer}");
        }
    }
}
