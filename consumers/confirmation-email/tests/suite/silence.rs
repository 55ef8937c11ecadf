//! Claims about a mail server that falls silent: nothing waits without an end, and what waits holds up
//! no other.

use std::time::{Duration, Instant};

use confirmation_email::courier::Courier;
use confirmation_email::settings::MailSettings;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinHandle;
use waiting::eventually;

use crate::smtp_server::{Act, At, SmtpServer};
use crate::world::{World, confirmed, placed, settings, until_empty};

const STAGES: [At; 6] = [At::Greeting, At::Ehlo, At::Mail, At::Rcpt, At::Data, At::Content];

/// Works until it is dropped.
struct Working(JoinHandle<()>);

impl Working {
    fn new(mut courier: Courier) -> Self {
        Self(tokio::spawn(async move {
            loop {
                courier.try_send_next().await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[sqlx::test(migrations = false)]
async fn ten_seconds_after_a_silence_at_any_stage_mails_go_out(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (world, _server) = World::with_server(pool, options).await;
    let (mut servers, mut working) = (Vec::new(), Vec::new());
    for stage in STAGES {
        let server = SmtpServer::start().await;
        server.always(stage, Act::Hang);
        // As in an ordinary deployment: far longer than anybody should be held up.
        let reply_within = Duration::from_secs(30);
        let settings = MailSettings { reply_within, batch: 1, ..settings(server.address) };
        working.push(Working::new(world.courier_to(settings)));
        servers.push(server);
    }
    world.confirm_orders(100).await;
    let met = async || servers.iter().all(SmtpServer::is_hanging);
    eventually("each server is silent", met).await;
    servers.iter().for_each(SmtpServer::behave);
    let over = Instant::now();
    let served = async || servers.iter().all(|server| !server.mails().is_empty());
    eventually("each server gets mails over other connections", served).await;
    assert!(over.elapsed() < Duration::from_secs(10), "{:?}", over.elapsed());
    let under_way = STAGES.len() as i64;
    let sent = async || world.count("sent").await >= 100 - under_way;
    eventually("all that was not under way is sent", sent).await;
}

#[sqlx::test(migrations = false)]
async fn a_connection_that_missed_a_deadline_carries_no_other_mail(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let server = SmtpServer::start().await;
    let reply_within = Duration::from_secs(1);
    let settings = MailSettings { reply_within, ..settings(server.address) };
    let world = World::new(pool, options, settings).await;
    let mut courier = world.courier();
    world.deliver([placed(500), confirmed(500)]).await;
    until_empty(&mut courier).await;
    for (n, stage) in (1..).zip([At::Mail, At::Rcpt, At::Data, At::Content, At::Rset]) {
        server.once(stage, "", Act::Hang);
        if stage == At::Rset {
            server.once(At::Rcpt, "", Act::Reply("550 5.1.1 no such user"));
        }
        let next = 100 + n;
        world.deliver([placed(n), confirmed(n), placed(next), confirmed(next)]).await;
        until_empty(&mut courier).await;
        world.let_time_pass().await;
        until_empty(&mut courier).await;
        // Which of the two goes first is chance.
        let mut states = [world.mail(n).await.0, world.mail(next).await.0];
        states.sort();
        let expected = match stage {
            At::Content => ["sent", "unknown"],
            At::Rset => ["bounced", "sent"],
            _ => ["sent", "sent"],
        };
        assert_eq!(states, expected, "{stage:?}");
        assert_eq!(server.connections(), n as usize + 1, "{stage:?}");
    }
}
