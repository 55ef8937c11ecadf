//! A worker for which the group has no partition: it is ready, takes over when another one goes,
//! and says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::health::Health;

use crate::metrics::Metrics;

/// Partitions come to a new member within this time, if there are any for it.
const SETTLED: Duration = Duration::from_secs(5);

/// What one worker says of it.
pub(crate) struct Standby {
    worker: usize,
    metrics: Arc<Metrics>,
    health: Health,
    idle_since: Option<Instant>,
    is_said: bool,
}

impl Standby {
    pub(crate) fn new(worker: usize, metrics: Arc<Metrics>, health: Health) -> Self {
        metrics.standby(worker, false);
        Self { worker, metrics, health, idle_since: None, is_said: false }
    }

    /// Whether the worker is a member of the group and has no partition, as it is looked at now.
    pub(crate) fn note(&mut self, is_idle: bool, now: Instant) {
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or(now));
        let is_standby = self.idle_since.is_some_and(|since| now - since >= SETTLED);
        if is_standby != self.is_said {
            self.say(is_standby);
        }
    }

    fn say(&mut self, is_standby: bool) {
        self.is_said = is_standby;
        self.metrics.standby(self.worker, is_standby);
        let remark = is_standby.then_some("standing by: there are more workers than partitions");
        self.health.remark(&format!("worker {}", self.worker), remark);
        match is_standby {
            true => {
                tracing::info!(worker = self.worker, "standing by: no partition is left for it")
            }
            false => tracing::info!(worker = self.worker, "no longer standing by"),
        }
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        if self.is_said {
            self.say(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_worker_without_partitions_says_so_once_the_group_has_settled_and_until_it_has_some() {
        let (recorder, health) = (PrometheusBuilder::new().build_recorder(), Health::default());
        let rendered = recorder.handle();
        let check = |standby: bool| {
            let series = "orderflow_standby_workers{projection=\"shelf\",worker=\"2\"}";
            let line = format!("{series} {}", u8::from(standby));
            let metrics = rendered.render();
            assert!(metrics.contains(&line), "{line} in {metrics}");
            assert_eq!(health.remarks().contains_key("worker 2"), standby);
            assert!(health.not_ready().is_empty());
        };
        metrics::with_local_recorder(&recorder, || {
            let mut standby = Standby::new(2, Arc::new(Metrics::new("shelf")), health.clone());
            let began = Instant::now();
            for (is_idle, after, expected) in
                [(true, 0, false), (true, 4, false), (true, 6, true), (false, 7, false)]
            {
                standby.note(is_idle, began + Duration::from_secs(after));
                check(expected);
            }
            standby.note(true, began);
            standby.note(true, began + SETTLED);
            check(true);
            drop(standby);
            check(false);
        });
    }
}
