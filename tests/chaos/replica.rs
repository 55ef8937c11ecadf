//! A second Postgres that follows the first and takes its place, while the first stays up and refuses
//! to write: what a failover leaves behind. Moves no client.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Servers, Stack, found_within};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::{Child, Command};

const WITHIN: Duration = Duration::from_secs(60);
/// Until every session of a server has read its settings again.
const RELOADED: Duration = Duration::from_secs(1);
const SLOT: &str = "chaos";
/// Made anew by every server, or fetched from the first.
const NOT_COPIED: [&str; 6] =
    ["pg_wal", "pg_replslot", "pg_notify", "pg_subtrans", "pg_stat_tmp", "postmaster.pid"];

pub(crate) struct Replica {
    /// As an administrator of it, straight.
    primary: String,
    url: String,
    pub(crate) address: String,
    folder: PathBuf,
    _server: Child,
}

impl Replica {
    /// Copied from the Postgres of the stack while that works, and following it.
    pub(crate) async fn of(servers: &Servers, stack: &Stack, log: &Path) -> Self {
        let arguments = servers.arguments_of("postgres");
        let data = PathBuf::from(after(&arguments, "-D"));
        let folder = data.with_file_name("replica");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let url = stack.database.replacen(relay::host_and_port(&stack.database), &address, 1);
        let primary = stack.database.clone();
        forget(&primary).await;
        copy_of(&primary, &data, &folder).await;

        let mut command = as_whoever_runs(servers);
        let mut place = "";
        for argument in &arguments {
            let data = folder.display().to_string();
            match place {
                "-D" => command.arg(data),
                "-p" => command.arg(port.to_string()),
                _ => command.arg(argument),
            };
            place = argument;
        }
        let (host, from) = relay::host_and_port(&primary).split_once(':').unwrap();
        command.args(["-c", &format!("primary_conninfo=host={host} port={from} user=postgres")]);
        command.args(["-c", &format!("primary_slot_name={SLOT}")]);
        let log = File::create(log).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        let server = command.spawn().unwrap();
        let replica = Self { primary, url, address, folder, _server: server };
        replica.follows().await;
        replica
    }

    async fn follows(&self) {
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        let follows = async || (number(&self.primary, streaming).await == 1).then_some(());
        found_within(WITHIN, "the replica follows", follows).await;
    }

    /// The first takes no more writes, the second has all there were, and is promoted.
    pub(crate) async fn take_over(&self) {
        let read_only = "ALTER SYSTEM SET default_transaction_read_only = on";
        execute(&self.primary, read_only).await;
        execute(&self.primary, "SELECT pg_reload_conf()").await;
        tokio::time::sleep(RELOADED).await;
        let now: String = text(&self.primary, "SELECT now()::text").await;
        let may_write = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
             AND xact_start < '{now}'"
        );
        let quiet = async || (number(&self.primary, &may_write).await == 0).then_some(());
        found_within(WITHIN, "the first server has committed its last transaction", quiet).await;
        let last = text(&self.primary, "SELECT pg_current_wal_lsn()::text").await;
        let behind = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '{last}'::pg_lsn"
        );
        let has_all = async || (number(&self.primary, &behind).await == 1).then_some(());
        found_within(WITHIN, "the replica has all of it", has_all).await;
        execute(&self.url, "SELECT pg_promote()").await;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The first writes again, and keeps nothing for a second.
pub(crate) async fn forget(primary: &str) {
    execute(primary, "ALTER SYSTEM RESET default_transaction_read_only").await;
    execute(primary, "SELECT pg_reload_conf()").await;
    let drop = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
         WHERE slot_name = '{SLOT}' AND NOT active"
    );
    let left = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
    let gone = async || {
        execute(primary, &drop).await;
        (number(primary, &left).await == 0).then_some(())
    };
    found_within(WITHIN, "the slot of the replica is gone", gone).await;
}

/// As pg_basebackup does it, which the binaries from Maven come without.
async fn copy_of(primary: &str, data: &Path, folder: &Path) {
    let mut session = PgConnection::connect(primary).await.unwrap();
    let slot = format!("SELECT pg_create_physical_replication_slot('{SLOT}', true)");
    sqlx::raw_sql(AssertSqlSafe(slot)).execute(&mut session).await.unwrap();
    sqlx::raw_sql("SELECT pg_backup_start('chaos', true)").execute(&mut session).await.unwrap();
    let _ = fs::remove_dir_all(folder);
    copy(data, folder).unwrap();
    fs::create_dir(folder.join("pg_wal/archive_status")).unwrap();
    let stop = "SELECT labelfile FROM pg_backup_stop(false)";
    let label: String = sqlx::query_scalar(stop).fetch_one(&mut session).await.unwrap();
    for (name, text) in [("backup_label", label.as_str()), ("standby.signal", "")] {
        fs::write(folder.join(name), text).unwrap();
    }
    own(data, folder);
}

/// What vanishes meanwhile is no part of the copy.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let is_copied = !NOT_COPIED.iter().any(|name| entry.file_name() == *name);
        let copied = match entry.file_type()?.is_dir() {
            true if is_copied => copy(&from, &to),
            true => fs::create_dir(&to),
            false if is_copied => fs::copy(&from, &to).map(drop),
            false => Ok(()),
        };
        copied.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}

/// The copy is its who owns the data.
fn own(data: &Path, copy: &Path) {
    let owner = fs::metadata(data).unwrap();
    let mut left = vec![copy.to_owned()];
    while let Some(path) = left.pop() {
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

/// Postgres refuses to run as root: see scripts/lib/postgres.sh.
fn as_whoever_runs(servers: &Servers) -> Command {
    let own = fs::metadata("/proc/self").unwrap().uid();
    let theirs = servers.owner_of("postgres");
    let (program, arguments) = match (own, theirs) {
        (0, 0) => {
            ("unshare", vec!["--user".into(), "--map-user=1000".into(), "--map-group=1000".into()])
        }
        _ if own == theirs => ("env", vec![]),
        _ => (
            "setpriv",
            vec![format!("--reuid={theirs}"), format!("--regid={theirs}"), "--clear-groups".into()],
        ),
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/");
    command
}

fn after<'a>(arguments: &'a [String], name: &str) -> &'a str {
    let place = arguments.iter().position(|argument| argument == name).unwrap();
    &arguments[place + 1]
}

async fn execute(url: &str, statement: &str) {
    let mut session = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut session).await.unwrap();
}

async fn number(url: &str, question: &str) -> i64 {
    let mut session = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(&mut session).await.unwrap()
}

async fn text(url: &str, question: &str) -> String {
    let mut session = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(&mut session).await.unwrap()
}
