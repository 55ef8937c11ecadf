//! A real process of the system: started, watched, frozen, killed, started again. Knows no service.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::deployment::programs;
use crate::http::client;
use waiting::found_within;

/// How long a process may take to become ready on a busy machine.
const READY: Duration = Duration::from_secs(60);
/// How long it may take to end after SIGTERM.
const STOPPED: Duration = Duration::from_secs(60);

/// What a process is started with.
#[derive(Clone)]
pub struct Spec {
    pub(crate) binary: PathBuf,
    pub(crate) environment: Vec<(&'static str, String)>,
    pub(crate) address: SocketAddr,
    pub(crate) log: PathBuf,
}

/// A started process. Killed when it is dropped; its log is shown when the test fails.
pub struct Service {
    spec: Spec,
    child: Option<Child>,
}

impl Spec {
    /// With one more environment variable; it wins over those before.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// The same program, built with the defect of this name: see `tests/defects`.
    ///
    /// # Panics
    /// When it was not built: `scripts/chaos --prove` does.
    #[must_use]
    pub fn with_defect(mut self, defect: &str) -> Self {
        let program = self.binary.file_name().unwrap();
        self.binary = programs().join("defects").join(defect).join(program);
        assert!(
            self.binary.exists(),
            "{} is missing: scripts/chaos --prove",
            self.binary.display()
        );
        self
    }

    /// Starts it and does not wait.
    pub fn spawn(self) -> Service {
        let mut service = Service { spec: self, child: None };
        service.start_again();
        service
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Service {
        let service = self.spawn();
        service.ready().await;
        service
    }
}

impl Service {
    /// Where its HTTP is.
    pub fn url(&self) -> String {
        format!("http://{}", self.spec.address)
    }

    /// Starts it after it ended, under the same address, with the same environment.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "{} still runs", self.name());
        let log = OpenOptions::new().create(true).append(true).open(&self.spec.log).unwrap();
        let mut command = Command::new(&self.spec.binary);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command.envs(self.spec.environment.iter().map(|(name, value)| (name, value)));
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&self) {
        let what = format!("{} is ready; its log: {}", self.name(), self.spec.log.display());
        found_within(READY, &what, async || self.is_ready().await.then_some(())).await;
    }

    /// Whether `/readyz` answers 200 now.
    pub async fn is_ready(&self) -> bool {
        let answer = client().get(format!("{}/readyz", self.url())).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What a health endpoint answers: its status and its body.
    pub async fn health(&self, path: &str) -> Option<(u16, String)> {
        let answer = client().get(format!("{}{path}", self.url())).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Resident memory of the process, in bytes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn resident_bytes(&self) -> u64 {
        let pid = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kilobytes * 1024
    }

    /// Whether it takes connections.
    pub async fn listens(&self) -> bool {
        tokio::net::TcpStream::connect(self.spec.address).await.is_ok()
    }

    /// The sum of every series of this metric; 0 where it has none.
    pub async fn metric(&self, name: &str) -> f64 {
        let Ok(answer) = client().get(format!("{}/metrics", self.url())).send().await else {
            return 0.0;
        };
        let text = answer.text().await.unwrap_or_default();
        let ours = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
        };
        let value =
            |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
        text.lines().filter(ours).filter_map(value).sum()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGSTOP: it neither works nor answers, and does not know it.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, without waiting.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended by itself.
    pub async fn stopped(&mut self) -> ExitStatus {
        let what = format!("{} ends after SIGTERM", self.name());
        let mut child = self.child.take().unwrap();
        found_within(STOPPED, &what, async || child.try_wait().unwrap()).await
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.stopped().await
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// What its log is called.
    pub fn name(&self) -> String {
        self.spec.log.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            show_end_of(&self.spec.log);
        }
    }
}

/// Lines of a log that are shown when a test fails; all of it is kept in its file.
const LINES_SHOWN: usize = 15;

fn show_end_of(log: &PathBuf) {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().skip(lines.len().saturating_sub(LINES_SHOWN));
    eprintln!("--- end of {}", log.display());
    end.for_each(|line| eprintln!("{line}"));
}

/// Makes sure that the log exists, so that it can be named before the first line.
pub(crate) fn touch(log: &PathBuf) {
    File::create(log).unwrap();
}
