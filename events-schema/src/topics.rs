//! The topics as data: names, partitions, retention. Creates nothing: `orderctl topics apply` does.

use crate::event::EventType;

/// A topic of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// An order's whole life, keyed by customer. The source of truth.
    Orders,
    /// The catalogue, keyed and compacted by SKU.
    Products,
    /// What came to the shelf, keyed by SKU.
    Stock,
}

/// How long a topic keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Every record, for ever.
    Forever,
    /// The last record of each key.
    Compacted,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 3] = [Self::Orders, Self::Products, Self::Stock];

    /// The name on the broker, without a deployment's prefix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Products => "products",
            Self::Stock => "stock",
        }
    }

    /// The topic of that name, without a deployment's prefix.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// The name, without a deployment's prefix, of the topic that gets a copy of what this consumer
    /// group has parked of it. It has the same partitions.
    pub fn dead_letters(self, group: &str) -> String {
        format!("{}.dead-letters.{group}", self.name())
    }

    /// Partitions at creation. Fixed afterwards: another count would send a key elsewhere, and
    /// with it break the order of a customer's events.
    pub fn partitions(self) -> i32 {
        match self {
            Self::Orders => 12,
            Self::Products | Self::Stock => 4,
        }
    }

    /// How long records are kept.
    pub fn retention(self) -> Retention {
        match self {
            Self::Orders | Self::Stock => Retention::Forever,
            Self::Products => Retention::Compacted,
        }
    }

    /// The event types with a schema that may be written to it.
    pub fn event_types(self) -> impl Iterator<Item = EventType> {
        EventType::ALL.into_iter().filter(move |event_type| event_type.topic() == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_type_lives_in_exactly_one_topic() {
        let listed: usize = Topic::ALL.iter().map(|topic| topic.event_types().count()).sum();
        assert_eq!(listed, EventType::ALL.len());
    }
}
