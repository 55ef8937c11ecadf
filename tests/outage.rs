//! Promise 5: an outage is not poison. While a server is away nothing parks, readiness says which
//! one it is, the process stays alive and its memory flat; then everything is caught up.
//! `OUTAGE_SECONDS` says how long each one lasts.

use std::time::Duration;

use events_schema::wire::Encoder;
use events_schema::{Event, EventId, EventType, OrderCancelRequested, OrderId, Timestamp};
use harness::{CONSUMERS, Deployment, HeldBrokers, Order, Service, Shop, found_within};
use relay::{Relay, host_and_port};
use tokio::time::Instant;
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(90);
/// What a worker may hold at most, and as much again for what comes and goes.
const GROWTH_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[tokio::test]
async fn while_a_server_is_away_nothing_parks_and_then_everything_is_caught_up() {
    let deployment = Deployment::new().await;
    let mut away = Servers::of(&deployment).await;
    let producer = deployment.start("producer-api").await;
    let mut consumers = Vec::new();
    for consumer in CONSUMERS {
        consumers.push(away.behind(&deployment, consumer).await);
    }
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 100_000).await;
    tokio::select! {
        () = keep_ordering(&shop) => {}
        () = one_after_the_other(&mut away, &deployment, &consumers) => {}
    }
    caught_up(&deployment, &consumers).await;
    deployment.orderctl(&["verify"]).await.expect_success();
}

async fn one_after_the_other(away: &mut Servers, deployment: &Deployment, consumers: &[Service]) {
    let at_first: Vec<u64> = consumers.iter().map(Service::resident_bytes).collect();

    away.postgres.cut();
    lasts(consumers, "postgres").await;
    assert!(!is_closed(&consumers[0], "postgres").await, "its breaker is open or half-open");
    away.postgres.mend().await;
    caught_up(deployment, consumers).await;
    assert!(is_closed(&consumers[0], "postgres").await);

    away.brokers.cut();
    lasts(consumers, "kafka").await;
    away.brokers.mend().await;
    caught_up(deployment, consumers).await;

    away.smtp.cut();
    lasts(&consumers[1..2], "smtp").await;
    away.smtp.mend().await;
    caught_up(deployment, consumers).await;

    away.registry.cut();
    of_a_later_build(deployment).await;
    lasts(consumers, "schemas").await;
    away.registry.mend().await;
    caught_up(deployment, consumers).await;

    assert_eq!(parked(deployment).await, 0, "an outage parked something");
    for (consumer, before) in consumers.iter().zip(at_first) {
        let grown = consumer.resident_bytes().saturating_sub(before);
        assert!(grown < GROWTH_BYTES_MAX, "{} grew by {grown} bytes", consumer.url());
    }
}

#[tokio::test]
async fn a_schema_that_nobody_can_be_asked_for_waits_and_does_not_park() {
    let deployment = Deployment::new().await;
    let away = Servers::of(&deployment).await;
    let inventory = away.behind(&deployment, "inventory").await;
    away.registry.cut();
    // Magic byte, and a schema id that nobody gave out.
    deployment.write("stock", b"milk", b"\0\x7f\xff\xff\xffunknown").await;
    let (_, body) = until_unready(&inventory, "schemas").await;
    assert!(body.contains("registry is not available"), "{body}");
    assert_eq!(parked(&deployment).await, 0);
    let mut registry = away.registry;
    registry.mend().await;
    found_within(WITHIN, "what the registry does not know parks", async || {
        (parked(&deployment).await == 1).then_some(())
    })
    .await;
    inventory.ready().await;
}

/// A request of a producer whose schema no consumer has seen. Without headers: each has to read it.
async fn of_a_later_build(deployment: &Deployment) {
    let event_type = EventType::OrderCancelRequested;
    let mut schema: serde_json::Value = serde_json::from_str(event_type.schema()).unwrap();
    schema["doc"] = deployment.topic("a later build").into();
    let id = deployment.stack.register("others.OrderCancelRequested", &schema.to_string()).await;
    let order_id = OrderId::from(Uuid::now_v7());
    let event = Event::from(OrderCancelRequested {
        event_id: EventId::of_order(order_id, event_type),
        order_id,
        customer_id: "customer-of-a-later-build".parse().unwrap(),
        requested_at: Timestamp::from_micros(0),
        reason: None,
    });
    let value = Encoder::new([(event_type, id)]).encode(&event, vec![]).unwrap();
    deployment.write("orders", event.key().as_bytes(), &value).await;
}

async fn is_closed(consumer: &Service, dependency: &str) -> bool {
    let (_, metrics) = consumer.health("/metrics").await.unwrap();
    let states = metrics.lines().filter(|line| line.starts_with("orderflow_breaker_state"));
    let mut closed = states.filter(|line| {
        line.contains(&format!("dependency=\"{dependency}\"")) && line.contains("\"closed\"")
    });
    closed.any(|line| line.ends_with(" 1"))
}

/// Every server behind a relay of its own.
struct Servers {
    postgres: Relay,
    brokers: HeldBrokers,
    registry: Relay,
    smtp: Relay,
}

impl Servers {
    async fn of(deployment: &Deployment) -> Self {
        let database = deployment.database_url_of("inventory").await;
        Self {
            postgres: Relay::to(host_and_port(&database)).await,
            brokers: HeldBrokers::of(deployment).await,
            registry: Relay::to(host_and_port(&deployment.stack.registry)).await,
            smtp: Relay::to(host_and_port(&deployment.stack.smtp)).await,
        }
    }

    /// A consumer that reaches them through the relays only.
    async fn behind(&self, deployment: &Deployment, consumer: &'static str) -> Service {
        let database = deployment.database_url_of(consumer).await;
        let stack = &deployment.stack;
        let spec = deployment.service(consumer, consumer).await;
        let spec = spec
            .env("DATABASE_URL", self.postgres.instead_of_server_in(&database))
            .env("KAFKA_BOOTSTRAP_SERVERS", self.brokers.bootstrap_servers.clone())
            .env("SCHEMA_REGISTRY_URL", self.registry.instead_of_server_in(&stack.registry))
            .env("SMTP_URL", self.smtp.instead_of_server_in(&stack.smtp));
        spec.start().await
    }
}

/// An order after the other, of several customers.
async fn keep_ordering(shop: &Shop) {
    for number in 0.. {
        shop.place(&Order::of(&format!("customer-{}", number % 24), "milk", 1)).await;
    }
}

async fn until_unready(consumer: &Service, dependency: &str) -> (u16, String) {
    let named = format!("\"{dependency}\":\"down: ");
    let what = format!("{} says that {dependency} is down", consumer.url());
    found_within(WITHIN, &what, async || {
        let answer = consumer.health("/readyz").await?;
        (answer.0 == 503 && answer.1.contains(&named)).then_some(answer)
    })
    .await
}

/// The outage lasts, and everybody names it and stays alive.
async fn lasts(consumers: &[Service], dependency: &str) {
    for consumer in consumers {
        until_unready(consumer, dependency).await;
    }
    let seconds = chassis::settings::optional("OUTAGE_SECONDS");
    let lasts = Duration::from_secs(seconds.map_or(3, |seconds| seconds.parse().unwrap()));
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        for consumer in consumers {
            let (status, body) = consumer.health("/livez").await.unwrap();
            assert_eq!(status, 200, "{body}");
            assert!(!consumer.is_ready().await, "{} is ready without {dependency}", consumer.url());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Ready, and past what there was when the server came back.
async fn caught_up(deployment: &Deployment, consumers: &[Service]) {
    let ends = deployment.ends(&deployment.topic("orders"));
    for (consumer, name) in consumers.iter().zip(CONSUMERS) {
        consumer.ready().await;
        let next = format!(
            "SELECT coalesce(sum(next_offset), 0)::bigint FROM \"{name}\".positions
             WHERE topic = '{}'",
            deployment.topic("orders")
        );
        let what = format!("{name} has read what was there");
        let end: i64 = ends.values().sum();
        found_within(WITHIN, &what, async || (deployment.number(&next).await >= end).then_some(()))
            .await;
    }
}

async fn parked(deployment: &Deployment) -> i64 {
    let of = |name: &str| format!("(SELECT count(*) FROM \"{name}\".parked)");
    let all = format!("SELECT {}", CONSUMERS.map(of).join(" + "));
    deployment.number(&all).await
}
