//! A process from its first line to its exit code. Knows nothing of what it does.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::telemetry;

/// What every part of a process is handed. Clones share it.
#[derive(Clone)]
pub struct Process {
    /// The service's name: consumer group, Postgres schema, metric label and log field.
    pub name: &'static str,
    /// Cancelled by SIGTERM and SIGINT: finish what is under way, take nothing new.
    pub shutdown: CancellationToken,
    /// Where dependencies and progress are reported.
    pub health: Health,
    /// What `/metrics` renders.
    pub metrics: PrometheusHandle,
}

/// Upkeep of the metrics: without it, histograms grow while nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs a process: logs, metrics, signals, then `run`; logs its error once and turns it into the
/// exit code.
pub fn launch<F, R>(name: &'static str, run: F) -> ExitCode
where
    F: FnOnce(Process) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    telemetry::start_logs();
    match block_on(name, run) {
        Ok(()) => {
            tracing::info!(service = name, "stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(service = name, error = format!("{error:#}"), "stopped by an error");
            ExitCode::FAILURE
        }
    }
}

fn block_on<F, R>(name: &'static str, run: F) -> anyhow::Result<()>
where
    F: FnOnce(Process) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let metrics = telemetry::start_metrics()?;
    let process = Process {
        name,
        shutdown: CancellationToken::new(),
        health: Health::default(),
        metrics: metrics.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::spawn(stop_on_signal(process.shutdown.clone()));
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(UPKEEP);
            loop {
                tick.tick().await;
                metrics.run_upkeep();
            }
        });
        tracing::info!(service = name, version = env!("CARGO_PKG_VERSION"), "starting");
        run(process).await
    })
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("could not listen for signals: stop this process with SIGKILL");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    shutdown.cancel();
}
