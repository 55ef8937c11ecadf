//! What was put aside and came back says the same as what stayed in memory.

use sqlx::PgPool;

use super::fixture::{POSITIONS, prepared, story};
use super::projection::Projection;
use super::row::Row;
use super::story::{Stand, Story, View};
use super::tests::differences;

/// Everything that is expected of a projection, or said to be wrong.
fn said(projection: Projection, story: &Story, behind: i64) -> Vec<(String, Vec<Row>)> {
    let moved = |(topic, partition, next)| ((topic, partition), next + behind);
    let positions = POSITIONS.map(moved).into();
    let stand = Stand { positions, ..Stand::default() };
    let view = View { story, stand: &stand };
    let broken = projection.broken_invariants(view).into_iter().map(|one| Row::new(one, vec![]));
    let broken = ("broken".to_owned(), broken.collect());
    let tables = projection.tables(view).into_iter();
    let tables = tables.map(|(table, rows)| (table.name.to_owned(), rows.collect()));
    tables.chain([broken]).collect()
}

/// The small log, of which the first so many records are put aside, or all one by one.
fn put_aside(every: usize) -> Story {
    let mut story = story();
    let mut told: Vec<_> = std::mem::take(&mut story.orders).into_values().flatten().collect();
    told.sort_by_key(|told| told.place);
    for (number, told) in told.into_iter().enumerate() {
        story.tell(told.place, *told.event);
        if number % every == 0 {
            story.put_aside().unwrap();
        }
    }
    story
}

#[test]
fn orders_that_were_put_aside_say_the_same() {
    for projection in Projection::ALL {
        for (every, behind) in [(1, 0), (1, 9), (3, 0), (3, 9), (5, 9), (1000, 0)] {
            let expected = said(projection, &story(), behind);
            assert!(expected.iter().any(|(_, rows)| rows.len() > 3));
            assert_eq!(said(projection, &put_aside(every), behind), expected, "every {every}");
        }
    }
}

#[sqlx::test]
async fn the_rows_are_compared_with_what_was_put_aside(pool: PgPool) {
    prepared(&pool).await;
    let story = put_aside(3);
    for projection in Projection::ALL {
        assert_eq!(differences(&pool, projection, &story).await, Vec::<String>::new());
    }
    let by_hand = "UPDATE inventory.orders SET status = 'confirmed' WHERE status = 'rejected'";
    super::fixture::run(&pool, by_hand).await;
    let found = differences(&pool, Projection::Inventory, &story).await;
    assert!(found.iter().any(|line| line.contains("the log says rejected")), "{found:#?}");
}

#[test]
fn what_does_not_come_back_is_an_error_and_no_difference() {
    let mut story = Story::default();
    for number in 0..2_000_u32 {
        let mut event = crate::testing::placed(1);
        event.lines = vec![event.lines[0].clone(); 100];
        let place = events_schema::RecordPosition {
            topic: events_schema::Topic::Orders,
            partition: 0,
            offset: number.into(),
        };
        story.tell(place, event.into());
    }
    story.put_aside().unwrap();
    story.shelf().spool().lose();
    assert!(story.whole().is_ok(), "nobody has looked yet");
    said(Projection::Analytics, &story, 9);
    let why = story.whole().unwrap_err().to_string();
    assert!(why.contains("TMPDIR"), "{why}");
}
