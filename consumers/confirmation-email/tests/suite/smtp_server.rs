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
    Mail,
    Rcpt,
    Content,
    /// EHLO, RSET and what has been answered already: there is no fault for it.
    Elsewhere,
}

/// What the server does instead of taking the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Reply(&'static str),
    /// Closes the connection.
    Drop,
    /// Keeps the mail and closes the connection: the 250 is lost on its way.
    KeepAndDrop,
    /// Keeps the mail and says nothing.
    KeepAndHang,
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
    mails: Vec<Mail>,
    connections: usize,
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

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state.lock().unwrap().mails.clone()
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
    let script = &mut state.lock().unwrap().script;
    let fits = |(place, who, _): &(At, &str, Act)| *place == at && recipient.contains(who);
    let index = script.iter().position(fits)?;
    Some(script.remove(index).2)
}

async fn talk(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader);
    let mut recipient = String::new();
    let mut next = (At::Greeting, "220 ready");
    loop {
        match act(state, next.0, &recipient) {
            Some(Act::Reply(reply)) => say(&mut writer, reply).await?,
            Some(_) => return Ok(()),
            None => say(&mut writer, next.1).await?,
        }
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        next = match line.split_whitespace().next().unwrap_or_default() {
            "MAIL" => (At::Mail, "250 OK"),
            "RCPT" => {
                recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                (At::Rcpt, "250 OK")
            }
            "DATA" => {
                say(&mut writer, "354 go on").await?;
                let content = content(&mut lines).await?;
                match act(state, At::Content, &recipient) {
                    Some(Act::Reply(reply)) => say(&mut writer, reply).await?,
                    Some(Act::Drop) => return Ok(()),
                    fault => {
                        let mail = Mail { to: recipient.clone(), content };
                        state.lock().unwrap().mails.push(mail);
                        match fault {
                            Some(Act::KeepAndHang) => std::future::pending().await,
                            Some(_) => return Ok(()),
                            None => say(&mut writer, "250 2.0.0 kept").await?,
                        }
                    }
                }
                recipient.clear();
                (At::Elsewhere, "")
            }
            "QUIT" => return say(&mut writer, "221 bye").await,
            _ => (At::Elsewhere, "250 OK"),
        };
    }
}

async fn say(writer: &mut (impl AsyncWriteExt + Unpin), reply: &str) -> std::io::Result<()> {
    if reply.is_empty() {
        return Ok(());
    }
    writer.write_all(format!("{reply}\r\n").as_bytes()).await
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
