//! The commands of docs/operations.md, in the states that they are written for.

use std::time::Duration;

use harness::{Deployment, Service, Shop, found_within};
use rdkafka::producer::{FutureProducer, FutureRecord};

const WITHIN: Duration = Duration::from_secs(60);
const PAGE: &str = include_str!("../docs/operations.md");
/// A line that ends so is expected to fail.
const EXITS_1: &str = "# exits 1";

/// The page, and what a reader has in the environment.
struct Operator<'a> {
    deployment: &'a Deployment,
    environment: Vec<(&'static str, String)>,
}

impl Operator<'_> {
    /// Runs every command of the section.
    async fn follows(&self, heading: &str) {
        let commands = commands(heading);
        assert!(!commands.is_empty(), "the page has no commands under {heading}");
        for command in commands {
            let answer = self.deployment.shell_as_admin(command, &self.environment).await;
            let expected = i32::from(command.contains(EXITS_1));
            assert_eq!(answer.code, Some(expected), "{command}\n{answer:?}");
        }
    }

    fn knows(mut self, name: &'static str, value: impl ToString) -> Self {
        self.environment.push((name, value.to_string()));
        self
    }
}

fn commands(heading: &str) -> Vec<&'static str> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n")));
    let blocks = section.unwrap_or_else(|| panic!("no section {heading}")).split("```sh\n").skip(1);
    blocks.flat_map(|block| block.split("```").next().unwrap().lines()).collect()
}

/// Every section with commands is followed below.
#[test]
fn every_section_of_the_page_is_tried() {
    let tried = [
        "Is anything wrong",
        "A server is away",
        "Records are parked",
        "A redrive fails again and again",
        "Everything fails",
        "Too much is parked",
        "A position does not fit the log",
        "A projection has not begun",
        "A batch cannot be read",
        "A position is to be elsewhere",
        "Lag grows",
        "More comes than can be taken",
        "Mails did not arrive",
        "A password has become known",
    ];
    let headings: Vec<&str> =
        PAGE.split("\n## ").skip(1).filter_map(|section| section.lines().next()).collect();
    assert_eq!(headings, tried);
}

/// One mail was bounced by mistake; of another nobody knows whether it arrived.
const MAILS: &str = "
    INSERT INTO \"confirmation-email\".mails
        (event_id, customer_id, order_id, kind, state, cause, occurred_at, finished_at)
    SELECT event_id, 'household-1', gen_random_uuid(), 'confirmed', state, cause, now(), now()
    FROM (VALUES (gen_random_uuid(), 'bounced', '5.7.1'),
                 ('00000000-0000-0000-0000-000000000017'::uuid, 'unknown', 'no-answer'))
        AS mails (event_id, state, cause)";

#[tokio::test]
async fn an_operator_with_the_page_says_what_becomes_of_mails() {
    let deployment = Deployment::new().await;
    assert_eq!(deployment.execute(MAILS).await, 2);
    let operator = Operator { deployment: &deployment, environment: vec![] };
    let operator = operator.knows("MAIL", "00000000-0000-0000-0000-000000000017");
    operator.knows("CUSTOMER", "household-1").follows("Mails did not arrive").await;
    let states = [("queued", 1), ("sent", 1), ("bounced", 0), ("unknown", 0)];
    for (state, count) in states {
        let mails =
            format!("SELECT count(*) FROM \"confirmation-email\".mails WHERE state = '{state}'");
        assert_eq!(deployment.number(&mails).await, count, "{state}");
    }
    let told = "SELECT count(*) FROM \"confirmation-email\".audit WHERE action LIKE 'mail-%'";
    assert_eq!(deployment.number(told).await, 2);
}

const PARKED: &str = "SELECT count(*) FROM inventory.parked WHERE state = 'parked'";
const JUNK: &[u8] = b"no event at all";

#[tokio::test]
async fn an_operator_with_the_page_gets_every_partition_going_again() {
    let deployment = Deployment::new().await;
    let spec = deployment.service("inventory", "inventory").await;
    let spec = spec.env("BREAKER_REJECTIONS", "5").env("BREAKER_PROBE_SECONDS", "1");
    let mut inventory = spec.env("PARKED_MAX", "20").start().await;
    let operator = Operator { deployment: &deployment, environment: vec![] };
    let operator = operator.knows("INVENTORY", inventory.url());
    let producer = deployment.start("producer-api").await;
    let shop = Shop::at(&producer, None);
    shop.offer("milk", 249, 10).await;
    deployment.in_stock("milk", 10).await;
    let operator = operator.knows("PRODUCER_API", producer.url());
    let always = [
        "Is anything wrong",
        "A server is away",
        "Lag grows",
        "More comes than can be taken",
        "A password has become known",
    ];
    for heading in always {
        operator.follows(heading).await;
    }
    let operator = one_is_parked(&deployment, operator, &shop).await;
    everything_fails(&deployment, &operator, &inventory).await;
    too_much_is_parked(&deployment, &operator, &inventory).await;
    the_position_does_not_fit(&deployment, &operator, &mut inventory).await;
    let operator = a_batch_cannot_be_read(&deployment, operator, &inventory).await;
    operator.follows("A position is to be elsewhere").await;
    inventory.ready().await;
    shop.receive("milk", 1).await;
    deployment.in_stock("milk", 12).await;
    sqlx::query("DELETE FROM inventory.positions").execute(&deployment.pool).await.unwrap();
    // Which is of the past by the time that it may begin, at the end.
    shop.receive("milk", 1).await;
    until_unready(&inventory, "unstarted: the log has a past").await;
    operator.follows("A projection has not begun").await;
    inventory.ready().await;
    shop.receive("milk", 1).await;
    deployment.in_stock("milk", 13).await;
}

/// Junk that says it is about milk, and a delivery of milk behind it.
async fn one_is_parked<'a>(
    deployment: &Deployment,
    operator: Operator<'a>,
    shop: &Shop,
) -> Operator<'a> {
    let partition = deployment.number(
        "SELECT partition::bigint FROM inventory.positions WHERE topic LIKE '%stock' AND next_offset > 0",
    );
    let partition = partition.await.to_string();
    crate::parked::junk(deployment, &partition, "milk", JUNK).await;
    until(deployment, PARKED, 1).await;
    shop.receive("milk", 1).await;
    until(deployment, PARKED, 2).await;
    let id = deployment.number("SELECT min(id) FROM inventory.parked").await;
    let operator = operator.knows("ID", id).knows("SUBJECT", "milk");
    operator.follows("Records are parked").await;
    until(deployment, PARKED, 0).await;
    deployment.in_stock("milk", 11).await;

    crate::parked::junk(deployment, &partition, "tea", JUNK).await;
    until(deployment, PARKED, 1).await;
    let id = deployment.number("SELECT max(id) FROM inventory.parked").await;
    let redrive = ["parked", "redrive", "--projection", "inventory", "--subject", "tea"];
    for _ in 0..3 {
        assert_eq!(deployment.orderctl(&redrive).await.code, Some(1));
    }
    let operator = operator.knows("ID", id);
    operator.follows("A redrive fails again and again").await;
    until(deployment, PARKED, 1).await;
    operator
}

async fn everything_fails(deployment: &Deployment, operator: &Operator<'_>, inventory: &Service) {
    for _ in 0..10 {
        deployment.write("stock", b"junk", JUNK).await;
    }
    until_unready(inventory, "tripped: nothing was applied").await;
    operator.follows("Everything fails").await;
    inventory.ready().await;
}

async fn too_much_is_parked(deployment: &Deployment, operator: &Operator<'_>, inventory: &Service) {
    let admit = "UPDATE inventory.positions SET admit_below = 1000000, epoch = epoch + 1";
    deployment.execute(admit).await;
    for _ in 0..20 {
        deployment.write("stock", b"junk", JUNK).await;
    }
    until_unready(inventory, "parked_full: more than 20 records").await;
    operator.follows("Too much is parked").await;
    inventory.ready().await;
}

/// Somebody writes what is small in the log, and larger than the client unpacks.
async fn a_batch_cannot_be_read<'a>(
    deployment: &Deployment,
    operator: Operator<'a>,
    inventory: &Service,
) -> Operator<'a> {
    let mut config = deployment.kafka();
    config.set("compression.type", "zstd").set("message.max.bytes", "1000000000");
    let producer: FutureProducer = config.create().unwrap();
    let (topic, huge) = (deployment.topic("stock"), vec![0; 101 * 1024 * 1024]);
    let record = FutureRecord::<[u8], [u8]>::to(&topic).partition(0).payload(&huge);
    let offset = producer.send(record, WITHIN).await.unwrap().offset;
    until_unready(inventory, &format!("unreadable: the batch at offset {offset}")).await;
    let operator = operator.knows("BEHIND", offset + 1);
    operator.follows("A batch cannot be read").await;
    inventory.ready().await;
    operator
}

/// As after the log was restored from an older copy.
async fn the_position_does_not_fit(
    deployment: &Deployment,
    operator: &Operator<'_>,
    inventory: &mut Service,
) {
    inventory.stop().await;
    let ahead = "UPDATE inventory.positions SET next_offset = next_offset + 1000
                 WHERE topic LIKE '%stock' AND partition = 0";
    assert_eq!(deployment.execute(ahead).await, 1);
    inventory.start_again();
    until_unready(inventory, "beyond_end: the position").await;
    operator.follows("A position does not fit the log").await;
    inventory.ready().await;
}

async fn until(deployment: &Deployment, query: &str, expected: i64) {
    let what = format!("{query} gives {expected}");
    found_within(WITHIN, &what, async || {
        (deployment.number(query).await == expected).then_some(())
    })
    .await;
}

async fn until_unready(service: &Service, why: &str) {
    found_within(WITHIN, why, async || {
        let (_, body) = service.health("/readyz").await?;
        body.contains(why).then_some(())
    })
    .await;
}
