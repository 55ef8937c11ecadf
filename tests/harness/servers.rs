//! The servers of a local stack as processes that can be hurt: killed, frozen, brought back.
//! `scripts/stack` starts them; where they are containers there is nothing here to take hold of.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::found_within;

const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// The servers of one stack.
pub struct Servers {
    name: String,
    folder: PathBuf,
}

impl Servers {
    /// Of the stack that `ORDERFLOW_STACK` names.
    ///
    /// # Panics
    /// When it names none.
    pub fn from_env() -> Self {
        let name = chassis::settings::optional("ORDERFLOW_STACK");
        let name = name.expect("ORDERFLOW_STACK names the stack to hurt");
        let folder = stacks().join(&name);
        Self { name, folder }
    }

    /// Where the data of this server is.
    pub fn folder_of(&self, server: &str) -> PathBuf {
        self.folder.join(server)
    }

    /// Whether it is a process of this stack.
    pub fn has(&self, server: &str) -> bool {
        self.pid(server).is_some()
    }

    /// How it was started: the program and its arguments.
    ///
    /// # Panics
    /// When it does not run.
    pub fn arguments_of(&self, server: &str) -> Vec<String> {
        let line = std::fs::read_to_string(self.process(server).join("cmdline")).unwrap();
        line.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
    }

    /// Whose process it is.
    ///
    /// # Panics
    /// When it does not run.
    pub fn owner_of(&self, server: &str) -> u32 {
        std::fs::metadata(self.process(server)).unwrap().uid()
    }

    fn process(&self, server: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid(server).unwrap().as_raw_nonzero()))
    }

    /// Sends a signal to it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, server: &str, signal: Signal) {
        kill_process(self.pid(server).unwrap(), signal).unwrap();
    }

    /// Sends a signal to it and waits until it has ended.
    pub async fn end(&self, server: &str, signal: Signal) {
        self.signal(server, signal);
        let what = format!("{server} ends");
        let gone = async || (!self.has(server)).then_some(());
        found_within(ENDED_WITHIN, &what, gone).await;
    }

    /// Starts what does not run, and waits until all of it answers.
    ///
    /// # Panics
    /// When a server does not come back.
    pub async fn up(&self) {
        let mut command = Command::new(repository().join("scripts/stack"));
        let output = command.args(["up", "--name", &self.name]).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Of the process, unless it has ended.
    fn pid(&self, server: &str) -> Option<Pid> {
        let file = std::fs::read_to_string(self.folder_of(server).join("pid")).ok()?;
        let pid: i32 = file.split_whitespace().next()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let state = stat.rsplit(") ").next()?.chars().next()?;
        if state == 'Z' { None } else { Pid::from_raw(pid) }
    }
}

/// A program of the Python environment that `scripts/stack` makes of scripts/requirements.txt. It ends
/// with whoever waits for it.
pub fn python_tool(name: &str) -> Command {
    let mut command = Command::new(stacks().join("cache/venv/bin").join(name));
    command.kill_on_drop(true);
    command
}

/// Where `scripts/stack` keeps what it makes.
fn stacks() -> PathBuf {
    let named = chassis::settings::optional("ORDERFLOW_STACK_DIR");
    named.map_or_else(|| repository().join(".stack"), PathBuf::from)
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
