//! Logs and metrics of a process. Writes nothing itself.
//!
//! Never logged: secrets, names, e-mail addresses, the payload of a record.

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::settings;

/// Upper bounds, in seconds, of every histogram whose name ends in `_seconds`.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of every histogram whose name ends in `_records`.
const RECORDS: [f64; 9] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];

/// Without what the Rust client of Kafka logs of its own: our contexts hear the same and say it once.
const FILTER: &str = "info,librdkafka=warn,rdkafka::client=off,actix_server=warn";

/// Starts logging as JSON lines to standard output; `RUST_LOG` filters it (by default `info` of ours), and
/// `LOG_FORMAT=text` makes it readable for a person.
pub fn start_logs() {
    let filter = settings::optional("RUST_LOG").unwrap_or_else(|| FILTER.to_owned());
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter));
    let text = settings::optional("LOG_FORMAT").is_some_and(|format| format == "text");
    // A second start, as in a test, keeps the first one.
    let _ = if text { builder.try_init() } else { builder.json().flatten_event(true).try_init() };
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
