//! Builds that are broken on purpose, and the cell that each has to turn red.

use crate::faults::Fault;
use crate::invariants::Invariant;

/// A defect, the fault that brings it to light, and who has to notice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    /// A patch of `tests/defects`, in every process of `binary`.
    pub(crate) defect: &'static str,
    pub(crate) binary: &'static str,
    pub(crate) fault: Fault,
    pub(crate) noticed_by: Invariant,
}

pub(crate) const PROOFS: [&Proof; 11] = [
    &Proof {
        defect: "position-first",
        binary: "inventory",
        fault: Fault::Kill,
        noticed_by: Invariant::Verify,
    },
    &Proof {
        defect: "ack-early",
        binary: "producer-api",
        fault: Fault::Kill,
        noticed_by: Invariant::Verify,
    },
    &Proof {
        defect: "mail-before-ledger",
        binary: "confirmation-email",
        fault: Fault::Kill,
        noticed_by: Invariant::Mails,
    },
    &Proof {
        defect: "park-on-outage",
        binary: "inventory",
        fault: Fault::PostgresAway,
        noticed_by: Invariant::Parked,
    },
    &Proof {
        defect: "skip-on-gap",
        binary: "analytics",
        fault: Fault::Gap,
        noticed_by: Invariant::Gap,
    },
    &Proof {
        defect: "redrive-out-of-order",
        binary: "inventory",
        fault: Fault::Refused,
        noticed_by: Invariant::Order,
    },
    &Proof {
        defect: "patient-mailer",
        binary: "confirmation-email",
        fault: Fault::SmtpSilent,
        noticed_by: Invariant::Settled,
    },
    &Proof {
        defect: "lend-dead-connections",
        binary: "query-api",
        fault: Fault::PostgresSilent,
        noticed_by: Invariant::Served,
    },
    &Proof {
        defect: "ready-beside-the-pool",
        binary: "query-api",
        fault: Fault::PostgresSilent,
        noticed_by: Invariant::Honest,
    },
    &Proof {
        defect: "lend-dead-connections",
        binary: "inventory",
        fault: Fault::PostgresFailover,
        noticed_by: Invariant::Served,
    },
    &Proof {
        defect: "patient-registry",
        binary: "inventory",
        fault: Fault::RegistrySilent,
        noticed_by: Invariant::Served,
    },
];

/// The defects of `tests/defects.rs`, each with the program that has it there.
pub(crate) const SCENARIOS: [(&str, &str); 6] = [
    ("position-first", "inventory"),
    ("ack-early", "producer-api"),
    ("no-fence", "inventory"),
    ("release-missed", "inventory"),
    ("mail-before-ledger", "confirmation-email"),
    ("redrive-out-of-order", "inventory"),
];
