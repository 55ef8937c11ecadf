//! Promise 8: one mail per outcome, also where the courier is killed while the mail server has the
//! mail and its answer is still on the way. Also run against a build that sends before it writes
//! the ledger: see `defects`.

use std::time::Duration;

use harness::{Deployment, Mails, Order, Service, Shop, Spec, Violation, ensure, holds_within};

const WITHIN: Duration = Duration::from_secs(60);
/// Long enough for a kill, and for the ledger to be looked at.
const ANSWER_LOST_AFTER_MS: u32 = 10_000;

#[tokio::test]
async fn a_courier_killed_before_it_heard_250_sends_no_second_mail() {
    let deployment = Deployment::new().await;
    killed_before_250(&deployment, courier(&deployment).await.start().await).await.unwrap();
}

/// A courier whose claims run out soon: ten times the time in which a server has to answer.
pub(crate) async fn courier(deployment: &Deployment) -> Spec {
    let email = deployment.service("confirmation-email", "confirmation-email").await;
    email.env("MAIL_REPLY_SECONDS_MAX", "3")
}

/// The sink is shared, and so is what it was told to do.
static SINK: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) async fn killed_before_250(
    deployment: &Deployment,
    mut email: Service,
) -> Result<(), Violation> {
    let _alone = SINK.lock().await;
    let mails = Mails::of(&deployment.stack);
    let producer = deployment.start("producer-api").await;
    let _inventory = deployment.start("inventory").await;
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 5).await;
    let order = Order::of(&format!("{}eve", deployment.prefix), "milk", 1);
    mails.lose_the_answer_to(&order.email, ANSWER_LOST_AFTER_MS).await;
    shop.place(&order).await;
    let taken = holds_within(WITHIN, async || !mails.to(&order.email).await.is_empty()).await;
    email.kill();
    mails.behave().await;
    ensure(taken, "the mail server takes the mail")?;

    email.start_again();
    let open =
        "SELECT count(*) FROM \"confirmation-email\".mails WHERE state IN ('queued', 'sending')";
    let settled = holds_within(WITHIN, async || deployment.number(open).await == 0).await;
    ensure(settled, "every mail of the ledger is settled")?;
    let copies = mails.to(&order.email).await.len();
    ensure(copies == 1, format!("the mail was sent {copies} times"))?;
    let unknown = "SELECT count(*) FROM \"confirmation-email\".mails WHERE state = 'unknown'";
    ensure(deployment.number(unknown).await == 1, "the ledger says that its fate is unknown")
}
