//! One connection to the mail server, over which many mails go. Knows no ledger and never retries.

use std::time::{Duration, Instant};

use crate::letter::Letter;
use crate::reply::scrub;
use crate::settings::SmtpServer;
use crate::smtp::{self, Answer, ConnectError, Conversation, Silence, Status, stuffed};
use crate::verdict::{Heard, Stage, Verdict, verdict};

/// An open connection.
pub(crate) struct Connection {
    smtp: Conversation,
    reply_within: Duration,
    opened: Instant,
    /// A mail has gone over it before.
    used: bool,
    /// Good for no further mail.
    broken: bool,
}

/// What a mail's way ended in.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) verdict: Verdict,
    /// The numbers of the server's last answer, if it gave one.
    pub(crate) status: Option<Status>,
    /// The server has had enough of this connection: another may do.
    pub(crate) tired: bool,
    /// The server's words, without addresses.
    pub(crate) reply: String,
}

impl Delivery {
    /// Nothing was said of the mail.
    pub(crate) fn not_begun(why: &str) -> Self {
        let (verdict, reply) = (Verdict::NotBegun, why.to_owned());
        Self { verdict, status: None, tired: false, reply }
    }
}

/// How long a farewell may take: nobody waits for it.
const QUIT_WITHIN: Duration = Duration::from_secs(1);
/// Names move and servers retire: nothing is bound to one for longer.
const AGE_MAX: Duration = Duration::from_secs(600);

impl Connection {
    /// Connects, encrypts and logs in; the server may take `reply_within` for each step.
    pub(crate) async fn open(
        server: &SmtpServer,
        hello: &str,
        reply_within: Duration,
    ) -> Result<Self, ConnectError> {
        let smtp = smtp::open(server, hello, reply_within).await?;
        Ok(Self { smtp, reply_within, opened: Instant::now(), used: false, broken: false })
    }

    /// Whether a mail has gone over it, so that the server may have grown tired of it.
    pub(crate) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether it is good for no further mail.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it has been there for long enough.
    pub(crate) fn is_old(&self) -> bool {
        self.opened.elapsed() > AGE_MAX
    }

    /// Hands over one mail.
    pub(crate) async fn send(&mut self, letter: &Letter) -> Delivery {
        self.used = true;
        let recipient = letter.to.as_ref();
        let commands = [
            (Stage::Mail, format!("MAIL FROM:<{}>", letter.from)),
            (Stage::Rcpt, format!("RCPT TO:<{}>", letter.to)),
            (Stage::Data, "DATA".to_owned()),
        ];
        // One wait instead of three, where the server lets us (RFC 2920).
        let at_once = self.smtp.takes_groups();
        let group = commands.each_ref().map(|(_, command)| command.as_str()).join("\r\n");
        for (left, (stage, command)) in (0..commands.len()).rev().zip(&commands) {
            let answer = match (at_once, stage) {
                (false, _) => self.smtp.ask(command).await,
                (true, Stage::Mail) => self.smtp.ask(&group).await,
                (true, _) => self.smtp.hear(self.reply_within).await,
            };
            let delivery = self.judge(*stage, answer, recipient);
            if delivery.verdict != Verdict::Proceed {
                if at_once {
                    self.hear_the_rest(left).await;
                }
                self.reset().await;
                return delivery;
            }
        }
        self.hand_over(letter, recipient).await
    }

    /// The answers to commands that were said together with one that was refused. A server that waits
    /// for the content all the same gets none, and nothing more.
    async fn hear_the_rest(&mut self, answers: usize) {
        for _ in 0..answers {
            if self.broken {
                return;
            }
            let answer = self.smtp.hear(self.reply_within).await;
            let is_no = answer.is_ok_and(|answer| !matches!(answer.status.code, 300..=399));
            self.broken = !is_no || self.smtp.has_ended();
        }
    }

    /// Takes leave.
    pub(crate) async fn close(self) {
        if !self.broken {
            self.smtp.quit(QUIT_WITHIN).await;
        }
    }

    /// The content, and the dot that makes it a mail. Until the dot has gone nothing has arrived.
    async fn hand_over(&mut self, letter: &Letter, recipient: &str) -> Delivery {
        if let Err(silence) = self.smtp.say(&stuffed(&letter.content)).await {
            let answer = self.smtp.last_words().await.ok_or(silence);
            return self.judge(Stage::Body, answer, recipient);
        }
        if let Some(said) = self.smtp.unasked().await {
            return self.judge(Stage::Body, said, recipient);
        }
        let answer = self.smtp.exchange(b".\r\n", self.reply_within * 2).await;
        self.judge(Stage::Content, answer, recipient)
    }

    fn judge(
        &mut self,
        stage: Stage,
        answer: Result<Answer, Silence>,
        recipient: &str,
    ) -> Delivery {
        let heard = answer.as_ref().map_or(Heard::Nothing, |answer| Heard::Reply(answer.status));
        let verdict = match verdict(stage, heard) {
            // It let us go on, and was gone.
            Verdict::Proceed if self.smtp.has_ended() => verdict(stage, Heard::Nothing),
            verdict => verdict,
        };
        let status = answer.as_ref().ok().map(|answer| answer.status);
        let tired = status.is_some_and(|status| is_tired(stage, status));
        self.broken |= self.smtp.has_ended() || tired;
        let words = answer.map_or_else(|silence| silence.to_string(), |answer| answer.to_string());
        Delivery { verdict, status, tired, reply: scrub(&words, recipient) }
    }

    /// Makes the server forget a mail that it refused, so that the next can begin.
    async fn reset(&mut self) {
        if !self.broken {
            let answer = self.smtp.ask("RSET").await;
            let forgot = answer.is_ok_and(|answer| matches!(answer.status.code, 200..=299));
            self.broken = !forgot || self.smtp.has_ended();
        }
    }
}

/// 421 announces that the server closes the connection; too many recipients are too many of this
/// connection's, where every mail has one.
fn is_tired(stage: Stage, status: Status) -> bool {
    let too_many = matches!(status.enhanced, None | Some((5, 3)));
    status.code == 421 || (stage == Stage::Rcpt && status.code == 452 && too_many)
}
