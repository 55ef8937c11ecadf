//! A mail server that does what a test tells it to, and remembers what it was told. Sends nothing on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_native_tls::TlsAcceptor;

use crate::login;

/// Where in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Greeting,
    Ehlo,
    StartTls,
    /// Where the client begins to encrypt.
    Handshake,
    Auth,
    Mail,
    Rcpt,
    Data,
    Content,
    Rset,
    Quit,
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
    /// These bytes again and again, as long as they are taken.
    Endless(&'static [u8]),
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

/// A connection, encrypted or not.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

pub(crate) type Lines = BufReader<Box<dyn Wire>>;

/// A line that the client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) line: String,
    pub(crate) encrypted: bool,
}

#[derive(Default)]
struct State {
    tls: Option<TlsAcceptor>,
    /// It encrypts from the first byte.
    at_once: bool,
    /// How it answers EHLO, before encryption and behind it.
    offers: [&'static str; 2],
    said: Vec<Said>,
    /// So many commands came before the one before them was answered.
    ahead: usize,
    /// Acted out once each, in order, where place and recipient fit.
    script: Vec<(At, &'static str, Act)>,
    /// Acted out always.
    habits: Vec<(At, &'static str, Act)>,
    mails: Vec<Mail>,
    connections: usize,
    /// It has fallen silent somewhere.
    hangs: bool,
}

/// It takes several commands at once, as most servers do, or one after the other.
pub(crate) const GROUPS: &str = "250-here\r\n250-8BITMIME\r\n250 PIPELINING";
pub(crate) const ALONE: &str = "250-here\r\n250 8BITMIME";

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
        let offers = [GROUPS; 2];
        Self::start_as(address, State { offers, ..State::default() }).await
    }

    /// One that encrypts, from the first byte where it is told to.
    pub(crate) async fn start_encrypting(tls: TlsAcceptor, at_once: bool) -> Self {
        let offers = ["250-here\r\n250 STARTTLS", "250-here\r\n250 AUTH LOGIN PLAIN"];
        let state = State { tls: Some(tls), at_once, offers, ..State::default() };
        Self::start_as(([127, 0, 0, 1], 0).into(), state).await
    }

    async fn start_as(address: SocketAddr, state: State) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let state = Arc::new(Mutex::new(state));
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

    /// What it offers, before encryption and behind it.
    pub(crate) fn offer(&self, offers: [&'static str; 2]) {
        self.state.lock().unwrap().offers = offers;
    }

    /// What clients said, content apart.
    pub(crate) fn said(&self) -> Vec<Said> {
        self.state.lock().unwrap().said.clone()
    }

    pub(crate) fn ahead(&self) -> usize {
        self.state.lock().unwrap().ahead
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
    let mut encrypted = state.lock().unwrap().at_once;
    let mut lines: Lines = BufReader::new(Box::new(stream));
    if encrypted {
        lines = encrypt(state, lines).await?;
    }
    let (mut recipient, mut is_taken) = (String::new(), true);
    let mut next = (At::Greeting, "220 ready");
    loop {
        let said = match act(state, next.0, &recipient) {
            Some(Act::Reply(reply)) => line_of(reply),
            Some(Act::Bytes(bytes)) => bytes.to_vec(),
            Some(Act::LastWords(bytes)) => return lines.write_all(bytes).await,
            Some(Act::Endless(bytes)) => return repeat(&mut lines, bytes).await,
            Some(Act::Hang) => std::future::pending().await,
            Some(_) => return Ok(()),
            None => line_of(next.1),
        };
        lines.write_all(&said).await?;
        if next.0 == At::Quit {
            return Ok(());
        }
        is_taken &= next.0 != At::Rcpt || last_line(&said).starts_with(b"2");
        if next.0 == At::StartTls && said.starts_with(b"2") {
            lines = encrypt(state, lines).await?;
            encrypted = true;
        }
        if next.0 == At::Data && said.starts_with(b"3") {
            let Some(content) = content(&mut lines).await? else {
                return Ok(());
            };
            let to = std::mem::take(&mut recipient);
            let (answer, goes_on) = take(state, &mut lines, Mail { to, content }).await;
            lines.write_all(&answer).await?;
            if !goes_on {
                return Ok(());
            }
        }
        let Some(line) = hear(state, &mut lines, encrypted).await? else {
            return Ok(());
        };
        next = match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => (At::Ehlo, offers(state, encrypted)),
            "STARTTLS" => (At::StartTls, "220 go on"),
            "AUTH" => (At::Auth, login::answer(&line, &mut lines).await?),
            "MAIL" => (At::Mail, "250 OK"),
            "RCPT" => {
                is_taken = true;
                recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                (At::Rcpt, "250 OK")
            }
            "DATA" if is_taken => (At::Data, "354 go on"),
            "DATA" => (At::Data, "554 5.5.1 no valid recipients"),
            "RSET" => (At::Rset, "250 OK"),
            "QUIT" => (At::Quit, "221 bye"),
            _ => (At::Elsewhere, "250 OK"),
        };
    }
}

fn offers(state: &Mutex<State>, encrypted: bool) -> &'static str {
    let [before, behind] = state.lock().unwrap().offers;
    if encrypted { behind } else { before }
}

async fn hear(
    state: &Mutex<State>,
    lines: &mut Lines,
    encrypted: bool,
) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    if lines.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let said = Said { line: line.trim_end().to_owned(), encrypted };
    let mut state = state.lock().unwrap();
    state.said.push(said);
    state.ahead += usize::from(!lines.buffer().is_empty());
    Ok(Some(line))
}

async fn encrypt(state: &Mutex<State>, lines: Lines) -> std::io::Result<Lines> {
    if act(state, At::Handshake, "") == Some(Act::Hang) {
        std::future::pending::<()>().await;
    }
    let acceptor = state.lock().unwrap().tls.clone();
    let acceptor = acceptor.ok_or_else(|| std::io::Error::other("it cannot"))?;
    let encrypted = acceptor.accept(lines.into_inner()).await.map_err(std::io::Error::other)?;
    Ok(BufReader::new(Box::new(encrypted)))
}

/// What is said to a mail that has come, and whether the connection goes on.
async fn take(state: &Mutex<State>, lines: &mut Lines, mail: Mail) -> (Vec<u8>, bool) {
    let fault = act(state, At::Content, &mail.to);
    let keep = || state.lock().unwrap().mails.push(mail);
    match fault {
        Some(Act::Reply(reply)) => (line_of(reply), true),
        Some(Act::Bytes(bytes)) => (bytes.to_vec(), true),
        Some(Act::LastWords(bytes)) => (bytes.to_vec(), false),
        Some(Act::Endless(bytes)) => {
            keep();
            drop(repeat(lines, bytes).await);
            (Vec::new(), false)
        }
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

/// Which has the last word of an answer.
fn last_line(said: &[u8]) -> &[u8] {
    said.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
}

async fn repeat(lines: &mut Lines, bytes: &[u8]) -> std::io::Result<()> {
    loop {
        lines.write_all(bytes).await?;
    }
}

fn line_of(reply: &str) -> Vec<u8> {
    match reply {
        "" => Vec::new(),
        reply => format!("{reply}\r\n").into_bytes(),
    }
}

/// All of it, or nothing where the connection ends before the dot: that is no mail.
async fn content(lines: &mut Lines) -> std::io::Result<Option<String>> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        if line == ".\r\n" {
            return Ok(Some(content));
        }
        content.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
