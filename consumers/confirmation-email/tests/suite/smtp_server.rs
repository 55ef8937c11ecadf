//! A mail server that does what a test tells it to, and remembers what it was told. Sends nothing on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Content,
    Rset,
    /// What has been answered already: there is no fault for it.
    Elsewhere,
}

/// What the server does instead of taking the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Reply(&'static str),
    /// These bytes, as they stand.
    Bytes(&'static [u8]),
    /// Says nothing more, and keeps the connection.
    Hang,
    /// These bytes, and closes the connection.
    LastWords(&'static [u8]),
    /// Closes the connection.
    Drop,
    /// Keeps the mail and closes the connection: the 250 is lost on its way.
    KeepAndDrop,
    /// Keeps the mail and says nothing.
    KeepAndHang,
    /// Keeps the mail and answers with these bytes, and nothing after them.
    KeepAndBytes(&'static [u8]),
}

#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) content: String,
}

#[derive(Default)]
struct State {
    /// Acted out once each, in order, where place and recipient fit.
    script: Vec<(At, &'static str, Act)>,
    /// Acted out always.
    habits: Vec<(At, &'static str, Act)>,
    mails: Vec<Mail>,
    connections: usize,
    /// It has fallen silent somewhere.
    hangs: bool,
}

pub(crate) struct SmtpServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl SmtpServer {
    pub(crate) async fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(listen(listener, state.clone()));
        Self { address, state, task }
    }

    /// Once, where the recipient contains `recipient`.
    pub(crate) fn once(&self, at: At, recipient: &'static str, act: Act) {
        self.state.lock().unwrap().script.push((at, recipient, act));
    }

    /// Always, until it is told to behave.
    pub(crate) fn always(&self, at: At, act: Act) {
        self.always_to(at, "", act);
    }

    /// Always, where the recipient contains `recipient`.
    pub(crate) fn always_to(&self, at: At, recipient: &'static str, act: Act) {
        self.state.lock().unwrap().habits.push((at, recipient, act));
    }

    pub(crate) fn behave(&self) {
        self.state.lock().unwrap().habits.clear();
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state.lock().unwrap().mails.clone()
    }

    pub(crate) fn is_hanging(&self) -> bool {
        self.state.lock().unwrap().hangs
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.lock().unwrap().connections += 1;
        let state = state.clone();
        // However a conversation ends, it is the client that is tested.
        tokio::spawn(async move { drop(talk(stream, &state).await) });
    }
}

fn act(state: &Mutex<State>, at: At, recipient: &str) -> Option<Act> {
    let state = &mut state.lock().unwrap();
    let fits = |(place, who, _): &(At, &str, Act)| *place == at && recipient.contains(who);
    let habit = state.habits.iter().find(|habit| fits(habit)).map(|(.., act)| *act);
    let act = habit.or_else(|| {
        let index = state.script.iter().position(fits)?;
        Some(state.script.remove(index).2)
    });
    state.hangs |= act == Some(Act::Hang);
    act
}

async fn talk(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader);
    let mut recipient = String::new();
    let mut next = (At::Greeting, "220 ready");
    loop {
        let said = match act(state, next.0, &recipient) {
            Some(Act::Reply(reply)) => line_of(reply),
            Some(Act::Bytes(bytes)) => bytes.to_vec(),
            Some(Act::Hang) => std::future::pending().await,
            Some(_) => return Ok(()),
            None => line_of(next.1),
        };
        writer.write_all(&said).await?;
        if next.0 == At::Data && said.starts_with(b"3") {
            let content = content(&mut lines).await?;
            let to = std::mem::take(&mut recipient);
            let (answer, goes_on) = take(state, Mail { to, content }).await;
            writer.write_all(&answer).await?;
            if !goes_on {
                return Ok(());
            }
        }
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        next = match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => (At::Ehlo, "250-here\r\n250 8BITMIME"),
            "MAIL" => (At::Mail, "250 OK"),
            "RCPT" => {
                recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                (At::Rcpt, "250 OK")
            }
            "DATA" => (At::Data, "354 go on"),
            "RSET" => (At::Rset, "250 OK"),
            "QUIT" => return writer.write_all(b"221 bye\r\n").await,
            _ => (At::Elsewhere, "250 OK"),
        };
    }
}

/// What is said to a mail that has come, and whether the connection goes on.
async fn take(state: &Mutex<State>, mail: Mail) -> (Vec<u8>, bool) {
    let fault = act(state, At::Content, &mail.to);
    let keep = || state.lock().unwrap().mails.push(mail);
    match fault {
        Some(Act::Reply(reply)) => (line_of(reply), true),
        Some(Act::Bytes(bytes)) => (bytes.to_vec(), true),
        Some(Act::LastWords(bytes)) => (bytes.to_vec(), false),
        Some(Act::Drop) => (Vec::new(), false),
        Some(Act::Hang) => std::future::pending().await,
        Some(Act::KeepAndDrop) => {
            keep();
            (Vec::new(), false)
        }
        Some(Act::KeepAndHang) => {
            keep();
            std::future::pending().await
        }
        Some(Act::KeepAndBytes(bytes)) => {
            keep();
            (bytes.to_vec(), true)
        }
        None => {
            keep();
            (line_of("250 2.0.0 kept"), true)
        }
    }
}

fn line_of(reply: &str) -> Vec<u8> {
    match reply {
        "" => Vec::new(),
        reply => format!("{reply}\r\n").into_bytes(),
    }
}

async fn content(lines: &mut BufReader<OwnedReadHalf>) -> std::io::Result<String> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(content);
        }
        content.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
