//! The proof of the proofs: against a program that was built with a defect of `tests/defects`, the
//! matching scenario must fail. `scripts/chaos --prove` builds them and runs this.

use std::time::Duration;

use harness::{Deployment, Service, Shop, Violation, holds_within};

use crate::{drain, fencing, mail_ledger, position, redrive};

async fn defective(deployment: &Deployment, binary: &'static str, defect: &str) -> Service {
    deployment.service(binary, binary).await.with_defect(defect).start().await
}

#[track_caller]
fn noticed(outcome: Result<(), Violation>, by: &str) {
    match outcome {
        Ok(()) => panic!("nobody noticed the defect"),
        Err(Violation(what)) => assert!(what.contains(by), "noticed only by: {what}"),
    }
}

#[tokio::test]
#[ignore = "scripts/chaos --prove builds the defect and runs it"]
async fn a_position_committed_before_the_rows_is_noticed() {
    let deployment = Deployment::new().await;
    let inventory = defective(&deployment, "inventory", "position-first").await;
    let outcome = position::killed_in_the_middle(&deployment, inventory).await;
    noticed(outcome, "the order is decided after the worker came back");
}

#[tokio::test]
#[ignore = "scripts/chaos --prove builds the defect and runs it"]
async fn a_202_before_the_acknowledgement_is_noticed() {
    let deployment = Deployment::new().await;
    let producer = defective(&deployment, "producer-api", "ack-early").await;
    let shop = Shop::at(&producer, None);
    let outcome = drain::nothing_is_acknowledged_before_the_brokers(&deployment, &shop).await;
    noticed(outcome, "no 202 before the brokers acknowledge");
}

#[tokio::test]
#[ignore = "scripts/chaos --prove builds the defect and runs it"]
async fn a_worker_that_is_not_fenced_is_noticed() {
    let deployment = Deployment::new().await;
    let frozen = defective(&deployment, "inventory", "no-fence").await;
    noticed(frozen_until_replaced(&deployment, &frozen).await, "the thawed worker changed");
}

/// The same worker, deaf in the same way: the compare-and-set alone keeps it out.
#[tokio::test]
#[ignore = "scripts/chaos --prove builds the defect and runs it"]
async fn a_worker_that_does_not_hear_of_its_loss_is_fenced() {
    let deployment = Deployment::new().await;
    let frozen = defective(&deployment, "inventory", "release-missed").await;
    frozen_until_replaced(&deployment, &frozen).await.unwrap();
    let fenced = async || frozen.metric("orderflow_fenced_batches_total").await >= 1.0;
    assert!(holds_within(Duration::from_secs(60), fenced).await, "a batch of it was fenced");
}

async fn frozen_until_replaced(deployment: &Deployment, frozen: &Service) -> Result<(), Violation> {
    let successor = deployment.service("inventory", "successor").await.spawn();
    let producer = deployment.start("producer-api").await;
    let shop = Shop::at(&producer, None);
    fencing::frozen_while_its_partitions_move(deployment, &shop, frozen, &successor).await
}

#[tokio::test]
#[ignore = "scripts/chaos --prove builds the defect and runs it"]
async fn a_mail_sent_before_its_ledger_row_is_noticed() {
    let deployment = Deployment::new().await;
    let email = mail_ledger::courier(&deployment).await.with_defect("mail-before-ledger");
    let email = email.start().await;
    noticed(mail_ledger::killed_before_250(&deployment, email).await, "times");
}

#[tokio::test]
#[ignore = "scripts/chaos --prove builds the defect and runs it"]
async fn a_redrive_out_of_order_is_noticed() {
    let deployment = Deployment::new().await;
    let inventory = defective(&deployment, "inventory", "redrive-out-of-order").await;
    let outcome = redrive::killed_in_the_middle(&deployment, inventory).await;
    noticed(outcome, "every order was decided, then cancelled");
}
