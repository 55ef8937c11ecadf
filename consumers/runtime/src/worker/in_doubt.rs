//! A batch that was sent to be committed, and whose answer was lost. Pure: whether it was committed, the
//! positions say.

use std::collections::HashMap;

use crate::batch::decide_batch::Outcomes;
use crate::ownership::owned_partitions::{OwnedPartitions, PositionMove};
use crate::partition::{Offset, TopicPartition};

#[derive(Debug, Clone)]
pub(crate) struct InDoubt {
    pub moves: Vec<PositionMove>,
    pub outcomes: Outcomes,
}

impl InDoubt {
    /// What of it can still be told: some of its partitions may have been given up meanwhile. It was
    /// committed whole or not at all, so that any of them tells.
    pub(crate) fn of(&self, owned: &OwnedPartitions) -> Option<Self> {
        let is_ours = |moved: &&PositionMove| {
            owned.get(moved.key).is_some_and(|start| start.epoch == moved.epoch)
        };
        let moves: Vec<PositionMove> = self.moves.iter().filter(is_ours).copied().collect();
        (!moves.is_empty()).then_some(Self { moves, outcomes: self.outcomes })
    }

    /// The moves of the batch that is tried now, and those of the one in doubt: which need not be as
    /// large.
    pub(crate) fn beside(in_doubt: Option<&Self>, moves: &[PositionMove]) -> Vec<PositionMove> {
        let is_new = |moved: &&PositionMove| moves.iter().all(|other| other.key != moved.key);
        let in_doubt = in_doubt.iter().flat_map(|in_doubt| &in_doubt.moves).filter(is_new);
        moves.iter().chain(in_doubt).copied().collect()
    }

    /// Whether it was committed, by where its positions stand.
    pub(crate) fn is_committed(&self, now: &HashMap<TopicPartition, Offset>) -> bool {
        self.moves.iter().all(|moved| now.get(&moved.key) == Some(&moved.to))
    }
}

#[cfg(test)]
mod tests {
    use events_schema::Topic;

    use super::*;
    use crate::partition::{Epoch, Start};

    const ONE: TopicPartition = TopicPartition::new(Topic::Stock, 1);
    const TWO: TopicPartition = TopicPartition::new(Topic::Stock, 2);

    fn moved(key: TopicPartition, epoch: i64, from: i64, to: i64) -> PositionMove {
        PositionMove { key, epoch: Epoch(epoch), from: Offset(from), to: Offset(to) }
    }

    fn in_doubt() -> InDoubt {
        let moves = vec![moved(ONE, 1, 0, 5), moved(TWO, 1, 0, 7)];
        InDoubt { moves, outcomes: Outcomes::default() }
    }

    fn owned(partitions: &[(TopicPartition, i64)]) -> OwnedPartitions {
        let mut owned = OwnedPartitions::default();
        for (key, epoch) in partitions {
            owned.take(*key, Start { epoch: Epoch(*epoch), next: Offset(0) });
        }
        owned
    }

    #[test]
    fn a_batch_was_committed_where_all_its_positions_are_where_it_moves_them() {
        let now = |one, two| [(ONE, Offset(one)), (TWO, Offset(two))].into();
        assert!(in_doubt().is_committed(&now(5, 7)));
        assert!(!in_doubt().is_committed(&now(0, 0)));
        assert!(!in_doubt().is_committed(&now(5, 0)));
    }

    #[test]
    fn a_partition_that_is_still_owned_tells_for_those_that_were_given_up() {
        let told = in_doubt().of(&owned(&[(TWO, 1)])).unwrap();
        assert_eq!(told.moves, [moved(TWO, 1, 0, 7)]);
        assert!(told.is_committed(&[(TWO, Offset(7))].into()));
    }

    #[test]
    fn a_partition_that_was_taken_again_tells_nothing() {
        assert!(in_doubt().of(&owned(&[(TWO, 2)])).is_none());
        assert!(in_doubt().of(&owned(&[])).is_none());
    }

    #[test]
    fn the_positions_of_a_smaller_batch_and_of_the_one_in_doubt_are_asked_once_each() {
        let now = [moved(ONE, 1, 0, 2)];
        let all = InDoubt::beside(Some(&in_doubt()), &now);
        assert_eq!(all, [moved(ONE, 1, 0, 2), moved(TWO, 1, 0, 7)]);
        assert_eq!(InDoubt::beside(None, &now), now);
    }
}
