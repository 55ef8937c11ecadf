//! The invariants, each by a check of its own, so that a red cell names itself.

use std::path::Path;
use std::time::Duration;

use harness::{Answer, Deployment, Violation, ensure};

use crate::checks::{self, Evidence, Excused};

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invariant {
    Answered,
    Lost,
    Doubled,
    Order,
    Oversold,
    Mails,
    Verify,
    Parked,
    Gap,
    Served,
    Honest,
    Settled,
}

impl Invariant {
    pub(crate) const ALL: [Self; 12] = [
        Self::Answered,
        Self::Lost,
        Self::Doubled,
        Self::Order,
        Self::Oversold,
        Self::Mails,
        Self::Verify,
        Self::Parked,
        Self::Gap,
        Self::Served,
        Self::Honest,
        Self::Settled,
    ];

    /// The head of its column.
    pub(crate) fn head(self) -> &'static str {
        match self {
            Self::Answered => "all acknowledged",
            Self::Lost => "none lost",
            Self::Doubled => "none doubled",
            Self::Order => "in order",
            Self::Oversold => "not oversold",
            Self::Mails => "one mail",
            Self::Verify => "verify",
            Self::Parked => "none parked",
            Self::Gap => "no gap skipped",
            Self::Served => "serves after",
            Self::Honest => "readiness true",
            Self::Settled => "lag 0 after",
        }
    }
}

/// What a run left behind.
pub(crate) struct Outcome<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) evidence: Evidence<'a>,
    pub(crate) ledger: &'a Path,
    pub(crate) load: &'a Answer,
    pub(crate) excused: Excused,
    /// Only of the fault that makes a gap.
    pub(crate) gap: Option<Result<(), Violation>>,
    /// From the end of the fault until everything served.
    pub(crate) served: Result<Duration, Violation>,
    /// What readiness said meanwhile.
    pub(crate) honest: Result<(), Violation>,
    /// From the end of fault and load until nothing was left to do.
    pub(crate) settled: Option<Duration>,
}

/// A cell: good, red with what was seen, or empty where the fault says nothing about it.
pub(crate) type Cell = Option<Result<String, String>>;

impl Outcome<'_> {
    /// Whether this invariant held.
    pub(crate) async fn cell(&mut self, invariant: Invariant) -> Cell {
        let held = match invariant {
            Invariant::Answered => self.answered(),
            Invariant::Lost => checks::nothing_lost(&self.evidence).await,
            Invariant::Doubled => checks::nothing_doubled(&self.evidence).await,
            Invariant::Order => checks::nothing_out_of_order(&self.evidence).await,
            Invariant::Oversold => checks::nothing_oversold(&self.evidence).await,
            Invariant::Mails => checks::one_mail(&self.evidence, self.excused).await,
            Invariant::Verify => self.verify().await,
            Invariant::Parked => checks::nothing_parked(&self.evidence).await,
            Invariant::Gap => self.gap.take()?,
            Invariant::Served => return Some(self.served()),
            Invariant::Honest => self.honest.clone(),
            Invariant::Settled => {
                let late = "not within the time limit".to_owned();
                return Some(self.settled.map(|t| format!("{:.1} s", t.as_secs_f64())).ok_or(late));
            }
        };
        Some(held.map(|()| "ok".to_owned()).map_err(|Violation(what)| what))
    }

    /// Soon after the fault, without a restart.
    fn served(&self) -> Result<String, String> {
        match &self.served {
            Ok(after) => Ok(format!("{:.1} s", after.as_secs_f64())),
            Err(Violation(what)) => Err(what.clone()),
        }
    }

    /// Every order and every cancellation was acknowledged in the end.
    fn answered(&self) -> Result<(), Violation> {
        let Answer { code, stdout, stderr } = self.load;
        ensure(*code == Some(0), format!("the load ended with {code:?}: {stdout} {stderr}"))
    }

    /// The log has every acknowledged order and explains every row.
    async fn verify(&self) -> Result<(), Violation> {
        let arguments = ["verify", "--ledger", self.ledger.to_str().unwrap()];
        let Answer { code, stdout, stderr } = self.deployment.orderctl(&arguments).await;
        let named: Vec<&str> = stdout.lines().filter(|line| line.starts_with("  !")).collect();
        ensure(code == Some(0), format!("{code:?}: {} {stderr}", named.join(" ")))
    }
}
