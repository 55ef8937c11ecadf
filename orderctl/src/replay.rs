//! `replay`: topics as JSON lines, in order per partition, up to where they end now. Changes nothing.

mod filter;
mod line;
mod start;

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use events_schema::reading::{Invalid, LogRecord};
use events_schema::wire::SchemaId;
use events_schema::{CustomerId, Event, EventType, OrderId, Topic};
use schema_registry::RegistryError;

use crate::decoding::{self, Decoding, written_at};
use crate::exit::Outcome;
use crate::log::{LogReader, Span};
use crate::output::written;
use crate::schemas;

use filter::{Filter, Record};
use line::Style;
use start::{FromOffset, Start};

/// What to replay.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  orderctl replay orders | jq 'select(.type == \"OrderRejected\") | .event.shortages'
  orderctl replay orders --customer 1364 --from-time 2026-11-01T00:00:00Z
  orderctl replay orders --partition 3 --from-offset 3:120000 --limit 10
  orderctl replay products stock > shelf.jsonl

Times inside an event are microseconds since 1970, as in the log. A whole number beyond 2^53 - 1,
and each fingerprint, is a string of its digits: jq and browsers read numbers as doubles.
Exits 3, naming the first offset there is, where the log no longer holds the start.")]
pub(crate) struct Args {
    /// Which topics, one after the other: orders, products, stock.
    #[arg(required = true)]
    topics: Vec<String>,
    /// Records written at or after this time (RFC 3339).
    #[arg(long, value_name = "TIME", conflicts_with = "from_offset")]
    from_time: Option<DateTime<Utc>>,
    /// From this offset of every partition, or of partition P; the other partitions from their
    /// beginning.
    #[arg(long, value_name = "N|P:N")]
    from_offset: Vec<FromOffset>,
    /// Only this partition; may be repeated.
    #[arg(long, value_name = "P")]
    partition: Vec<i32>,
    /// Only events of this type, such as OrderPlaced; may be repeated.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    event_type: Vec<EventType>,
    /// Only events of this customer.
    #[arg(long, value_name = "ID")]
    customer: Option<CustomerId>,
    /// Only events of this order.
    #[arg(long, value_name = "UUID")]
    order: Option<OrderId>,
    /// At most so many lines.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Prints the records' headers too.
    #[arg(long)]
    headers: bool,
    /// Prints names and e-mail addresses, and the bytes of records that cannot be decoded; both
    /// are left out otherwise.
    #[arg(long)]
    with_personal_data: bool,
}

fn event_type(text: &str) -> Result<EventType, String> {
    let named = |event_type: &EventType| event_type.name() == text;
    let every = || EventType::ALL.into_iter().chain([EventType::TOMBSTONE]);
    let found = every().find(named).or(EventType::from_full_name(text));
    let names = || every().map(EventType::name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("must be one of {}", names()))
}

/// Replays to standard output.
pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let decoding = Decoding::new(decoding::asking(schemas::registry()?));
    let reader = LogReader::from_env()?;
    tokio::task::block_in_place(|| {
        let out = BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
        Replay::new(&args, decoding, out).run(&reader)
    })?;
    Ok(Outcome::Fine)
}

/// The first whole millisecond that is not before the time.
fn first_millis(time: DateTime<Utc>) -> i64 {
    let millis = time.timestamp_millis();
    millis + i64::from(!time.timestamp_subsec_nanos().is_multiple_of(1_000_000))
}

struct Replay<'a, A, W> {
    args: &'a Args,
    filter: Filter,
    style: Style,
    decoding: Decoding<A>,
    out: W,
    left: u64,
}

impl<'a, A: Fn(SchemaId) -> Result<String, RegistryError>, W: Write> Replay<'a, A, W> {
    fn new(args: &'a Args, decoding: Decoding<A>, out: W) -> Self {
        let filter = Filter {
            types: args.event_type.clone(),
            customer: args.customer.clone(),
            order: args.order,
            not_before: args.from_time.map(first_millis),
        };
        let style = Style { headers: args.headers, personal_data: args.with_personal_data };
        Self { args, filter, style, decoding, out, left: args.limit.unwrap_or(u64::MAX) }
    }

    /// What is wrong with any topic is said before anything is printed.
    fn run(mut self, reader: &LogReader) -> anyhow::Result<()> {
        let topics: Vec<&'a String> = self.args.topics.iter().collect();
        let spans: anyhow::Result<Vec<_>> =
            topics.iter().map(|topic| self.spans(reader, topic)).collect();
        for (topic, spans) in topics.into_iter().zip(spans?) {
            if self.left > 0 {
                self.topic(reader, topic, &spans)?;
            }
        }
        written(self.out.flush())
    }

    fn spans(&self, reader: &LogReader, topic: &str) -> anyhow::Result<Vec<Span>> {
        let extents = start::chosen(topic, reader.extents(topic)?, &self.args.partition)?;
        start::fits(topic, &extents, &self.args.from_offset)?;
        let start = match self.filter.not_before {
            Some(millis) => Start::Found(reader.offsets_at(topic, &extents, millis)?),
            None => Start::Named(self.args.from_offset.clone()),
        };
        Ok(start::spans(topic, &extents, &start)?)
    }

    fn topic(&mut self, reader: &LogReader, topic: &str, spans: &[Span]) -> anyhow::Result<()> {
        reader.read(topic, spans, |message| {
            let Some(record) = self.filter.take(message) else {
                return Ok(ControlFlow::Continue(()));
            };
            let event = self.event(topic, &record)?;
            if !self.filter.passes(&record, event.as_ref().ok()) {
                return Ok(ControlFlow::Continue(()));
            }
            written(self.style.write(&mut self.out, topic, &record, event.as_ref()))?;
            self.left -= 1;
            Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }

    /// The event that the record is for whoever reads its topic; a topic of copies has no rule.
    fn event(
        &mut self,
        topic: &str,
        record: &Record<'_>,
    ) -> Result<Result<Event, String>, RegistryError> {
        let Some(topic) = Topic::from_name(topic) else {
            let decoded = record.value.map(|value| self.decoding.value(value)).transpose()?;
            let decoded = decoded.ok_or_else(|| Invalid::NoValue.to_string());
            return Ok(decoded.and_then(|event| event.map_err(|why| why.to_string())));
        };
        let (key, value, envelope) = (record.key, record.value, &record.envelope);
        let recorded_at = written_at(record.millis);
        let record = LogRecord { topic, key, value, envelope, recorded_at };
        Ok(self.decoding.read(&record)?.event.map_err(|why| why.to_string()))
    }
}

#[cfg(test)]
mod mock_tests;
