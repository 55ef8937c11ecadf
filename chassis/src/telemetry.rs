//! Logs and metrics of a process. Writes nothing itself.
//!
//! Never logged: secrets, names, e-mail addresses, the payload of a record.

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings;

/// Upper bounds, in seconds, of every histogram whose name ends in `_seconds`.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of every histogram whose name ends in `_records`.
const RECORDS: [f64; 9] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];

/// Without what the clients of Kafka log of their own: ours hear the same and say it once. One of them also
/// opens a span for each record, which costs more than the record where it is let through.
const FILTER: &str = "info,librdkafka=warn,rdkafka::client=off,krafka=error,actix_server=warn";

/// What `RUST_LOG` lets through, as `level` or `target=level` separated by commas; `otherwise` where
/// it is not set or cannot be read.
pub fn filter(otherwise: &str) -> Targets {
    let wanted = settings::optional("RUST_LOG").and_then(|wanted| wanted.parse().ok());
    wanted.or_else(|| otherwise.parse().ok()).unwrap_or_default()
}

/// Starts logging as JSON lines to standard output, through [`filter`] (by default `info` of ours);
/// `LOG_FORMAT=text` makes the lines readable for a person.
pub fn start_logs() {
    let text = settings::optional("LOG_FORMAT").is_some_and(|format| format == "text");
    let lines = match text {
        true => tracing_subscriber::fmt::layer().boxed(),
        false => tracing_subscriber::fmt::layer().json().flatten_event(true).boxed(),
    };
    // A second start, as in a test, keeps the first one.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter(FILTER))).try_init();
}

/// Installs the recorder behind the `metrics` macros.
///
/// # Errors
/// When one is installed already.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_records".into()), &RECORDS)?
        .install_recorder()
        .context("could not install the metrics recorder")
}
