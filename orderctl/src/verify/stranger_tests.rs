//! Claims about an order id that a stranger cancels too: what is the customer's stays the customer's,
//! whichever of the two is read first.

use events_schema::{Event, RecordPosition, Topic};

use super::projection::Projection;
use super::story::{Stand, Story, View};
use crate::testing::{cancel_requested, cancelled, confirmed, placed, received};

const STRANGER: &str = "bob";

/// What the stranger asked for, and inventory's answer.
fn strangers() -> Vec<Event> {
    let (mut request, mut answer) = (cancel_requested(1), cancelled(1, false));
    request.customer_id = STRANGER.parse().unwrap();
    answer.customer_id = STRANGER.parse().unwrap();
    vec![request.into(), answer.into()]
}

/// Two partitions, told in this order and in the other: both stories.
fn stories(own: &[Event], strangers: &[Event]) -> [Story; 2] {
    let partitions = [(0, own), (1, strangers)];
    [[0, 1], [1, 0]].map(|order| {
        let mut story = Story::default();
        for (offset, event) in (0..).zip([received(1, "a", 10), received(2, "b", 5)]) {
            story.tell(RecordPosition { topic: Topic::Stock, partition: 0, offset }, event.into());
        }
        for (partition, events) in order.map(|at: usize| partitions[at]) {
            for (offset, event) in (0..).zip(events) {
                story.tell(
                    RecordPosition { topic: Topic::Orders, partition, offset },
                    event.clone(),
                );
            }
        }
        story
    })
}

/// Of a projection that has read everything.
fn stand() -> Stand {
    let positions = [(Topic::Orders, 0), (Topic::Orders, 1), (Topic::Stock, 0)];
    let positions = positions.map(|partition| (partition, 100)).into();
    Stand { positions, ..Stand::default() }
}

/// Key and some columns of every row that a table should have.
fn rows(projection: Projection, story: &Story, table: &str, columns: &[&str]) -> Vec<String> {
    let stand = stand();
    let tables = projection.tables(View { story, stand: &stand });
    let (table, rows) = tables.into_iter().find(|(known, _)| known.name == table).unwrap();
    let at = |name: &&str| table.columns.iter().position(|column| column == name).unwrap();
    let places: Vec<usize> = columns.iter().map(at).collect();
    let show = |row: super::row::Row| {
        let cells = places.iter().map(|at| row.cells[*at].clone().unwrap_or_default());
        std::iter::once(row.key.clone()).chain(cells).collect::<Vec<_>>().join(" ")
    };
    rows.map(show).collect()
}

fn broken(story: &Story) -> Vec<String> {
    let stand = stand();
    let broken = Projection::Inventory.broken_invariants(View { story, stand: &stand });
    broken.into_iter().map(|one| one.what).collect()
}

const ORDER: &str = "00000000-0000-0000-0000-000000000001";

#[track_caller]
fn inventory_says(own: &[Event], status: &str, shelf: [&str; 2]) {
    for story in stories(own, &strangers()) {
        let orders = rows(Projection::Inventory, &story, "orders", &["customer_id", "status"]);
        assert_eq!(orders, [format!("{ORDER} {status}")]);
        assert_eq!(rows(Projection::Inventory, &story, "stock", &["available"]), shelf);
        assert_eq!(broken(&story), Vec::<String>::new());
    }
}

#[test]
fn a_strangers_cancellation_changes_nothing_of_the_order() {
    let own = [placed(1).into(), confirmed(1).into()];
    inventory_says(&own, "customer-1 confirmed", ["a 8", "b 4"]);
    inventory_says(&[], "bob cancelled", ["a 10", "b 5"]);
}

#[test]
fn the_customers_own_cancellation_counts_beside_it() {
    let own = [
        placed(1).into(),
        confirmed(1).into(),
        cancel_requested(1).into(),
        cancelled(1, true).into(),
    ];
    inventory_says(&own, "customer-1 cancelled", ["a 10", "b 5"]);
}

#[test]
fn the_customers_cancellation_before_placing_gives_way_to_a_strangers() {
    let own = [cancel_requested(1).into(), placed(1).into(), confirmed(1).into()];
    inventory_says(&own, "customer-1 confirmed", ["a 8", "b 4"]);
}

#[test]
fn a_strangers_answer_is_no_answer_to_the_customer() {
    let unanswered = |own: &[Event]| stories(own, &strangers()).map(|story| broken(&story));
    let placing = ["it was placed and has no outcome"];
    assert_eq!(unanswered(&[placed(1).into()]), [placing, placing]);
    let cancelling = ["its cancellation was asked for and has no outcome"];
    let own = [placed(1).into(), confirmed(1).into(), cancel_requested(1).into()];
    assert_eq!(unanswered(&own), [cancelling, cancelling]);
}

#[test]
fn a_stranger_is_written_to_by_nobody_and_the_customer_of_every_outcome() {
    let own = [
        placed(1).into(),
        confirmed(1).into(),
        cancel_requested(1).into(),
        cancelled(1, true).into(),
    ];
    let [confirmation, cancellation] =
        [Event::from(confirmed(1)), cancelled(1, true).into()].map(|event| event.event_id());
    let mut expected = [
        format!("{cancellation} bob cancelled true"),
        format!("{cancellation} customer-1 cancelled false"),
        format!("{confirmation} customer-1 confirmed false"),
    ];
    expected.sort_unstable();
    for story in stories(&own, &strangers()) {
        let mails = rows(Projection::ConfirmationEmail, &story, "mails", &["kind", "withheld"]);
        assert_eq!(mails, expected);
        let orders = rows(Projection::ConfirmationEmail, &story, "orders", &[]);
        assert_eq!(orders, [format!("{ORDER} customer-1")]);
    }
}
