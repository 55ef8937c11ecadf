//! Moving a position in a real Postgres. Asks no broker.

use kafka_client::LogState;
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};

use super::command::To;
use super::stand::Stand;
use super::start;
use super::store::{Change, all};
use crate::projection::Projection;
use crate::testing::RUNTIME;

async fn with_a_position(pool: PgPool) -> PgConnection {
    let mut admin = pool.acquire().await.unwrap().detach();
    let set_up = "CREATE SCHEMA inventory; SET search_path = inventory;";
    sqlx::raw_sql(set_up).execute(&mut admin).await.unwrap();
    sqlx::raw_sql(RUNTIME).execute(&mut admin).await.unwrap();
    let row = "INSERT INTO positions VALUES ('orders', 3, 'a', 7, 25);
               UPDATE positions SET tripped = true, stopped = 'tripped'; SET search_path = public;";
    sqlx::raw_sql(row).execute(&mut admin).await.unwrap();
    admin
}

#[sqlx::test]
async fn a_position_moves_with_its_topics_id_and_a_new_epoch(pool: PgPool) {
    let mut admin = with_a_position(pool).await;
    let mut change = Change::begin(&mut admin, Projection::Inventory, "orders", 3).await.unwrap();
    let stand = change.stand().await.unwrap().unwrap();
    assert_eq!(stand, Stand { topic_id: "a".into(), next: 25, stopped: Some("tripped".into()) });
    change.go_on_at("b", 12).await.unwrap();
    change.commit("ada", "gap-acknowledged", json!({"from": 25, "to": 12})).await.unwrap();
    let moved =
        [(("orders".to_owned(), 3), Stand { topic_id: "b".into(), next: 12, stopped: None })];
    assert_eq!(all(&mut admin, Projection::Inventory).await.unwrap(), moved);
    let epoch: i64 = sqlx::query_scalar("SELECT epoch FROM inventory.positions")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(epoch, 8);
    let told: (String, String, i32) =
        sqlx::query_as("SELECT actor, action, partition FROM inventory.audit")
            .fetch_one(&mut admin)
            .await
            .unwrap();
    assert_eq!(told, ("ada".to_owned(), "gap-acknowledged".to_owned(), 3));
    admin.close().await.unwrap();
}

#[sqlx::test]
async fn what_is_not_committed_changes_nothing(pool: PgPool) {
    let mut admin = with_a_position(pool).await;
    let mut change = Change::begin(&mut admin, Projection::Inventory, "orders", 3).await.unwrap();
    change.stand().await.unwrap();
    drop(change);
    let kept = [(
        ("orders".to_owned(), 3),
        Stand { topic_id: "a".into(), next: 25, stopped: Some("tripped".into()) },
    )];
    assert_eq!(all(&mut admin, Projection::Inventory).await.unwrap(), kept);
    let mut change = Change::begin(&mut admin, Projection::Inventory, "orders", 4).await.unwrap();
    assert_eq!(change.stand().await.unwrap(), None);
    drop(change);
    admin.close().await.unwrap();
}

#[sqlx::test]
async fn a_projection_begins_once_everywhere_or_nowhere(pool: PgPool) {
    let mut admin = with_a_position(pool).await;
    let log = |start, end| LogState { topic_id: "a".into(), start, end };
    let logs = [("orders".to_owned(), 0, log(5, 9)), ("stock".to_owned(), 3, log(0, 0))];
    let inventory = Projection::Inventory;
    let begun = start::begin(&mut admin, inventory, &logs, To::End, "ada").await;
    assert!(begun.unwrap_err().is::<crate::exit::Usage>(), "it stands somewhere");
    let none = "DELETE FROM inventory.positions";
    for (at, expected) in [(To::Beginning, 5), (To::End, 9)] {
        sqlx::query(none).execute(&mut admin).await.unwrap();
        start::begin(&mut admin, inventory, &logs, at, "ada").await.unwrap();
        let stand = |next| Stand { topic_id: "a".into(), next, stopped: None };
        let begun =
            [(("orders".to_owned(), 0), stand(expected)), (("stock".to_owned(), 3), stand(0))];
        assert_eq!(all(&mut admin, inventory).await.unwrap(), begun);
    }
    let told: i64 =
        sqlx::query_scalar("SELECT count(*) FROM inventory.audit WHERE action = 'started'")
            .fetch_one(&mut admin)
            .await
            .unwrap();
    assert_eq!(told, 4);
    admin.close().await.unwrap();
}

#[test]
fn a_place_outside_of_the_log_is_refused() {
    let log = LogState { topic_id: "a".into(), start: 10, end: 20 };
    let within = |text: &str| text.parse::<To>().unwrap().within(&log).map_err(|usage| usage.0);
    assert_eq!(within("beginning"), Ok(10));
    assert_eq!(within("end"), Ok(20));
    assert_eq!(within("15"), Ok(15));
    assert_eq!(within("20"), Ok(20));
    assert_eq!(within("21").unwrap_err(), "--to 21 is not in the log, which has 10 to 20 there");
    assert!(within("9").is_err());
    assert!("-1".parse::<To>().is_err() && "begin".parse::<To>().is_err());
}
