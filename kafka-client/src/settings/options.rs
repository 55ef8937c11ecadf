//! What an operator may say to librdkafka, and how it is written. Sets nothing.

use chassis::settings::SettingsError;
use secrecy::SecretString;

/// The setting that holds them.
pub const OPTIONS: &str = "KAFKA_OPTIONS";

/// What a promise hangs on is not for an operator to change: that nothing is lost, doubled or read too
/// early, that a key has one partition, that an answer comes in time, that readiness is known, that a dead
/// letter that is too large is refused alone.
pub(super) const PROMISED: [&str; 29] = [
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "transactional.id",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "request.timeout.ms",
    "partitioner",
    "queue.buffering.max.messages",
    "queue.buffering.max.kbytes",
    "message.max.bytes",
    "batch.num.messages",
    "enable.auto.commit",
    "auto.commit.enable",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "isolation.level",
    "enable.partition.eof",
    "check.crcs",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "group.protocol",
    "group.remote.assignor",
    "group.id",
    "group.instance.id",
    "bootstrap.servers",
    "metadata.broker.list",
    "allow.auto.create.topics",
    "statistics.interval.ms",
];

pub(super) fn is_promised(name: &str) -> bool {
    PROMISED.contains(&name)
}

/// `name=value` pairs between commas; a backslash takes the next character as it is.
pub(super) fn options(text: &str) -> Result<Vec<(String, SecretString)>, SettingsError> {
    let pairs = pieces(text).into_iter().filter(|piece| !piece.trim().is_empty());
    let pair = |piece: String| {
        let expected = SettingsError::Invalid(OPTIONS, "name=value,name=value");
        let (name, value) = piece.split_once('=').ok_or(expected)?;
        Ok((name.trim().to_owned(), value.trim().into()))
    };
    pairs.map(pair).collect()
}

fn pieces(text: &str) -> Vec<String> {
    let (mut pieces, mut piece) = (Vec::new(), String::new());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ',' => pieces.push(std::mem::take(&mut piece)),
            '\\' => piece.extend(letters.next()),
            other => piece.push(other),
        }
    }
    pieces.push(piece);
    pieces
}
