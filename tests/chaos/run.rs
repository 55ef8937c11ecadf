//! One fault: a deployment of its own, a load, the fault meanwhile, and then every invariant.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::FutureExt;
use harness::{Answer, Deployment, Draw, Servers, Stack, Violation, found_within, holds_within};
use serde_json::Value;

use crate::checks::Evidence;
use crate::faults::{Fault, Strike};
use crate::invariants::{Cell, Invariant, Outcome};
use crate::proof::Proof;
use crate::replica;
use crate::serving::{self, Watch};
use crate::world::{GROUPS, Way, World};

const STOCKED_WITHIN: Duration = Duration::from_secs(60);
/// So many orders are acknowledged before the fault begins.
const AT_FIRST: usize = 50;

/// What every run of a table has in common.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) orders: usize,
    pub(crate) rate: usize,
    pub(crate) defect: Option<&'static Proof>,
}

/// How it went.
pub(crate) enum Row {
    NotHere {
        fault: Fault,
        why: String,
    },
    /// The run itself could not go on.
    Broken {
        fault: Fault,
        why: String,
    },
    Ran {
        fault: Fault,
        cells: Vec<(Invariant, Cell)>,
        seconds: f64,
    },
}

impl Row {
    pub(crate) fn name(&self) -> &'static str {
        let (Self::NotHere { fault, .. } | Self::Broken { fault, .. } | Self::Ran { fault, .. }) =
            self;
        fault.name()
    }

    pub(crate) fn is_red(&self) -> bool {
        match self {
            Self::NotHere { .. } => false,
            Self::Broken { .. } => true,
            Self::Ran { cells, .. } => cells.iter().any(|(_, cell)| matches!(cell, Some(Err(_)))),
        }
    }

    pub(crate) fn is_red_at(&self, wanted: Invariant) -> bool {
        let Self::Ran { cells, .. } = self else { return false };
        cells.iter().any(|(at, cell)| *at == wanted && matches!(cell, Some(Err(_))))
    }
}

/// Never ends otherwise than with a row: what panics is a red one.
pub(crate) async fn run_one(fault: Fault, plan: &Plan) -> Row {
    let servers = Servers::from_env();
    servers.up().await;
    if let Err(why) = fault.possible(&servers) {
        return Row::NotHere { fault, why };
    }
    let began = Instant::now();
    let ran = AssertUnwindSafe(under_load(fault, plan, servers)).catch_unwind().await;
    if fault == Fault::PostgresFailover && ran.is_err() {
        replica::forget(&Stack::from_env().database).await;
    }
    match ran {
        Ok(cells) => Row::Ran { fault, cells, seconds: began.elapsed().as_secs_f64() },
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or(panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            Row::Broken { fault, why: said.unwrap_or_default() }
        }
    }
}

async fn under_load(fault: Fault, plan: &Plan, servers: Servers) -> Vec<(Invariant, Cell)> {
    let mut deployment = Deployment::new().await;
    let way = Way::of(fault, &mut deployment, &servers).await;
    let world = World::start(&deployment, (servers, way), fault, plan.defect).await;
    stock_up(&deployment, &world, plan).await;
    let cells = judged(fault, plan, world).await;
    if fault == Fault::PostgresFailover {
        let first = Stack::from_env().database;
        replica::forget(&first).await;
        deployment.reach_database_at(relay::host_and_port(&first));
    }
    cells
}

async fn judged(fault: Fault, plan: &Plan, mut world: World<'_>) -> Vec<(Invariant, Cell)> {
    let deployment = world.deployment;
    let ledger = deployment.folder().join("ledger.jsonl");
    let watch = Watch::over(&world.readers);
    let (load, strike, served) = struck(fault, plan, &mut world, (&ledger, &watch)).await;
    let Strike { excused, gap } = strike;
    let settled = settled(deployment, Instant::now(), fault.settled_within()).await;

    let text = std::fs::read_to_string(&ledger).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let evidence = Evidence::of(deployment, &world.domain, &lines);
    let (ledger, load, honest) = (ledger.as_path(), &load, watch.verdict());
    let mut outcome =
        Outcome { deployment, evidence, ledger, load, excused, gap, served, honest, settled };
    let mut cells = Vec::new();
    for invariant in Invariant::ALL {
        let cell = match invariant {
            Invariant::Served | Invariant::Honest if !fault.is_of_connections() => None,
            invariant => outcome.cell(invariant).await,
        };
        if matches!(cell, Some(Err(_))) {
            deployment.keep();
        }
        cells.push((invariant, cell));
    }
    cells
}

/// The fault happens while orders come in, and somebody watches.
async fn struck(
    fault: Fault,
    plan: &Plan,
    world: &mut World<'_>,
    (ledger, watch): (&Path, &Watch),
) -> (Answer, Strike, Result<Duration, Violation>) {
    let deployment = world.deployment;
    let mut draw = Draw::new(plan.seed);
    let share = ["--cancel-share", "0.05", "--ledger", ledger.to_str().unwrap()];
    let arguments = load(plan, world, "orders", &share);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let lines = || std::fs::read_to_string(ledger).unwrap_or_default().lines().count();
    let meanwhile = async {
        let come = async || (lines() >= AT_FIRST).then_some(());
        found_within(STOCKED_WITHIN, "the first orders are acknowledged", come).await;
        let strike = fault.strike(world, &mut draw).await;
        (strike, serving::again(world, ledger).await)
    };
    let watched = async {
        tokio::select! {
            done = meanwhile => done,
            never = watch.look() => match never {},
        }
    };
    let (load, (strike, served)) = tokio::join!(deployment.orderctl(&arguments), watched);
    (load, strike, served)
}

/// What `orderctl load` is told.
fn load(plan: &Plan, world: &World<'_>, what: &str, more: &[&str]) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["load", "--generated", "--skus", "200", "--customers", "300"].map(str::to_owned).into();
    arguments.extend(what.split(' ').map(str::to_owned));
    let numbers = [("--seed", plan.seed as usize), ("--orders", plan.orders)];
    let rate = (what == "orders").then_some(("--rate", plan.rate));
    for (name, number) in numbers.into_iter().chain(rate) {
        arguments.extend([name.to_owned(), number.to_string()]);
    }
    for api in &world.apis {
        arguments.extend(["--api".to_owned(), api.url()]);
    }
    arguments.extend(more.iter().map(|more| (*more).to_owned()));
    arguments
}

async fn stock_up(deployment: &Deployment, world: &World<'_>, plan: &Plan) {
    let arguments = load(plan, world, "catalogue stock", &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    deployment.orderctl(&arguments).await.expect_success();
    deployment.reads_to_the_end("inventory", STOCKED_WITHIN).await;
}

/// How long it took until every projection was at the log's end and every mail was settled.
async fn settled(deployment: &Deployment, since: Instant, within: Duration) -> Option<Duration> {
    let open =
        "SELECT count(*) FROM \"confirmation-email\".mails WHERE state IN ('queued', 'sending')";
    let done = async || {
        for group in GROUPS {
            if !deployment.is_at_the_end(group).await {
                return false;
            }
        }
        deployment.number(open).await == 0
    };
    holds_within(within, done).await.then(|| since.elapsed())
}
