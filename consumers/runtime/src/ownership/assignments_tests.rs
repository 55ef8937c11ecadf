//! What a worker does with its partitions, told as events and effects.

use super::*;

const ONE: TopicPartition = TopicPartition::new(Topic::Stock, 1);
const TWO: TopicPartition = TopicPartition::new(Topic::Stock, 2);
const PROBE: Duration = Duration::from_secs(15);

struct Told {
    assignments: Assignments,
    now: Instant,
    /// Of what is claimed: as the poll thread waits for it.
    answers: Vec<oneshot::Receiver<Start>>,
}

impl Told {
    fn new() -> Self {
        Self { assignments: Assignments::new(PROBE), now: Instant::now(), answers: vec![] }
    }

    /// The group gives a partition, whose position is taken.
    fn taken(&mut self, key: TopicPartition, next: i64) -> Check {
        let (answer, start) = oneshot::channel();
        self.answers.push(start);
        self.assignments.claimed(vec![Claim { key, answer }]);
        self.taken_again(next)
    }

    fn taken_again(&mut self, next: i64) -> Check {
        let (mut claims, _taking) = self.assignments.take().unwrap();
        assert_eq!(claims.len(), 1);
        let claim = claims.remove(0);
        let start = Start { epoch: Epoch(1), next: Offset(next) };
        let (topic_id, admit_below) = ("id".to_owned(), Offset(0));
        let taken = TakenPosition { key: claim.key, topic_id, start, tripped: false, admit_below };
        Check { claim, taken, topic: "stock".to_owned(), topic_id: "id".to_owned() }
    }

    fn owned(&mut self, key: TopicPartition, next: i64) {
        let check = self.taken(key, next);
        drop(self.assignments.compared(check, None, self.now));
    }

    fn moved(&mut self, key: TopicPartition, from: i64, to: i64) -> Vec<String> {
        let (from, to) = (Offset(from), Offset(to));
        let moves = [PositionMove { key, epoch: Epoch(1), from, to }];
        names(&self.assignments.moved(&moves))
    }

    fn stop(&mut self, key: TopicPartition) -> Vec<Effect> {
        let stop = Stop::Tripped { rejected: 5, cause: "unlucky" };
        self.assignments.stop(vec![(key, stop)], self.now)
    }
}

fn names(effects: &[Effect]) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::Start(taken, _) => format!("start {}", taken.key.number()),
        Effect::Pause(reclaim) => format!("pause {}", reclaim.key.number()),
        Effect::Stopped(key, stop) => format!("{} {}", stop.state(), key.number()),
        Effect::Resumed(key) => format!("resume {}", key.number()),
        Effect::Changed => "changed".to_owned(),
    };
    effects.iter().map(name).collect()
}

fn misfit() -> Option<PositionMisfit> {
    Some(PositionMisfit::BeyondEnd { next: 9, log_end: 5 })
}

#[test]
fn a_partition_whose_position_fits_its_log_is_owned_and_starts() {
    let mut told = Told::new();
    let check = told.taken(ONE, 7);
    assert!(told.assignments.owned().is_empty());
    let effects = told.assignments.compared(check, None, told.now);
    assert_eq!(names(&effects), ["changed", "resume 1", "start 1"]);
    let start = Start { epoch: Epoch(1), next: Offset(7) };
    assert_eq!(told.assignments.owned().get(ONE), Some(start));
    assert_eq!(told.assignments.held(), [ONE]);
}

#[test]
fn a_partition_whose_position_does_not_fit_is_held_but_not_owned_and_claimed_again() {
    let mut told = Told::new();
    let check = told.taken(ONE, 9);
    let effects = told.assignments.compared(check, misfit(), told.now);
    assert_eq!(names(&effects), ["beyond_end 1", "changed"]);
    assert!(told.assignments.owned().is_empty());
    assert_eq!(told.assignments.held(), [ONE]);

    let due = told.assignments.next_retry().unwrap();
    told.assignments.retry(told.now);
    assert!(!told.assignments.is_waiting(), "before its time");
    told.assignments.retry(due);
    assert!(told.assignments.is_waiting());
    assert_eq!(told.assignments.next_retry(), None);
    let check = told.taken_again(5);
    let effects = told.assignments.compared(check, None, due);
    assert_eq!(names(&effects), ["changed", "resume 1", "start 1"]);
}

#[test]
fn a_partition_that_was_taken_away_while_its_log_was_asked_has_no_effect() {
    let mut told = Told::new();
    let check = told.taken(ONE, 7);
    told.answers.clear();
    assert!(told.assignments.compared(check, misfit(), told.now).is_empty());
    assert!(told.assignments.held().is_empty());
}

#[test]
fn a_partition_that_stops_at_work_is_called_so_until_it_moves() {
    let mut told = Told::new();
    told.owned(ONE, 7);
    let effects = told.stop(ONE);
    assert_eq!(names(&effects), ["pause 1", "tripped 1", "changed"]);
    assert!(told.assignments.owned().is_empty());

    told.assignments.retry(told.now + PROBE);
    let check = told.taken_again(7);
    let started = told.assignments.compared(check, None, told.now);
    assert_eq!(names(&started), ["changed", "start 1"], "it stands where it stood");
    assert_eq!(told.moved(ONE, 7, 8), ["resume 1"]);
    assert!(told.moved(ONE, 8, 9).is_empty());
}

#[test]
fn a_stopped_partition_whose_position_an_operator_moved_is_called_so_no_more() {
    let mut told = Told::new();
    told.owned(ONE, 7);
    let _paused = told.stop(ONE);
    told.assignments.retry(told.now + PROBE);
    let check = told.taken_again(8);
    let started = told.assignments.compared(check, None, told.now);
    assert_eq!(names(&started), ["changed", "resume 1", "start 1"]);
}

#[test]
fn a_partition_that_is_not_owned_is_not_stopped() {
    let mut told = Told::new();
    told.owned(ONE, 7);
    assert_eq!(names(&told.stop(TWO)), ["changed"]);
    assert_eq!(told.assignments.held(), [ONE]);
}

#[test]
fn a_partition_that_was_taken_away_is_not_claimed_again_though_nobody_has_hung_up() {
    let mut told = Told::new();
    told.owned(ONE, 7);
    told.owned(TWO, 7);
    let paused = told.stop(ONE);
    let effects = told.assignments.released(&[ONE]);
    assert_eq!(names(&effects), ["resume 1", "changed"]);
    assert_eq!(told.assignments.held(), [TWO]);
    told.assignments.retry(told.now + PROBE);
    assert!(!told.assignments.is_waiting());
    drop(paused);
}

#[test]
fn a_claim_that_nobody_waits_for_is_not_taken() {
    let mut told = Told::new();
    let (answer, start) = oneshot::channel();
    told.assignments.claimed(vec![Claim { key: ONE, answer }]);
    drop(start);
    assert!(told.assignments.take().is_none());
}

#[tokio::test]
async fn a_release_waits_until_the_position_is_not_being_taken() {
    let mut told = Told::new();
    let (answer, _start) = oneshot::channel();
    told.assignments.claimed(vec![Claim { key: ONE, answer }]);
    let (_claims, taking) = told.assignments.take().unwrap();
    told.assignments.not_taking(&[TWO]).await;
    let mut not_taking = Box::pin(told.assignments.not_taking(&[ONE]));
    let soon = Duration::from_millis(20);
    assert!(tokio::time::timeout(soon, &mut not_taking).await.is_err());
    drop(taking);
    not_taking.await;
}

#[test]
fn a_topic_with_another_id_than_its_positions_was_created_anew() {
    let mut told = Told::new();
    told.owned(ONE, 7);
    let names = TopicNames::unprefixed();
    let recreated = |topic: &str, id: &str| {
        told.assignments.recreated(&names, &[(topic.to_owned(), id.to_owned())].into())
    };
    assert_eq!(recreated("stock", "id"), None);
    assert_eq!(recreated("stock", "other"), Some("stock".to_owned()));
    assert_eq!(recreated("orders", "other"), None, "of which it owns nothing");
}
