//! What is hurt: our processes, the servers underneath, and the ways between them.

use std::path::{Path, PathBuf};

use harness::{Deployment, HeldBrokers, Servers, Service, Spec};
use relay::{Relay, host_and_port};

use crate::faults::Fault;
use crate::proof::Proof;
use crate::replica::Replica;

pub(crate) const GROUPS: [&str; 3] = ["inventory", "confirmation-email", "analytics"];
/// Of each group.
pub(crate) const WORKERS: usize = 2;
/// What a courier's process may have in hand.
pub(crate) const MAILS_IN_HAND: usize = 4 * 8;

/// A deployment with two of everything.
pub(crate) struct World<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) servers: Servers,
    pub(crate) apis: Vec<Service>,
    /// Two of each group, group by group.
    pub(crate) workers: Vec<Service>,
    /// Two instances of query-api.
    pub(crate) readers: Vec<Service>,
    /// The way to the one server that this fault stands in front of.
    pub(crate) way: Way,
    /// Of the sender of its mails.
    pub(crate) domain: String,
    /// How long a courier waits for a reply.
    reply_seconds_max: &'static str,
}

/// Between our processes and a server.
pub(crate) enum Way {
    Straight,
    Kafka(HeldBrokers),
    Postgres(Relay),
    /// To the first server, until its replica takes over.
    Failover(Relay, Box<Replica>),
    Smtp(Relay),
    Registry(Relay),
    /// By a clock that can be set: the file that says by how much it is wrong.
    Clock(PathBuf),
}

impl Way {
    pub(crate) async fn of(fault: Fault, deployment: &mut Deployment, servers: &Servers) -> Self {
        let stack = &deployment.stack;
        match fault {
            Fault::KafkaNetwork => Self::Kafka(HeldBrokers::of(deployment).await),
            Fault::PostgresNetwork | Fault::PostgresSilent => {
                Self::Postgres(Relay::to(host_and_port(&stack.database)).await)
            }
            Fault::PostgresFailover => {
                let log = deployment.folder().join("replica.log");
                let replica = Replica::of(servers, stack, &log).await;
                let relay = Relay::to(host_and_port(&stack.database)).await;
                deployment.reach_database_at(&relay.address().to_string());
                Self::Failover(relay, Box::new(replica))
            }
            Fault::SmtpNetwork | Fault::SmtpSilent => {
                Self::Smtp(Relay::to(host_and_port(&stack.smtp)).await)
            }
            Fault::RegistryAway | Fault::RegistrySilent => {
                Self::Registry(Relay::to(host_and_port(&stack.registry)).await)
            }
            Fault::ClockStep => Self::Clock(deployment.folder().join("clock")),
            _ => Self::Straight,
        }
    }
}

impl<'a> World<'a> {
    /// Started and ready.
    pub(crate) async fn start(
        deployment: &'a Deployment,
        (servers, way): (Servers, Way),
        fault: Fault,
        defect: Option<&Proof>,
    ) -> Self {
        let domain = format!("{}chaos.example", deployment.prefix);
        let (apis, workers, readers) = (Vec::new(), Vec::new(), Vec::new());
        // What a killed courier had in hand is unknown after ten times this; for the others it must not
        // matter that the machine is busy.
        let reply_seconds_max = if fault == Fault::Kill { "2" } else { "10" };
        let mut world =
            Self { deployment, servers, apis, workers, readers, way, domain, reply_seconds_max };
        for number in 1..=2 {
            world.apis.push(world.spec("producer-api", number, defect).await.spawn());
            world.readers.push(world.spec("query-api", number, defect).await.spawn());
        }
        for group in GROUPS {
            for number in 1..=WORKERS {
                world.workers.push(world.spec(group, number, defect).await.spawn());
            }
        }
        for process in world.processes() {
            process.ready().await;
        }
        world
    }

    /// Every process of ours.
    pub(crate) fn processes(&self) -> impl Iterator<Item = &Service> {
        self.apis.iter().chain(&self.workers).chain(&self.readers)
    }

    async fn spec(&self, binary: &'static str, number: usize, defect: Option<&Proof>) -> Spec {
        let stack = &self.deployment.stack;
        let mut spec = self.deployment.service(binary, &format!("{binary}-{number}")).await;
        spec = spec
            .env("WORKERS", "2")
            .env("MAIL_FROM", format!("orders@{}", self.domain))
            .env("MAIL_REPLY_SECONDS_MAX", self.reply_seconds_max)
            .env("MAIL_RETRY_SECONDS", "1");
        spec = match &self.way {
            Way::Straight | Way::Failover(..) => spec,
            Way::Kafka(brokers) => {
                spec.env("KAFKA_BOOTSTRAP_SERVERS", brokers.bootstrap_servers.clone())
            }
            Way::Postgres(_) if binary == "producer-api" => spec,
            Way::Postgres(relay) => {
                let url = self.deployment.database_url_of(binary).await;
                spec.env("DATABASE_URL", relay.instead_of_server_in(&url))
            }
            Way::Smtp(relay) => spec.env("SMTP_URL", relay.instead_of_server_in(&stack.smtp)),
            Way::Registry(relay) => {
                spec.env("SCHEMA_REGISTRY_URL", relay.instead_of_server_in(&stack.registry))
            }
            // Only of one of each: the others' is right.
            Way::Clock(file) if number == 1 => with_clock(spec, file),
            Way::Clock(_) => spec,
        };
        match defect {
            Some(proof) if proof.binary == binary => spec.with_defect(proof.defect),
            _ => spec,
        }
    }
}

/// Where the distributions put it.
pub(crate) const LIBFAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
];

fn with_clock(spec: Spec, file: &Path) -> Spec {
    std::fs::write(file, "+0\n").unwrap();
    let library = LIBFAKETIME.into_iter().find(|path| Path::new(path).exists()).unwrap();
    spec.env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", file.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}
