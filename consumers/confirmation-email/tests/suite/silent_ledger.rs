//! Claims about a database that falls silent: a courier asks it again over another connection.

use std::time::Duration;

use confirmation_email::courier::Progress;
use postgres_client::{Plans, pool_options};
use relay::{Ending, Relay};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::world::World;

/// As a service has it, with one connection.
fn over(relay: &Relay, options: &PgConnectOptions) -> PgPool {
    let options = options.clone().host("127.0.0.1").port(relay.address().port());
    let options = postgres_client::session(options, "confirmation-email", Plans::Once);
    pool_options(1).connect_lazy_with(options)
}

#[sqlx::test(migrations = false)]
async fn a_ledger_that_is_silent_at_any_stage_is_asked_again(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let server = format!("{}:{}", options.get_host(), options.get_port());
    let (world, mail_server) = World::with_server(pool, options.clone()).await;
    world.confirm_orders(100).await;
    let mut asking = Vec::new();
    for stage in ["SELECT EXISTS", "gen_random_uuid", "COMMIT", "UNNEST"] {
        let relay = Relay::to(&server).await;
        let mut courier = world.courier_over(over(&relay, &options));
        relay.lose_the_answer_to(stage.as_bytes(), Ending::Silence);
        asking.push(tokio::spawn(async move {
            // Who finds nothing to do at its stage is asked again until there is.
            let mut outcome = Ok(());
            while outcome.is_ok() && !relay.has_lost() {
                outcome = courier.try_send_next().await.map(drop);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (relay, courier, outcome.is_err())
        }));
    }
    for asking in asking {
        let (_relay, mut courier, gave_up) =
            tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap().unwrap();
        assert!(gave_up);
        let again =
            async { while !matches!(courier.try_send_next().await, Ok(Progress::Empty)) {} };
        tokio::time::timeout(Duration::from_secs(20), again).await.expect("it goes on by itself");
    }
    assert!(!mail_server.mails().is_empty());
}
