//! What a mail server's answer means for a mail: the one table of it. Speaks to no server.

/// How far a mail had come when the server answered, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// `MAIL FROM`: nothing of this mail has been said yet but who sends it.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA`: the server is asked whether it takes the content.
    Data,
    /// The content is on its way, or there.
    Content,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A reply with this code.
    Reply(u16),
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
    /// Refused for good.
    Bounced,
    /// Handed over, and no answer heard. Never sent again by itself.
    Unknown,
    /// The server is not to be had at all: this mail is as good as not tried.
    NotBegun,
}

/// The table.
pub(crate) fn verdict(stage: Stage, heard: Heard) -> Verdict {
    match (stage, heard) {
        (Stage::Content, Heard::Nothing) => Verdict::Unknown,
        // The content was never sent, so it cannot have arrived.
        (Stage::Rcpt | Stage::Data, Heard::Nothing) => Verdict::Deferred,
        (Stage::Mail, Heard::Nothing) => Verdict::NotBegun,
        (_, Heard::Reply(code)) => of_reply(stage, code),
    }
}

fn of_reply(stage: Stage, code: u16) -> Verdict {
    match (stage, code) {
        (Stage::Mail | Stage::Rcpt, 200..=299) | (Stage::Data, 354) => Verdict::Proceed,
        (Stage::Content, 200..=299) => Verdict::Sent,
        // Whatever is wrong with the sender is wrong with every mail.
        (Stage::Mail, _) => Verdict::NotBegun,
        // Log in first, in this way or that (RFC 4954), or a sequence that the server did not
        // expect: nothing about this recipient.
        (Stage::Rcpt | Stage::Data, 503 | 530 | 534 | 535 | 538) => Verdict::NotBegun,
        (_, 400..=499) => Verdict::Deferred,
        (_, 500..=599) => Verdict::Bounced,
        // No such reply exists here; before the content nothing can have arrived.
        (Stage::Content, _) => Verdict::Unknown,
        (Stage::Rcpt | Stage::Data, _) => Verdict::Deferred,
    }
}

#[cfg(test)]
mod tests {
    use super::Heard::{Nothing, Reply};
    use super::*;

    #[test]
    fn every_answer_has_its_meaning() {
        let table = [
            (Stage::Mail, Reply(250), Verdict::Proceed),
            (Stage::Mail, Reply(421), Verdict::NotBegun), // too many mails, too long idle
            (Stage::Mail, Reply(451), Verdict::NotBegun),
            (Stage::Mail, Reply(530), Verdict::NotBegun), // log in first
            (Stage::Mail, Reply(550), Verdict::NotBegun), // our sender is refused
            (Stage::Mail, Nothing, Verdict::NotBegun),
            (Stage::Rcpt, Reply(250), Verdict::Proceed),
            (Stage::Rcpt, Reply(251), Verdict::Proceed), // will forward
            (Stage::Rcpt, Reply(421), Verdict::Deferred),
            (Stage::Rcpt, Reply(450), Verdict::Deferred), // greylisted, mailbox busy
            (Stage::Rcpt, Reply(452), Verdict::Deferred),
            (Stage::Rcpt, Reply(503), Verdict::NotBegun),
            (Stage::Rcpt, Reply(530), Verdict::NotBegun),
            (Stage::Rcpt, Reply(550), Verdict::Bounced), // no such mailbox
            (Stage::Rcpt, Reply(553), Verdict::Bounced),
            (Stage::Rcpt, Nothing, Verdict::Deferred),
            (Stage::Data, Reply(354), Verdict::Proceed),
            (Stage::Data, Reply(250), Verdict::Deferred), // not what DATA is answered with
            (Stage::Data, Reply(451), Verdict::Deferred),
            (Stage::Data, Reply(554), Verdict::Bounced),
            (Stage::Data, Nothing, Verdict::Deferred),
            (Stage::Content, Reply(250), Verdict::Sent),
            (Stage::Content, Reply(421), Verdict::Deferred),
            (Stage::Content, Reply(452), Verdict::Deferred),
            (Stage::Content, Reply(552), Verdict::Bounced), // too large
            (Stage::Content, Reply(554), Verdict::Bounced), // spam
            (Stage::Content, Reply(354), Verdict::Unknown),
            (Stage::Content, Nothing, Verdict::Unknown),
        ];
        for (stage, heard, expected) in table {
            assert_eq!(verdict(stage, heard), expected, "{stage:?} {heard:?}");
        }
    }
}
