//! One connection to the mail server, over which many mails go. Knows no ledger and never retries.

use std::error::Error as _;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::letter::Letter;
use crate::reply::scrub;
use crate::settings::{SmtpServer, Tls};
use crate::tls::Encrypted;
use crate::verdict::{Heard, Stage, Verdict, verdict};

/// An open connection.
pub(crate) struct Connection {
    smtp: AsyncSmtpConnection,
    reply_within: Duration,
    /// A mail has gone over it before.
    used: bool,
    /// Good for no further mail.
    broken: bool,
}

/// What a mail's way ended in.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) verdict: Verdict,
    /// The server's words, without addresses.
    pub(crate) reply: String,
}

/// Why there is no connection. Shows neither password nor user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("could not connect")]
    Tcp(#[from] std::io::Error),
    #[error("could not encrypt the connection")]
    Tls(#[from] native_tls::Error),
    #[error("the mail server turned us away")]
    Smtp(#[from] SmtpError),
    #[error("no answer in time")]
    TimedOut,
}

/// How long a farewell may take: nobody waits for it.
const QUIT_WITHIN: Duration = Duration::from_secs(1);

impl Connection {
    /// Connects, encrypts and logs in, all of it within `reply_within`.
    pub(crate) async fn open(
        server: &SmtpServer,
        hello: &ClientId,
        reply_within: Duration,
    ) -> Result<Self, ConnectError> {
        let open = timeout(reply_within, open(server, hello)).await;
        let smtp = open.map_err(|_| ConnectError::TimedOut)??;
        Ok(Self { smtp, reply_within, used: false, broken: false })
    }

    /// Whether a mail has gone over it, so that the server may have grown tired of it.
    pub(crate) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether it is good for no further mail.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Hands over one mail.
    pub(crate) async fn send(&mut self, letter: &Letter) -> Delivery {
        self.used = true;
        let recipient = letter.to.as_ref();
        let commands = [
            (Stage::Mail, Mail::new(Some(letter.from.clone()), vec![]).to_string()),
            (Stage::Rcpt, Rcpt::new(letter.to.clone(), vec![]).to_string()),
            (Stage::Data, Data.to_string()),
        ];
        for (stage, command) in commands {
            let delivery = self.command(stage, command, recipient).await;
            if delivery.verdict != Verdict::Proceed {
                self.reset().await;
                return delivery;
            }
        }
        let content = self.smtp.message(&letter.content);
        let answer = timeout(self.reply_within * 2, content).await;
        self.judge(Stage::Content, answer.ok(), recipient)
    }

    /// Takes leave.
    pub(crate) async fn close(mut self) {
        if !self.broken {
            // Whether the farewell is heard changes nothing.
            let _ = timeout(QUIT_WITHIN, self.smtp.command(Quit)).await;
        }
    }

    async fn command(&mut self, stage: Stage, command: String, recipient: &str) -> Delivery {
        let answer = timeout(self.reply_within, self.smtp.command(command)).await;
        self.judge(stage, answer.ok(), recipient)
    }

    fn judge(
        &mut self,
        stage: Stage,
        answer: Option<Result<Response, SmtpError>>,
        recipient: &str,
    ) -> Delivery {
        let (heard, words) = hear(answer);
        // 421 announces that the server closes the connection.
        self.broken |= matches!(heard, Heard::Nothing | Heard::Reply(421));
        Delivery { verdict: verdict(stage, heard), reply: scrub(&words, recipient) }
    }

    /// Makes the server forget a mail that it refused, so that the next can begin.
    async fn reset(&mut self) {
        if !self.broken {
            let answer = timeout(self.reply_within, self.smtp.command(Rset)).await;
            self.broken = !matches!(answer, Ok(Ok(_)));
        }
    }
}

async fn open(server: &SmtpServer, hello: &ClientId) -> Result<AsyncSmtpConnection, ConnectError> {
    let tcp = TcpStream::connect((server.host.as_str(), server.port)).await?;
    // Without it every mail waits 40 ms for Nagle's algorithm and a delayed acknowledgement.
    tcp.set_nodelay(true)?;
    let stream: Box<dyn AsyncTokioStream> = match server.tls {
        Tls::Implicit => Box::new(Encrypted::connect(&server.host, tcp).await?),
        Tls::None | Tls::Required => Box::new(tcp),
    };
    let mut smtp = AsyncSmtpConnection::connect_with_transport(stream, hello).await?;
    if server.tls == Tls::Required {
        smtp.starttls(TlsParameters::new(server.host.clone())?, hello).await?;
    }
    if let Some(login) = &server.login {
        let password = login.password.expose_secret().to_owned();
        let credentials = Credentials::new(login.user.clone(), password);
        smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
    }
    Ok(smtp)
}

/// The code and the words of an answer.
fn hear(answer: Option<Result<Response, SmtpError>>) -> (Heard, String) {
    match answer {
        None => (Heard::Nothing, "no answer in time".to_owned()),
        Some(Ok(response)) => {
            let code = u16::from(response.code());
            let words = response.message().collect::<Vec<_>>().join(" ");
            (Heard::Reply(code), format!("{code} {words}"))
        }
        Some(Err(error)) => match error.status() {
            Some(code) => {
                let code = u16::from(code);
                let words = error.source().map(ToString::to_string).unwrap_or_default();
                (Heard::Reply(code), format!("{code} {words}"))
            }
            None => (Heard::Nothing, "the connection broke".to_owned()),
        },
    }
}
