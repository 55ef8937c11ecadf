//! When each request is to start: at a fixed rate (open loop), or when a slot is free (closed loop).

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::request::Job;
use super::source::Rows;

/// How many requests are read ahead of their time.
const AHEAD: usize = 1024;

/// Open or closed loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// So many a second, however slow the answers are.
    Rate(f64),
    /// The next one when one is over.
    Closed,
}

/// A request and, in an open loop, when it was to start.
pub(crate) struct Due {
    pub(crate) at: Option<Instant>,
    pub(crate) job: anyhow::Result<Job>,
}

/// Prepares the requests and hands each over when its time has come.
///
/// A thread, because a timer of tokio is late by up to a millisecond, which would count as latency.
pub(crate) fn start(jobs: Rows<Job>, pace: Pace) -> Receiver<Due> {
    let (sender, receiver) = channel(AHEAD);
    std::thread::spawn(move || match pace {
        Pace::Rate(rate) => at_rate(jobs, rate, &sender),
        Pace::Closed => at_once(jobs, &sender),
    });
    receiver
}

fn at_once(jobs: Rows<Job>, sender: &Sender<Due>) {
    for job in jobs {
        if sender.blocking_send(Due { at: None, job }).is_err() {
            return;
        }
    }
}

fn at_rate(jobs: Rows<Job>, rate: f64, sender: &Sender<Due>) {
    let start = Instant::now();
    for (index, job) in jobs.enumerate() {
        // Of the schedule, not of the request before it: a stall delays nothing but itself.
        let at = start + Duration::from_secs_f64(index as f64 / rate);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if sender.blocking_send(Due { at: Some(at), job }).is_err() {
            return;
        }
    }
}
