//! The relay between a client and a server of the test. Tests nothing else.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Ending, Relay, Rewrites, host_and_port};

const AT_ONCE: Duration = Duration::from_secs(5);
/// Long enough for whatever would come.
const IN_VAIN: Duration = Duration::from_millis(100);

/// Answers each line with its own name and the line.
async fn server(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut line = [0; 64];
                while let Ok(read @ 1..) = client.read(&mut line).await {
                    let answer = [name.as_bytes(), b" ", &line[..read]].concat();
                    client.write_all(&answer).await.unwrap();
                }
            });
        }
    });
    address
}

struct Client(TcpStream);

impl Client {
    async fn of(relay: &Relay) -> Self {
        Self(TcpStream::connect(relay.address()).await.unwrap())
    }

    async fn ask(&mut self, question: &str) -> std::io::Result<String> {
        self.0.write_all(question.as_bytes()).await?;
        self.hear().await
    }

    async fn hear(&mut self) -> std::io::Result<String> {
        let mut answer = [0; 64];
        let read = tokio::time::timeout(AT_ONCE, self.0.read(&mut answer)).await.unwrap()?;
        Ok(String::from_utf8(answer[..read].to_vec()).unwrap())
    }

    async fn hears_nothing(&mut self) -> bool {
        let mut answer = [0; 64];
        tokio::time::timeout(IN_VAIN, self.0.read(&mut answer)).await.is_err()
    }
}

#[tokio::test]
async fn open_connections_fall_silent_and_new_ones_pass() {
    let relay = Relay::to(&server("a").await).await;
    let mut old = Client::of(&relay).await;
    assert_eq!(old.ask("1").await.unwrap(), "a 1");
    relay.silence();
    assert_eq!(Client::of(&relay).await.ask("2").await.unwrap(), "a 2");
    old.0.write_all(b"3").await.unwrap();
    assert!(old.hears_nothing().await);
}

#[tokio::test]
async fn new_connections_fall_silent_too_until_it_speaks() {
    let relay = Relay::to(&server("a").await).await;
    relay.silence_all();
    let mut silent = Client::of(&relay).await;
    silent.0.write_all(b"1").await.unwrap();
    assert!(silent.hears_nothing().await);
    relay.speak();
    assert_eq!(Client::of(&relay).await.ask("2").await.unwrap(), "a 2");
    assert!(silent.hears_nothing().await);
}

#[tokio::test]
async fn open_connections_end_as_they_are_told() {
    let relay = Relay::to(&server("a").await).await;
    let mut ended = Client::of(&relay).await;
    ended.ask("1").await.unwrap();
    relay.end_open(Ending::Fin);
    assert_eq!(ended.hear().await.unwrap(), "");
    let mut reset = Client::of(&relay).await;
    reset.ask("2").await.unwrap();
    relay.end_open(Ending::Reset);
    assert_eq!(reset.hear().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_closed_connection_takes_what_is_written_and_has_ended() {
    let relay = Relay::to(&server("a").await).await;
    let mut client = Client::of(&relay).await;
    client.ask("1").await.unwrap();
    relay.end_open(Ending::HalfClosed);
    assert_eq!(client.hear().await.unwrap(), "");
    assert_eq!(client.ask("2").await.unwrap(), "");
}

#[tokio::test]
async fn nobody_listens_while_it_is_cut() {
    let mut relay = Relay::to(&server("a").await).await;
    let mut client = Client::of(&relay).await;
    client.ask("1").await.unwrap();
    relay.cut();
    assert_eq!(client.hear().await.unwrap_or_default(), "");
    assert!(TcpStream::connect(relay.address()).await.is_err());
    relay.mend().await;
    assert_eq!(Client::of(&relay).await.ask("2").await.unwrap(), "a 2");
}

#[tokio::test]
async fn one_answer_is_lost_and_the_server_has_done_what_was_asked() {
    let relay = Relay::to(&server("a").await).await;
    relay.lose_the_answer_to(b"COMMIT", Ending::Fin);
    let mut client = Client::of(&relay).await;
    assert_eq!(client.ask("SELECT").await.unwrap(), "a SELECT");
    assert!(!relay.has_lost());
    assert_eq!(client.ask("COMMIT").await.unwrap(), "");
    assert!(relay.has_lost());
    assert_eq!(Client::of(&relay).await.ask("COMMIT").await.unwrap(), "a COMMIT");
}

#[tokio::test]
async fn the_answer_to_whatever_comes_next_is_lost_in_silence() {
    let relay = Relay::to(&server("a").await).await;
    relay.lose_the_answer_to(b"", Ending::Silence);
    let mut client = Client::of(&relay).await;
    client.0.write_all(b"1").await.unwrap();
    assert!(client.hears_nothing().await);
    assert!(relay.has_lost());
}

#[tokio::test]
async fn after_a_failover_new_connections_go_elsewhere_and_open_ones_stay() {
    let relay = Relay::to(&server("a").await).await;
    let mut old = Client::of(&relay).await;
    old.ask("1").await.unwrap();
    relay.send_new_to(&server("b").await);
    assert_eq!(old.ask("2").await.unwrap(), "a 2");
    assert_eq!(Client::of(&relay).await.ask("3").await.unwrap(), "b 3");
}

#[tokio::test]
async fn what_is_held_arrives_when_it_is_released() {
    let relay = Relay::to(&server("a").await).await;
    let mut client = Client::of(&relay).await;
    client.ask("1").await.unwrap();
    relay.hold();
    client.0.write_all(b"2").await.unwrap();
    assert!(client.hears_nothing().await);
    relay.release();
    assert_eq!(client.hear().await.unwrap(), "a 2");
}

#[tokio::test]
async fn what_is_delayed_arrives_later() {
    let relay = Relay::to(&server("a").await).await;
    let mut client = Client::of(&relay).await;
    client.ask("1").await.unwrap();
    relay.delay(IN_VAIN);
    let asked = std::time::Instant::now();
    assert_eq!(client.ask("2").await.unwrap(), "a 2");
    assert!(asked.elapsed() >= 2 * IN_VAIN);
}

#[tokio::test]
async fn a_server_that_refuses_is_a_connection_that_breaks() {
    let relay = Relay::to("127.0.0.1:1").await;
    assert!(Client::of(&relay).await.hear().await.is_err());
}

#[test]
fn what_is_rewritten_may_arrive_in_pieces() {
    let rewrites = Rewrites::of(vec![(b"9092".to_vec(), b"1234".to_vec())]);
    let mut arrived = b"at 90".to_vec();
    let mut passed = rewrites.apply(&mut arrived);
    assert_eq!(passed, b"at ");
    arrived.extend_from_slice(b"92, 90");
    passed.extend(rewrites.apply(&mut arrived));
    assert_eq!((passed.as_slice(), arrived.as_slice()), (&b"at 1234, "[..], &b"90"[..]));
}

#[test]
fn a_url_names_its_server() {
    for url in ["http://host:1/path", "postgres://me:pw@host:1/db", "smtp://host:1", "x://host:1?y"]
    {
        assert_eq!(host_and_port(url), "host:1");
    }
}
