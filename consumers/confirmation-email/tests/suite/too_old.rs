//! Claims about news that is none any more: it is told to nobody.

use std::time::Duration;

use confirmation_email::settings::MailSettings;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::smtp_server::SmtpServer;
use crate::world::{World, settings, until_empty};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[sqlx::test(migrations = false)]
async fn a_mail_that_waited_through_a_long_outage_is_withheld_when_it_is_over(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let server = SmtpServer::start().await;
    let settings = MailSettings { max_age: DAY, ..settings(server.address) };
    let world = World::new(pool, options, settings).await;
    world.confirm_orders(2).await;
    // The other one came about an hour ago.
    let fresh = "UPDATE mails SET occurred_at = now() - interval '1 hour'
                 WHERE order_id = '00000000-0000-0000-0000-000000000002'";
    sqlx::query(fresh).execute(&world.pool).await.unwrap();
    until_empty(&mut world.courier()).await;
    assert_eq!(world.cause(1).await, ("withheld".to_owned(), Some("too-old".to_owned())));
    assert_eq!((world.mail(2).await.0.as_str(), server.mails().len()), ("sent", 1));
}
