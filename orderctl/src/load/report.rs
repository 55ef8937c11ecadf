//! What a load came to, for people and for scripts. Counts nothing: see `tally`.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::drive::Sums;
use super::tally::Tally;

/// More of them are only in the JSON.
const UNKNOWN_SHOWN_MAX: usize = 20;

/// The result of one kind of request.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) what: &'static str,
    pub(crate) requests: u64,
    pub(crate) accepted: u64,
    /// Refused, as they had to be: orders without a line.
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) unknown: Vec<String>,
    pub(crate) retried: u64,
    pub(crate) seconds: f64,
    /// Accepted.
    pub(crate) per_second: f64,
    /// Of the accepted requests.
    pub(crate) latency_ms: Latency,
    /// Of all others, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) others_latency_ms: Option<Latency>,
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) retries: BTreeMap<String, u64>,
    pub(crate) failures: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancels: Option<Box<Report>>,
}

/// From the intended start of a request to its last answer, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latency {
    fn of(micros: &Histogram<u64>) -> Self {
        let at = |quantile| micros.value_at_quantile(quantile) as f64 / 1000.0;
        let max = micros.max() as f64 / 1000.0;
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, p999, max } = self;
        write!(f, "p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1}")
    }
}

impl Report {
    pub(crate) fn of(what: &'static str, sums: &Sums) -> Self {
        let cancels =
            (sums.cancels.over() > 0).then(|| Box::new(Self::sum("cancels", &sums.cancels)));
        Self { cancels, ..Self::sum(what, &sums.requests) }
    }

    fn sum(what: &'static str, tally: &Tally) -> Self {
        let seconds = tally.took().as_secs_f64();
        let others = (tally.over() > tally.accepted).then(|| Latency::of(&tally.others_micros));
        Self {
            what,
            requests: tally.over(),
            accepted: tally.accepted,
            refused: tally.refused,
            failed: tally.failed,
            unknown: tally.unknown.clone(),
            retried: tally.retried,
            seconds,
            per_second: if seconds > 0.0 { tally.accepted as f64 / seconds } else { 0.0 },
            latency_ms: Latency::of(&tally.latency_micros),
            others_latency_ms: others,
            answers: tally.answers.clone(),
            retries: tally.retries.clone(),
            failures: tally.samples.clone(),
            cancels: None,
        }
    }

    /// Everything was acknowledged, or refused as it had to be.
    pub(crate) fn clean(&self) -> bool {
        let own = self.failed == 0 && self.unknown.is_empty();
        own && self.cancels.as_ref().is_none_or(|cancels| cancels.clean())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} accepted", self.what, self.accepted)?;
        count(f, self.refused, "refused as they had to be")?;
        count(f, self.failed, "failed")?;
        count(f, self.unknown.len() as u64, "with an unknown outcome")?;
        count(f, self.retried, "retried")?;
        write!(f, "\n  {:.0} accepted a second for {:.1} s", self.per_second, self.seconds)?;
        write!(f, "\n  ms: {}", self.latency_ms)?;
        if let Some(others) = &self.others_latency_ms {
            write!(f, "\n  ms of the others: {others}")?;
        }
        table(f, "answers", &self.answers)?;
        table(f, "retries", &self.retries)?;
        for failure in &self.failures {
            write!(f, "\n  failed: {failure}")?;
        }
        for unknown in self.unknown.iter().take(UNKNOWN_SHOWN_MAX) {
            write!(f, "\n  unknown: {unknown}")?;
        }
        if let Some(more) =
            self.unknown.len().checked_sub(UNKNOWN_SHOWN_MAX).filter(|more| *more > 0)
        {
            write!(f, "\n  … and {more} more")?;
        }
        self.cancels.as_ref().map_or(Ok(()), |cancels| write!(f, "\n{cancels}"))
    }
}

fn count(f: &mut fmt::Formatter<'_>, number: u64, what: &str) -> fmt::Result {
    if number > 0 { write!(f, ", {number} {what}") } else { Ok(()) }
}

fn table(f: &mut fmt::Formatter<'_>, title: &str, counts: &BTreeMap<String, u64>) -> fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    let counts: Vec<String> =
        counts.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    write!(f, "\n  {title}: {}", counts.join(", "))
}
