//! Promise 6: a position that does not fit the log stops its partition, under a name, until an
//! operator acknowledges it.

use std::time::Duration;

use harness::{Deployment, Shop, found_within};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_topic_made_again_stops_its_partitions_until_an_operator_acknowledges_it() {
    let deployment = Deployment::new().await;
    let mut inventory = deployment.start("inventory").await;
    {
        let producer = deployment.start("producer-api").await;
        Shop::at(&producer, None).offer("milk", 249, 5).await;
        deployment.in_stock("milk", 5).await;
    }
    inventory.stop().await;
    make_stock_again(&deployment).await;
    let partitions = deployment.ends(&deployment.topic("stock")).len();

    inventory.start_again();
    found_within(WITHIN, "every partition of stock stops", async || {
        let stopped = inventory.metric("orderflow_partitions_stopped").await;
        (stopped == partitions as f64).then_some(())
    })
    .await;
    let shown = deployment.orderctl(&["positions", "show"]).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert_eq!(shown.stdout.matches("topic_recreated").count(), partitions);

    // Said and not done, done, and refused where there is nothing to acknowledge.
    assert_eq!(acknowledge(&deployment, 0, &[]).await, Some(1));
    for partition in 0..partitions {
        assert_eq!(acknowledge(&deployment, partition, &["--yes"]).await, Some(0));
    }
    assert_eq!(acknowledge(&deployment, 0, &["--yes"]).await, Some(2));
    deployment.orderctl(&["positions", "show"]).await.expect_success();

    // The worker goes on by itself.
    inventory.ready().await;
    let told = deployment.orderctl(&["audit", "--projection", "inventory"]).await.expect_success();
    assert_eq!(told.stdout.matches("gap-acknowledged").count(), partitions, "{told:?}");
    let producer = deployment.service("producer-api", "producer-api-2").await.start().await;
    Shop::at(&producer, None).offer("bread", 199, 2).await;
    deployment.in_stock("bread", 2).await;
    deployment.in_stock("milk", 5).await;
}

async fn acknowledge(deployment: &Deployment, partition: usize, more: &[&str]) -> Option<i32> {
    let partition = partition.to_string();
    let which = ["--projection", "inventory", "--topic", "stock", "--partition", &partition];
    let arguments =
        [["positions", "ack-gap"].as_slice(), &which, &["--to", "beginning"], more].concat();
    deployment.orderctl(&arguments).await.code
}

/// The broker forgets a topic a little later than it says.
async fn make_stock_again(deployment: &Deployment) {
    let admin: AdminClient<DefaultClientContext> = deployment.kafka().create().unwrap();
    let stock = deployment.topic("stock");
    let deleted = admin.delete_topics(&[&stock], &AdminOptions::new()).await.unwrap();
    deleted.into_iter().for_each(|result| drop(result.unwrap()));
    found_within(WITHIN, "the topic is made again", async || {
        let answer = deployment.orderctl(&["topics", "apply"]).await;
        (answer.code == Some(0) && answer.stdout.contains(&format!("{stock}  created")))
            .then_some(())
    })
    .await;
}
