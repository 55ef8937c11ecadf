//! Group commit of records: what comes while a request is under way goes with the next one. Knows
//! neither HTTP nor events.
//!
//! librdkafka sends a request per partition. The client used here puts all partitions of a broker into
//! one, if their records come to it together; so they are handed over in waves (docs/decisions/0013).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use krafka::error::ErrorCode;
use krafka::producer::{Producer, RecordMetadata};
use krafka::{KrafkaError, Record};
use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::body::Taken;

/// A wave does not wait longer than this for the one before. Where brokers take longer to replicate, the
/// client has several requests under way, as many as keep their order.
const WAVE: Duration = Duration::from_millis(10);
/// Records of one wave. What is more goes with the next.
const RECORDS_MAX: usize = 4096;

/// Where a record is, or why nobody knows.
pub(crate) type Report = Result<RecordMetadata, KrafkaError>;

/// A record, and who waits for its report.
pub(crate) struct Waiting {
    pub(crate) record: Record,
    pub(crate) report: oneshot::Sender<Report>,
    pub(crate) under_way: UnderWay,
}

/// One record's place among those on their way, until its report, also when nobody waits any more.
pub(crate) struct UnderWay {
    _permit: OwnedSemaphorePermit,
    _room: Taken,
    gauge: Gauge,
}

impl UnderWay {
    pub(crate) fn new(permit: OwnedSemaphorePermit, room: Taken, gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self { _permit: permit, _room: room, gauge: gauge.clone() }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

/// Why no more is gathered.
pub(crate) enum Ended {
    /// Nobody hands over records any more.
    Closed,
    /// The producer only refuses.
    Broken(KrafkaError),
}

type Delivery<'a> = Pin<Box<dyn Future<Output = Option<KrafkaError>> + Send + 'a>>;

/// Whether the producer only refuses from now on, so that another must take its place. The client's own
/// answer leaves out two after which it does.
fn is_broken(error: &KrafkaError) -> bool {
    use ErrorCode::{InvalidProducerIdMapping, UnsupportedVersion};
    let ends = |code: &ErrorCode| matches!(code, InvalidProducerIdMapping | UnsupportedVersion);
    error.is_fatal() || matches!(error, KrafkaError::Broker { code, .. } if ends(code))
}

/// Hands records to the producer, wave by wave, until it is [`Ended`] and every record has its report.
pub(crate) async fn gather(
    producer: &Producer,
    waiting: &mut mpsc::UnboundedReceiver<Waiting>,
) -> Ended {
    let mut taken = Vec::new();
    let mut under_way: FuturesUnordered<Delivery<'_>> = FuturesUnordered::new();
    let mut next_wave = Instant::now();
    let mut ended = None;
    loop {
        let is_free = under_way.is_empty() || next_wave <= Instant::now();
        tokio::select! {
            biased;
            Some(broken) = under_way.next() => {
                let more = std::iter::from_fn(|| under_way.next().now_or_never().flatten());
                if let Some(error) = std::iter::once(broken).chain(more).flatten().last() {
                    ended.get_or_insert(Ended::Broken(error));
                }
            }
            count = waiting.recv_many(&mut taken, RECORDS_MAX), if is_free && ended.is_none() => {
                if count == 0 {
                    ended = Some(Ended::Closed);
                }
                next_wave = Instant::now() + WAVE;
                let broken = start(producer, &mut taken, &mut under_way).await;
                ended = broken.map(Ended::Broken).or(ended);
            }
            () = tokio::time::sleep_until(next_wave), if !is_free && ended.is_none() => {}
            else => return ended.unwrap_or(Ended::Closed),
        }
    }
}

/// Polls each delivery once, so that every record is with the client before the client's task runs. The
/// error that ended the producer, if one did.
async fn start<'a>(
    producer: &'a Producer,
    taken: &mut Vec<Waiting>,
    under_way: &mut FuturesUnordered<Delivery<'a>>,
) -> Option<KrafkaError> {
    let wave = poll_fn(move |context| {
        let mut broken = None;
        for waiting in taken.drain(..) {
            let mut delivery: Delivery<'_> = Box::pin(deliver(producer, waiting));
            match delivery.as_mut().poll(context) {
                Poll::Ready(error) => broken = error.or(broken.take()),
                Poll::Pending => under_way.push(delivery),
            }
        }
        Poll::Ready(broken)
    });
    tokio::task::unconstrained(wave).await
}

/// The error that ended the producer, if one did.
async fn deliver(producer: &Producer, waiting: Waiting) -> Option<KrafkaError> {
    let Waiting { record, report, under_way } = waiting;
    let outcome = producer.send(record).await;
    drop(under_way);
    let broken = outcome.as_ref().err().filter(|error| is_broken(error)).cloned();
    // Whoever asked may have gone away.
    let _ = report.send(outcome);
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_that_only_refuses_is_broken_and_no_other() {
        use ErrorCode as Code;
        let of_broker = |code| KrafkaError::broker(code, "no");
        for code in [Code::ProducerFenced, Code::UnsupportedVersion, Code::InvalidProducerIdMapping]
        {
            assert!(is_broken(&of_broker(code)), "{code:?}");
        }
        assert!(is_broken(&KrafkaError::closed("gone")));
        for code in [Code::MessageTooLarge, Code::TopicAuthorizationFailed, Code::NotEnoughReplicas]
        {
            assert!(!is_broken(&of_broker(code)), "{code:?}");
        }
        assert!(!is_broken(&KrafkaError::delivery_timeout(true, "late")));
    }
}
