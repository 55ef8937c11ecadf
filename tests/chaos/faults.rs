//! The faults: what each is called, where it is possible, and what it does.

mod elsewhere;
mod network;
mod processes;
mod records;
mod servers;
mod silence;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use harness::{Draw, Servers, Violation};

use crate::checks::Excused;
use crate::world::{LIBFAKETIME, World};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    Kill,
    Freeze,
    BrokerKill,
    BrokerRoll,
    LeaderFrozen,
    KafkaNetwork,
    PostgresCrash,
    PostgresAway,
    PostgresNetwork,
    PostgresSilent,
    PostgresFailover,
    SmtpSlow,
    SmtpRefusing,
    SmtpNetwork,
    SmtpSilent,
    RegistryAway,
    RegistrySilent,
    DiskFull,
    ClockStep,
    Gap,
    Refused,
    RedisLoss,
}

/// What a fault leaves to be excused, and what it saw itself.
#[derive(Default)]
pub(crate) struct Strike {
    pub(crate) excused: Excused,
    pub(crate) gap: Option<Result<(), Violation>>,
}

impl Strike {
    /// So many mails may be unknown afterwards.
    fn unknown(unknown: usize) -> Self {
        Self { excused: Excused { unknown, bounced: 0 }, gap: None }
    }
}

/// A fault lasts; what ends it is the runner, not the system.
async fn lasts(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::BrokerKill => "broker-kill",
            Self::BrokerRoll => "broker-roll",
            Self::LeaderFrozen => "leader-frozen",
            Self::KafkaNetwork => "kafka-network",
            Self::PostgresCrash => "postgres-crash",
            Self::PostgresAway => "postgres-away",
            Self::PostgresNetwork => "postgres-network",
            Self::PostgresSilent => "postgres-silent",
            Self::PostgresFailover => "postgres-failover",
            Self::SmtpSlow => "smtp-slow",
            Self::SmtpRefusing => "smtp-refusing",
            Self::SmtpNetwork => "smtp-network",
            Self::SmtpSilent => "smtp-silent",
            Self::RegistryAway => "registry-away",
            Self::RegistrySilent => "registry-silent",
            Self::DiskFull => "disk-full",
            Self::ClockStep => "clock-step",
            Self::Gap => "gap",
            Self::Refused => "refused",
            Self::RedisLoss => "redis-loss",
        }
    }

    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Kill => {
                "kill -9 of every worker twice, in the middle of a batch, and of both APIs, one by one"
            }
            Self::Freeze => "SIGSTOP of a worker of each group for 10 s, longer than its session",
            Self::BrokerKill => "kill -9 of a broker, which comes back after 8 s",
            Self::BrokerRoll => "every broker is stopped and started, one after the other",
            Self::LeaderFrozen => "SIGSTOP of a partition's leader for 14 s",
            Self::KafkaNetwork => "100 ms more to the brokers, and five times all connections cut",
            Self::PostgresCrash => "Postgres crashes (pg_ctl stop -m immediate) three times",
            Self::PostgresAway => "Postgres is away for 12 s",
            Self::PostgresNetwork => "20 ms more to Postgres, and eight times all connections cut",
            Self::PostgresSilent => {
                "connections to Postgres stay open and silent: the open ones, all, the open ones again"
            }
            Self::PostgresFailover => {
                "a replica takes over; the first Postgres stays up read-only, and keeps its connections"
            }
            Self::SmtpSlow => "the mail server takes 0.7 s for a mail, for 12 s",
            Self::SmtpRefusing => "the mail server answers 451, then turns away, then answers 550",
            Self::SmtpNetwork => "50 ms more to the mail server, and four times cut",
            Self::SmtpSilent => {
                "connections to the mail server stay open and silent: the open ones, all, the open ones"
            }
            Self::RegistryAway => "the registry is away while a process of each kind is restarted",
            Self::RegistrySilent => {
                "the registry accepts and says nothing while a process of each kind starts from nothing"
            }
            Self::DiskFull => "the disk of Postgres is full for 8 s",
            Self::ClockStep => "the clock of a process of each kind goes an hour forth and back",
            Self::Gap => "a position stands beyond the end of its log, until it is corrected",
            Self::Refused => "the orders of one customer in ten park for 6 s, and are redriven",
            Self::RedisLoss => "Redis is lost",
        }
    }

    /// Whether connections stay open and are of no use: what serves, and what readiness says of it, is
    /// asked of these.
    pub(crate) fn is_of_connections(self) -> bool {
        matches!(
            self,
            Self::PostgresSilent | Self::PostgresFailover | Self::RegistrySilent | Self::SmtpSilent
        )
    }

    /// Until everything is done after fault and load. What a killed process had in hand is known after
    /// a courier's lease, 20 s; new connections do the rest at once.
    pub(crate) fn settled_within(self) -> Duration {
        Duration::from_secs(if self.is_of_connections() { 30 } else { 90 })
    }

    /// Whether it can be done to this stack, on this machine.
    pub(crate) fn possible(self, servers: &Servers) -> Result<(), String> {
        let unless = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
        match self {
            Self::BrokerKill | Self::BrokerRoll | Self::LeaderFrozen => {
                unless(servers.has("kafka-3"), "it needs a local stack of three brokers")
            }
            Self::PostgresCrash | Self::PostgresAway | Self::PostgresFailover => {
                unless(servers.has("postgres"), "Postgres is no process of this stack")
            }
            Self::DiskFull => {
                let folder = servers.folder_of("postgres");
                let own = is_mounted(&folder) && folder.join("data").exists();
                unless(own, "the data of Postgres has no small file system of its own")
            }
            Self::ClockStep => unless(
                LIBFAKETIME.iter().any(|path| Path::new(path).exists()),
                "libfaketime is not installed",
            ),
            Self::RedisLoss => Err("nothing uses Redis yet".to_owned()),
            _ => Ok(()),
        }
    }

    /// Does it, from beginning to end.
    pub(crate) async fn strike(self, world: &mut World<'_>, draw: &mut Draw) -> Strike {
        match self {
            Self::Kill => processes::kill(world, draw).await,
            Self::Freeze => processes::freeze(world, draw).await,
            Self::BrokerKill => servers::broker_kill(world, draw).await,
            Self::BrokerRoll => servers::broker_roll(world).await,
            Self::LeaderFrozen => servers::leader_frozen(world, draw).await,
            Self::PostgresCrash => servers::postgres_crash(world, draw).await,
            Self::PostgresAway => servers::postgres_away(world).await,
            Self::DiskFull => servers::disk_full(world).await,
            Self::KafkaNetwork => network::kafka(world).await,
            Self::PostgresNetwork => network::postgres(world, draw).await,
            Self::SmtpNetwork => network::smtp(world).await,
            Self::PostgresSilent => silence::postgres(world).await,
            Self::PostgresFailover => silence::failover(world).await,
            Self::SmtpSilent => silence::smtp(world).await,
            Self::RegistrySilent => silence::registry(world, draw).await,
            Self::RegistryAway => network::registry(world, draw).await,
            Self::SmtpSlow => elsewhere::smtp_slow(world).await,
            Self::SmtpRefusing => elsewhere::smtp_refusing(world).await,
            Self::ClockStep => elsewhere::clock_step(world).await,
            Self::Gap => elsewhere::gap(world, draw).await,
            Self::Refused => records::refused(world, draw).await,
            Self::RedisLoss => Strike::default(),
        }
    }
}

fn is_mounted(folder: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    folder.parent().is_some_and(|parent| device(folder) != device(parent))
}
