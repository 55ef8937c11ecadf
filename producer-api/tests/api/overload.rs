//! More than can be done: what does not fit is refused at once, and what was accepted is in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use events_schema::Topic;
use tokio::task::JoinSet;
use waiting::eventually;

use crate::harness::{Answer, World, order};

const CLIENTS: usize = 32;
/// As many as take a worker longer than their sender.
const LINES: usize = 400;
/// How long a client waits that goes away.
const GIVEN_UP: Duration = Duration::from_millis(500);

/// What clients were told.
#[derive(Default)]
struct Told {
    accepted: AtomicUsize,
    refused: AtomicUsize,
    is_over: AtomicBool,
}

impl Told {
    /// Places one order after the other until it is over.
    async fn by(self: Arc<Self>, request: reqwest::RequestBuilder) -> Vec<Answer> {
        let mut refused = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let answer = Answer::of(request.try_clone().unwrap()).await;
            if answer.status == 202 {
                self.accepted.fetch_add(1, Ordering::Relaxed);
            } else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                refused.push(answer);
            }
        }
        refused
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_stands_is_refused_as_far_as_it_does_not_fit() {
    let mut world = World::new();
    world.settings.queue_delay_max = Duration::from_millis(1);
    world.settings.body_bytes_max = 1 << 24;
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    let told = Arc::new(Told::default());
    let clients = (0..CLIENTS).map(|n| {
        let mut body = order(&format!("c{n}"), "apple");
        body["lines"] = vec![body["lines"][0].clone(); LINES].into();
        Arc::clone(&told).by(service.post("/v1/orders", &body))
    });
    let clients: JoinSet<_> = clients.collect();
    eventually("some are refused, and others are not", async || {
        let some = |count: &AtomicUsize| count.load(Ordering::Relaxed) > CLIENTS;
        some(&told.refused) && some(&told.accepted)
    })
    .await;
    told.is_over.store(true, Ordering::Relaxed);

    let refused = clients.join_all().await.into_iter().flatten();
    for answer in refused {
        assert_eq!((answer.status, answer.kind()), (503, "queue-full"), "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(answer.header("connection"), "", "the connection is kept");
    }
    let accepted = told.accepted.load(Ordering::Relaxed);
    assert_eq!(world.read(Topic::Orders).len(), accepted, "nothing that was refused is in the log");
    let after = service.place(&order("c1", "apple")).await;
    assert_eq!(after.status, 202, "the queue is empty again: {after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_takes_no_more_bytes_than_it_may() {
    let mut world = World::new();
    let body = order("c1", "apple");
    // Room for three.
    world.settings.body_bytes_max = body.to_string().len() * 7 / 2;
    world.sell("apple", 59, "USD").await;
    let service = world.ready().await;
    assert_eq!(service.place(&body).await.status, 202);
    world.cluster.broker_round_trip_time(1, Duration::from_secs(3)).unwrap();
    // Their records stay on their way.
    let given_up = (0..3).map(|_| service.post("/v1/orders", &body).timeout(GIVEN_UP).send());
    for answer in futures::future::join_all(given_up).await {
        assert!(answer.is_err(), "{answer:?}");
    }
    service.until_in_flight(3).await;

    let started = Instant::now();
    let answer = service.place(&body).await;

    assert!(started.elapsed() < Duration::from_secs(1), "after {:?}", started.elapsed());
    assert_eq!((answer.status, answer.kind()), (503, "queue-full"), "{answer:?}");
    world.cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    service.until_in_flight(0).await;
    assert_eq!(service.place(&body).await.status, 202, "the room is free again");
    assert_eq!(world.read(Topic::Orders).len(), 5);
}
