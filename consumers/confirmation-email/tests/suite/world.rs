//! What the tests stand on: orders and outcomes, a ledger, couriers. Claims nothing.

use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::health::Health;
use confirmation_email::authorities::Authorities;
use confirmation_email::courier::{Courier, Post, Progress};
use confirmation_email::settings::{MailSettings, SmtpServer as Server, Tls};
use confirmation_email::{ConfirmationEmail, MIGRATIONS};
use events_schema::*;
use runtime::testing;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::smtp_server::SmtpServer;

pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    post: Arc<Post>,
    settings: MailSettings,
}

pub(crate) fn settings(address: std::net::SocketAddr) -> MailSettings {
    let (host, port) = (address.ip().to_string(), address.port());
    MailSettings {
        server: Server {
            host,
            port,
            tls: Tls::None,
            login: None,
            authorities: Authorities::default(),
        },
        from: "Orderflow <orders@orderflow.example>".parse().unwrap(),
        connections: 1,
        batch: 8,
        reply_within: Duration::from_secs(5),
        backoff: Backoff { first: Duration::from_secs(30), longest: Duration::from_secs(3600) },
        attempts_max: 3,
        // What happens in tests happened long ago.
        max_age: Duration::from_secs(100 * 365 * 24 * 3600),
    }
}

impl World {
    pub(crate) async fn new(
        pool: PgPoolOptions,
        options: PgConnectOptions,
        settings: MailSettings,
    ) -> Self {
        let pool = testing::database::<ConfirmationEmail>(pool, options, &MIGRATIONS).await;
        let health = Health::default();
        let post = Arc::new(Post::new(pool.clone(), settings.clone(), &health).unwrap());
        Self { pool, health, shutdown: CancellationToken::new(), post, settings }
    }

    pub(crate) async fn with_server(
        pool: PgPoolOptions,
        options: PgConnectOptions,
    ) -> (Self, SmtpServer) {
        let server = SmtpServer::start().await;
        (Self::new(pool, options, settings(server.address)).await, server)
    }

    pub(crate) fn post(&self) -> &Post {
        &self.post
    }

    pub(crate) fn courier(&self) -> Courier {
        Courier::new(self.post.clone(), self.shutdown.clone())
    }

    /// One that reaches the ledger in another way.
    pub(crate) fn courier_over(&self, pool: PgPool) -> Courier {
        let post = Post::new(pool, self.settings.clone(), &self.health).unwrap();
        Courier::new(Arc::new(post), self.shutdown.clone())
    }

    /// One with another mail server.
    pub(crate) fn courier_to(&self, settings: MailSettings) -> Courier {
        let post = Post::new(self.pool.clone(), settings, &self.health).unwrap();
        Courier::new(Arc::new(post), self.shutdown.clone())
    }

    pub(crate) async fn deliver(&self, events: impl IntoIterator<Item = Event>) {
        let batch = testing::batch(0, events);
        testing::apply::<ConfirmationEmail>(&self.pool, &batch).await.unwrap();
    }

    /// Orders 1 to `count`, each placed and confirmed.
    pub(crate) async fn confirm_orders(&self, count: u128) {
        self.deliver((1..=count).flat_map(|n| [placed(n), confirmed(n)])).await;
    }

    /// The state and the attempts of the mail about the confirmation of order `n`.
    pub(crate) async fn mail(&self, n: u128) -> (String, i32) {
        sqlx::query_as("SELECT state, attempts FROM mails WHERE order_id = $1")
            .bind(order_id(n).uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// How many mails are in this state.
    pub(crate) async fn count(&self, state: &str) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM mails WHERE state = $1")
            .bind(state)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// State and cause of the mail about order `n`.
    pub(crate) async fn cause(&self, n: u128) -> (String, Option<String>) {
        sqlx::query_as("SELECT state, cause FROM mails WHERE order_id = $1")
            .bind(order_id(n).uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Makes what waits for its next attempt due.
    pub(crate) async fn let_time_pass(&self) {
        let pass = "UPDATE mails SET next_attempt_at = now(),
                    sending_until = CASE WHEN state = 'sending' THEN now() - interval '1 second' END";
        sqlx::query(pass).execute(&self.pool).await.unwrap();
    }
}

/// Tries until no mail is due; how often something was sent.
pub(crate) async fn until_empty(courier: &mut Courier) -> usize {
    let mut rounds = 0;
    loop {
        match courier.try_send_next().await.unwrap() {
            Progress::Sent => rounds += 1,
            Progress::Empty => return rounds,
            Progress::Deferred => panic!("the mail server is away"),
        }
    }
}

pub(crate) fn order_id(n: u128) -> OrderId {
    OrderId::from(Uuid::from_u128(n))
}

pub(crate) fn placed(n: u128) -> Event {
    order(n, Locale::En, "Dana").into()
}

pub(crate) fn order(n: u128, locale: Locale, name: &str) -> OrderPlaced {
    let line = |sku: &str, quantity, price| OrderLine {
        sku: sku.parse().unwrap(),
        quantity: Quantity::try_from(quantity).unwrap(),
        unit_price_minor: MoneyMinor::try_from(price).unwrap(),
    };
    OrderPlaced {
        event_id: EventId::of_order(order_id(n), EventType::OrderPlaced),
        order_id: order_id(n),
        customer_id: "household-1".parse().unwrap(),
        placed_at: Timestamp::from_micros(1_767_225_600_000_000),
        currency: Currency::USD,
        total_minor: MoneyMinor::try_from(1_300).unwrap(),
        lines: vec![line("A-1", 2, 500), line("B-2", 1, 300)],
        locale,
        contact: Some(Contact {
            name: PersonName::try_from(name.to_owned()).unwrap(),
            email: EmailAddress::try_from(format!("customer.{n}@example.com")).unwrap(),
        }),
        fingerprint: 1,
    }
}

pub(crate) fn confirmed(n: u128) -> Event {
    OrderConfirmed {
        event_id: EventId::of_order(order_id(n), EventType::OrderConfirmed),
        order_id: order_id(n),
        customer_id: "household-1".parse().unwrap(),
        confirmed_at: Timestamp::from_micros(1_767_225_601_000_000),
        reserved: vec![],
    }
    .into()
}

pub(crate) fn rejected(n: u128) -> Event {
    OrderRejected {
        event_id: EventId::of_order(order_id(n), EventType::OrderRejected),
        order_id: order_id(n),
        customer_id: "household-1".parse().unwrap(),
        rejected_at: Timestamp::from_micros(1_767_225_601_000_000),
        shortages: vec![Shortage { sku: "A-1".parse().unwrap(), requested: 2, available: 1 }],
    }
    .into()
}

/// That this customer cancelled order `n`.
pub(crate) fn cancelled_by(n: u128, customer: &str) -> Event {
    OrderCancelled {
        event_id: EventId::of_order(order_id(n), EventType::OrderCancelled),
        order_id: order_id(n),
        customer_id: customer.parse().unwrap(),
        cancelled_at: Timestamp::from_micros(1_767_225_602_000_000),
        released: vec![],
    }
    .into()
}

pub(crate) fn named(sku: &str, name: &str) -> Event {
    ProductUpserted {
        event_id: EventId::from(Uuid::from_u128(9)),
        sku: sku.parse().unwrap(),
        name: Text::try_from(name.to_owned()).unwrap(),
        department: Text::try_from("PRODUCE".to_owned()).unwrap(),
        price_minor: MoneyMinor::try_from(5).unwrap(),
        currency: Currency::USD,
        updated_at: Timestamp::from_micros(1),
    }
    .into()
}
