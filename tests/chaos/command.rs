//! The command line of the chaos runner.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};

use crate::faults::Fault;
use crate::proof::{PROOFS, Proof, SCENARIOS};
use crate::run::{Plan, Row, run_one};
use crate::table;

/// Runs faults under load and checks every invariant; exits 1 on any red cell.
#[derive(Debug, Parser)]
#[command(name = "scripts/chaos")]
struct Args {
    /// Which faults [default: all].
    faults: Vec<Fault>,
    /// Repeats a run: whom to hurt, and which orders.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Orders per fault.
    #[arg(long, default_value_t = 3_000)]
    orders: usize,
    /// Orders a second.
    #[arg(long, default_value_t = 150)]
    rate: usize,
    /// Says which faults there are; with --prove, which defects, and of which programs.
    #[arg(long)]
    list: bool,
    /// Runs builds that are broken on purpose, all or these: each must turn its cell red.
    #[arg(long, value_name = "DEFECT", num_args = 0.., require_equals = true, value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(PROOFS.map(|proof| proof.defect)))]
    prove: Option<Vec<String>>,
    /// Writes the table into this document, between its markers.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Does what the command line says.
pub(crate) async fn run() -> ExitCode {
    let args = Args::parse();
    let asked = args.prove.as_deref().map(|defects| proofs(defects, &args.faults));
    if let (true, Some(asked)) = (args.list, &asked) {
        for (defect, binary) in builds(asked) {
            println!("{defect} {binary}");
        }
        return ExitCode::SUCCESS;
    }
    if args.list {
        for fault in Fault::value_variants() {
            println!("{:<17} {}", fault.name(), fault.what());
        }
        return ExitCode::SUCCESS;
    }
    let plan = Plan { seed: args.seed, orders: args.orders, rate: args.rate, defect: None };
    if let Some(asked) = asked {
        return prove(plan, &asked).await;
    }
    let faults = if args.faults.is_empty() { Fault::value_variants() } else { &args.faults };
    println!("chaos: --seed {} --orders {} --rate {}", args.seed, args.orders, args.rate);
    let mut rows = Vec::new();
    for fault in faults {
        let row = run_one(*fault, &plan).await;
        println!("{}", table::line(&row));
        rows.push(row);
    }
    println!("\n{}", table::whole(&rows));
    if let Some(file) = args.write {
        table::write(&file, &plan, &rows);
    }
    succeed_if(rows.iter().all(|row| !row.is_red()))
}

/// What is asked for; all where nothing is.
fn proofs(defects: &[String], faults: &[Fault]) -> Vec<&'static Proof> {
    let is_asked = |proof: &&Proof| {
        (defects.is_empty() || defects.iter().any(|defect| defect == proof.defect))
            && (faults.is_empty() || faults.contains(&proof.fault))
    };
    PROOFS.into_iter().filter(is_asked).collect()
}

/// Which programs have to be built with which defect; the scenarios are run with all of them only.
fn builds(asked: &[&Proof]) -> BTreeSet<(&'static str, &'static str)> {
    let scenarios = (asked.len() == PROOFS.len()).then_some(SCENARIOS);
    let asked = asked.iter().map(|proof| (proof.defect, proof.binary));
    asked.chain(scenarios.into_iter().flatten()).collect()
}

async fn prove(plan: Plan, asked: &[&'static Proof]) -> ExitCode {
    let mut all = true;
    for proof in asked.iter().copied() {
        let row = run_one(proof.fault, &Plan { defect: Some(proof), ..plan.clone() }).await;
        let noticed = matches!(&row, Row::Ran { .. }) && row.is_red_at(proof.noticed_by);
        println!("{}", table::line(&row));
        let verdict = if noticed { "noticed" } else { "NOT NOTICED" };
        println!("{} under {}: {verdict} by {:?}", proof.defect, row.name(), proof.noticed_by);
        all &= noticed;
    }
    succeed_if(all)
}

fn succeed_if(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
