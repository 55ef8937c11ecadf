//! `topics apply`: makes the topics that the contract names. Changes none that exists.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Subcommand;
use events_schema::Topic;
use events_schema::topics::Retention;
use kafka_client::KafkaSettings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::RDKafkaErrorCode;

use crate::exit::Outcome;
use crate::output;
use crate::projection::Projection;

const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A broker that has to make hundreds of partitions at once takes its time.
const LED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// More copies than this buy little; fewer brokers allow fewer.
const REPLICATION_FACTOR_MAX: usize = 3;
/// 90 days: parked records stay in Postgres until somebody deals with them, this is the copy.
const DEAD_LETTERS_KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// As much as a consumer's producer sends: the largest record, its headers, and what is said about it.
const DEAD_LETTER_BYTES_MAX: i32 = 4 * 1_048_576;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the topics that are missing; says what differs in those that exist, and exits 1.
    #[command(after_help = "Example:\n  orderctl topics apply --replication-factor 3")]
    Apply {
        /// Copies of every record [default: the number of brokers, at most 3].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=7))]
        replication_factor: Option<i32>,
    },
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let Self::Apply { replication_factor } = self;
        let settings = KafkaSettings::from_env()?;
        let client = settings.client("orderctl").create().context("could not set up Kafka")?;
        Broker { client, settings }.apply(replication_factor).await
    }
}

struct Broker {
    client: AdminClient<DefaultClientContext>,
    settings: KafkaSettings,
}

/// What a topic is, or is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    partitions: usize,
    /// Of every record.
    copies: usize,
    configs: Vec<(&'static str, String)>,
}

impl Broker {
    async fn apply(&self, replication_factor: Option<i32>) -> anyhow::Result<Outcome> {
        let metadata =
            self.client.inner().fetch_metadata(None, ANSWER_WITHIN).with_context(|| {
                format!("Kafka at {} does not answer", self.settings.bootstrap_servers)
            })?;
        let copies = metadata.brokers().len().clamp(1, REPLICATION_FACTOR_MAX);
        let copies = replication_factor.unwrap_or(i32::try_from(copies)?);
        let (mut outcome, mut created) = (Outcome::Fine, Vec::new());
        for wanted in every_topic(copies) {
            let name = self.settings.prefixed(&wanted.name);
            let found = metadata.topics().iter().find(|t| t.name() == name && t.error().is_none());
            let said = match found {
                None => {
                    created.push(name.clone());
                    self.create(&wanted, &name).await?
                }
                Some(found) => {
                    let partitions = found.partitions();
                    let fewest = partitions.iter().map(|one| one.replicas().len()).min();
                    let found = (partitions.len(), fewest.unwrap_or_default());
                    self.compare(&wanted, &name, found).await?
                }
            };
            outcome = outcome.and(said.0);
            output::line(format_args!("{name}  {}", said.1))?;
        }
        self.until_led(&created).await?;
        Ok(outcome)
    }

    /// A topic is made when the controller says so, and there once a broker leads its partitions: a
    /// busy one takes seconds, and whoever comes first would be told that there is no such topic.
    async fn until_led(&self, names: &[String]) -> anyhow::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + LED_WITHIN;
        loop {
            let Some(name) = self.not_led(names)? else { return Ok(()) };
            if Instant::now() > until {
                bail!("the topic {name} is created, and no broker leads all of its partitions yet");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The first of them that some partition has no leader of.
    fn not_led<'a>(&self, names: &'a [String]) -> anyhow::Result<Option<&'a String>> {
        let metadata = self.client.inner().fetch_metadata(None, ANSWER_WITHIN)?;
        let is_led = |topic: &MetadataTopic| {
            let partitions = topic.partitions();
            topic.error().is_none()
                && !partitions.is_empty()
                && partitions.iter().all(|one| one.error().is_none() && one.leader() >= 0)
        };
        let led: HashSet<&str> =
            metadata.topics().iter().filter(|topic| is_led(topic)).map(|one| one.name()).collect();
        Ok(names.iter().find(|name| !led.contains(name.as_str())))
    }

    async fn create(&self, wanted: &Wanted, name: &str) -> anyhow::Result<(Outcome, String)> {
        let Wanted { partitions, copies, .. } = *wanted;
        let shape = wanted.shape();
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(copies));
        let new = shape.configs.iter().fold(new, |new, (key, value)| new.set(key, value));
        let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN));
        let answers = self.client.create_topics([&new], &options).await;
        match answers.context("could not create the topics")?.pop() {
            // Somebody was quicker; what is there is compared the next time.
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {}
            Some(Err((_, code))) => bail!("could not create the topic {name}: {code}"),
            None => bail!("could not create the topic {name}: no answer"),
        }
        let kept = wanted.kept.word();
        let said = format!("created: {partitions} partitions, {copies} copies, {kept}");
        Ok((Outcome::Fine, said))
    }

    async fn compare(
        &self,
        wanted: &Wanted,
        name: &str,
        (partitions, found_copies): (usize, usize),
    ) -> anyhow::Result<(Outcome, String)> {
        let resource = ResourceSpecifier::Topic(name);
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN));
        let mut answers = self.client.describe_configs([&resource], &options).await?;
        let answer = answers.pop().context("the broker does not describe its topics")?;
        let configs = answer.with_context(|| format!("could not read the settings of {name}"))?;
        let wanted = wanted.shape();
        let value = |key: &str| configs.get(key).and_then(|entry| entry.value.clone());
        let pairs = wanted.configs.iter().map(|(key, _)| (*key, value(key).unwrap_or_default()));
        let found = Shape { partitions, copies: found_copies, configs: pairs.collect() };
        Ok(verdict(&wanted, &found))
    }
}

/// A topic that is to be, under its name without the prefix.
struct Wanted {
    name: String,
    partitions: i32,
    copies: i32,
    kept: Kept,
}

/// How long and how much.
#[derive(Clone, Copy)]
enum Kept {
    Log(Retention),
    DeadLetters,
}

/// Every topic of the contract, then those for what each projection parks of it.
fn every_topic(copies: i32) -> Vec<Wanted> {
    let log = Topic::ALL.into_iter().map(|topic| wanted(topic, copies));
    let letters = Projection::ALL.into_iter().flat_map(|projection| {
        let of = move |topic: &Topic| dead_letters(*topic, projection, copies);
        projection.topics().iter().map(of)
    });
    log.chain(letters).collect()
}

fn wanted(topic: Topic, copies: i32) -> Wanted {
    let (name, partitions) = (topic.name().to_owned(), topic.partitions());
    Wanted { name, partitions, copies, kept: Kept::Log(topic.retention()) }
}

fn dead_letters(topic: Topic, projection: Projection, copies: i32) -> Wanted {
    let (name, partitions) = (topic.dead_letters(projection.name()), topic.partitions());
    Wanted { name, partitions, copies, kept: Kept::DeadLetters }
}

impl Kept {
    fn word(self) -> &'static str {
        match self {
            Self::Log(Retention::Forever) => "kept for ever",
            Self::Log(Retention::Compacted) => "compacted",
            Self::DeadLetters => "kept for 90 days",
        }
    }

    fn configs(self) -> Vec<(&'static str, String)> {
        let delete = |millis: &str| {
            vec![
                ("cleanup.policy", "delete".to_owned()),
                ("retention.ms", millis.to_owned()),
                ("retention.bytes", "-1".to_owned()),
            ]
        };
        match self {
            Self::Log(Retention::Forever) => delete("-1"),
            Self::Log(Retention::Compacted) => vec![("cleanup.policy", "compact".to_owned())],
            Self::DeadLetters => {
                let mut configs = delete(&DEAD_LETTERS_KEPT_MS.to_string());
                configs.push(("max.message.bytes", DEAD_LETTER_BYTES_MAX.to_string()));
                configs
            }
        }
    }
}

impl Wanted {
    fn shape(&self) -> Shape {
        let mut configs = self.kept.configs();
        if self.copies >= 3 {
            // With acks=all an acknowledged record is on two brokers, and one of three may be away.
            configs.push(("min.insync.replicas", "2".to_owned()));
        }
        Shape {
            partitions: usize::try_from(self.partitions).unwrap_or_default(),
            copies: usize::try_from(self.copies).unwrap_or_default(),
            configs,
        }
    }
}

/// Names what differs. Partitions are never changed: a key would move, and its order break.
fn verdict(wanted: &Shape, found: &Shape) -> (Outcome, String) {
    let mut differences = Vec::new();
    if wanted.partitions != found.partitions {
        let (wanted, found) = (wanted.partitions, found.partitions);
        differences.push(format!("has {found} partitions instead of {wanted}"));
    }
    if wanted.copies != found.copies {
        let (wanted, found) = (wanted.copies, found.copies);
        differences.push(format!("has {found} copies instead of {wanted}"));
    }
    for (key, value) in &wanted.configs {
        let other = found.configs.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let other = other.map_or("unset", String::as_str);
        if other != value {
            differences.push(format!("has {key}={other} instead of {value}"));
        }
    }
    match differences.is_empty() {
        true => (Outcome::Fine, "exists as it should".to_owned()),
        false => (Outcome::Differs, differences.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_as_the_contract_wants_it_is_left_alone() {
        let shape = wanted(Topic::Orders, 1).shape();
        assert_eq!(verdict(&shape, &shape).0, Outcome::Fine);
    }

    #[test]
    fn another_partition_count_is_named_and_fails() {
        let shape = wanted(Topic::Orders, 1).shape();
        let (outcome, said) = verdict(&shape, &Shape { partitions: 6, ..shape.clone() });
        assert_eq!(outcome, Outcome::Differs);
        assert_eq!(said, "has 6 partitions instead of 12");
    }

    #[test]
    fn fewer_copies_and_fewer_that_acknowledge_are_named_and_fail() {
        let mut found = wanted(Topic::Orders, 1).shape();
        found.configs.push(("min.insync.replicas", "1".to_owned()));
        let (outcome, said) = verdict(&wanted(Topic::Orders, 3).shape(), &found);
        assert_eq!(outcome, Outcome::Differs);
        assert_eq!(said, "has 1 copies instead of 3; has min.insync.replicas=1 instead of 2");
    }

    #[test]
    fn orders_that_would_expire_are_named_and_fail() {
        let shape = wanted(Topic::Orders, 1).shape();
        let mut found = shape.clone();
        found.configs.retain(|(key, _)| *key != "retention.ms");
        found.configs.push(("retention.ms", "604800000".to_owned()));
        let (outcome, said) = verdict(&shape, &found);
        assert_eq!(outcome, Outcome::Differs);
        assert_eq!(said, "has retention.ms=604800000 instead of -1");
    }

    #[test]
    fn three_copies_are_acknowledged_by_two() {
        let configs = wanted(Topic::Products, 3).shape().configs;
        assert!(configs.contains(&("min.insync.replicas", "2".to_owned())));
        assert!(
            !wanted(Topic::Products, 1)
                .shape()
                .configs
                .iter()
                .any(|(key, _)| key.starts_with("min"))
        );
    }

    #[test]
    fn what_a_projection_parks_of_a_topic_has_a_topic_with_the_same_partitions() {
        let names: Vec<_> = every_topic(1).into_iter().map(|wanted| wanted.name).collect();
        let expected = [
            "orders",
            "products",
            "stock",
            "orders.dead-letters.inventory",
            "products.dead-letters.inventory",
            "stock.dead-letters.inventory",
            "orders.dead-letters.confirmation-email",
            "products.dead-letters.confirmation-email",
            "orders.dead-letters.analytics",
            "products.dead-letters.analytics",
        ];
        assert_eq!(names, expected);
        let shape = dead_letters(Topic::Orders, Projection::Inventory, 3).shape();
        assert_eq!(shape.partitions, wanted(Topic::Orders, 3).shape().partitions);
        let configs = shape.configs.iter().map(|(key, value)| format!("{key}={value}"));
        let expected = "cleanup.policy=delete retention.ms=7776000000 retention.bytes=-1 \
                        max.message.bytes=4194304 min.insync.replicas=2";
        assert_eq!(configs.collect::<Vec<_>>().join(" "), expected);
    }
}
