//! Measures mails per second over one connection. Claims nothing; run it with `--ignored`.

use std::time::Instant;

use confirmation_email::settings::{MailSettings, SmtpServer};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::world::{World, settings, until_empty};

const MAILS: u128 = 3_000;

#[sqlx::test(migrations = false)]
#[ignore = "measures the server of SMTP_URL"]
async fn mails_per_second_over_one_connection(pool: PgPoolOptions, options: PgConnectOptions) {
    let url = chassis::settings::secret("SMTP_URL").unwrap();
    let batch = chassis::settings::parsed("MAIL_BATCH", 8, "a number").unwrap();
    let server = SmtpServer::parse(&url).unwrap();
    let base = settings(([127, 0, 0, 1], 1).into());
    let world = World::new(pool, options, MailSettings { server, batch, ..base }).await;
    world.confirm_orders(MAILS).await;
    let begun = Instant::now();
    until_empty(&mut world.courier()).await;
    let rate = MAILS as f64 / begun.elapsed().as_secs_f64();
    println!("{rate:.0} mails/s over one connection, {batch} per claim");
    assert_eq!(world.count("sent").await, MAILS as i64);
}
