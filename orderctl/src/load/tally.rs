//! Counts how requests ended and how long they took. Prints nothing: see `report`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::client::{Sent, Settled, name};

/// Enough of them to see what is wrong.
const SAMPLES_MAX: usize = 5;

/// How a request ended, from the load's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Acknowledged.
    Accepted,
    /// Refused, as it had to be.
    Refused,
    /// Refused, or answered in a way that nobody expects.
    Failed,
    /// Nobody said what became of it.
    Unknown,
}

/// The sums of one kind of request.
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// The paths and keys of requests whose outcome nobody knows.
    pub(crate) unknown: Vec<String>,
    /// Requests that were sent more than once.
    pub(crate) retried: u64,
    /// Answers by status and problem.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Attempts that were not the last one, by cause.
    pub(crate) retries: BTreeMap<String, u64>,
    /// What some of the failed requests were told.
    pub(crate) samples: Vec<String>,
    /// Of the accepted requests. A quick refusal would make the load look better than it is.
    pub(crate) latency_micros: Histogram<u64>,
    /// Of all others.
    pub(crate) others_micros: Histogram<u64>,
    pub(crate) started: Instant,
    /// When the last answer came.
    pub(crate) ended: Instant,
}

impl Tally {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            accepted: 0,
            refused: 0,
            failed: 0,
            unknown: Vec::new(),
            retried: 0,
            answers: BTreeMap::new(),
            retries: BTreeMap::new(),
            samples: Vec::new(),
            latency_micros: Histogram::new(3)?,
            others_micros: Histogram::new(3)?,
            started: now,
            ended: now,
        })
    }

    /// Requests that are over.
    pub(crate) fn over(&self) -> u64 {
        self.accepted + self.refused + self.failed + self.unknown.len() as u64
    }

    /// From the first request to the last answer.
    pub(crate) fn took(&self) -> Duration {
        self.ended - self.started
    }

    /// Adds a request that was to start at `intended` and is over now. `empty` ones must be refused.
    pub(crate) fn add(
        &mut self,
        sent: &Sent,
        what: &str,
        empty: bool,
        intended: Instant,
    ) -> Ending {
        self.ended = Instant::now();
        let micros = self.ended.saturating_duration_since(intended).as_micros();
        self.retried += u64::from(!sent.retried.is_empty());
        for cause in &sent.retried {
            *self.retries.entry(cause.clone()).or_default() += 1;
        }
        let ending = self.end(&sent.settled, what, empty);
        let histogram = match ending {
            Ending::Accepted => &mut self.latency_micros,
            Ending::Refused | Ending::Failed | Ending::Unknown => &mut self.others_micros,
        };
        // The histogram resizes itself, so it takes every value.
        let _ = histogram.record(u64::try_from(micros).unwrap_or(u64::MAX));
        match ending {
            Ending::Accepted => self.accepted += 1,
            Ending::Refused => self.refused += 1,
            Ending::Failed => self.failed += 1,
            Ending::Unknown => {}
        }
        ending
    }

    fn end(&mut self, settled: &Settled, what: &str, empty: bool) -> Ending {
        let answer = match settled {
            Settled::Answered(answer) => answer,
            Settled::Unknown(cause) => {
                self.unknown.push(format!("{what} ({cause})"));
                return Ending::Unknown;
            }
        };
        let named = name(answer);
        let ending = match (answer.accepted(), empty, answer.status) {
            (true, false, _) => Ending::Accepted,
            (false, true, 400 | 422) => Ending::Refused,
            _ => Ending::Failed,
        };
        if ending == Ending::Failed && self.samples.len() < SAMPLES_MAX {
            let detail = answer.detail.as_deref().unwrap_or("no detail");
            self.samples.push(format!("{what}: {named}: {detail}"));
        }
        *self.answers.entry(named).or_default() += 1;
        ending
    }
}
