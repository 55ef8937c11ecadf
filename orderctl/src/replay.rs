//! `replay`: topics as JSON lines, in order per partition, up to where they end now. Changes nothing.

mod filter;
mod line;
mod printer;
mod render;
mod start;

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;

use chrono::{DateTime, Utc};
use events_schema::wire::SchemaId;
use events_schema::{CustomerId, EventType, OrderId};
use kafka_client::FetchedRecord;
use schema_registry::RegistryError;

use crate::decoding::{self, Decoding};
use crate::exit::Outcome;
use crate::log::{LogReader, Span};
use crate::schemas;

use filter::Filter;
use line::Style;
use printer::Printer;
use render::{Lines, Renderer};
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
    let registry = schemas::registry_settings()?;
    let reader = LogReader::from_env()?;
    tokio::task::block_in_place(|| {
        let registry = decoding::Later::new(registry);
        // It reads every certificate that it may trust, which takes as long as the brokers' first answers.
        thread::scope(|threads| {
            threads.spawn(|| registry.get());
            Replay::new(&args, registry.asking(), std::io::stdout()).run(&reader)
        })
    })?;
    Ok(Outcome::Fine)
}

/// The first whole millisecond that is not before the time.
fn first_millis(time: DateTime<Utc>) -> i64 {
    let millis = time.timestamp_millis();
    millis + i64::from(!time.timestamp_subsec_nanos().is_multiple_of(1_000_000))
}

/// Most threads that render: more would wait for the one that reads.
const RENDERERS_MAX: usize = 4;

struct Replay<'a, A, W> {
    args: &'a Args,
    filter: Filter,
    style: Style,
    ask: A,
    printer: Printer<W>,
    /// How many batches were read.
    batches: u64,
}

/// A batch on its way to whoever renders it, with its number.
type Numbered<'a> = (u64, Vec<FetchedRecord<'a>>);

impl<'a, A, W> Replay<'a, A, W>
where
    A: Fn(SchemaId) -> Result<String, RegistryError> + Sync,
    W: Write + Send,
{
    fn new(args: &'a Args, ask: A, out: W) -> Self {
        let filter = Filter {
            types: args.event_type.clone(),
            customer: args.customer.clone(),
            order: args.order,
            not_before: args.from_time.map(first_millis),
        };
        let style = Style { headers: args.headers, personal_data: args.with_personal_data };
        let printer = Printer::new(out, args.limit.unwrap_or(u64::MAX));
        Self { args, filter, style, ask, printer, batches: 0 }
    }

    /// What is wrong with any topic is said before anything is printed.
    fn run(mut self, reader: &LogReader) -> anyhow::Result<()> {
        let topics: Vec<&'a String> = self.args.topics.iter().collect();
        let spans: anyhow::Result<Vec<_>> =
            topics.iter().map(|topic| self.spans(reader, topic)).collect();
        for (topic, spans) in topics.into_iter().zip(spans?) {
            if !self.printer.has_ended() {
                self.topic(reader, topic, &spans)?;
            }
        }
        self.printer.end()
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

    /// Reads on this thread and renders on others, of which each has one batch in hand and one that
    /// waits: where they are slow, no more is read.
    fn topic(&mut self, reader: &LogReader, topic: &str, spans: &[Span]) -> anyhow::Result<()> {
        let renderers = thread::available_parallelism().map_or(1, |cores| cores.get());
        let renderers = renderers.min(RENDERERS_MAX);
        let (sender, receiver) = mpsc::sync_channel(renderers);
        let (receiver, first) = (Mutex::new(receiver), self.batches);
        let mut read = 0;
        thread::scope(|threads| {
            for _ in 0..renderers {
                threads.spawn(|| self.render(topic, &receiver));
            }
            // Its end is that of the renderers.
            let sender = sender;
            reader.read_batches(topic, spans, |batch| {
                let is_taken = sender.send((first + read, batch)).is_ok();
                read += 1;
                Ok(match is_taken && !self.printer.has_ended() {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                })
            })
        })?;
        self.batches += read;
        Ok(())
    }

    fn render(&self, topic: &str, batches: &Mutex<Receiver<Numbered<'_>>>) {
        let _waited_for = WaitedFor(&self.printer);
        let (filter, style, decoding) = (&self.filter, self.style, Decoding::new(&self.ask));
        let mut renderer = Renderer { topic, filter, style, decoding };
        let mut lines = Lines::default();
        let next = || batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        while let Ok((number, batch)) = next() {
            if !self.printer.has_ended() {
                renderer.render(batch, &mut lines);
                self.printer.print(number, &mut lines);
            }
        }
    }
}

/// A thread that the others wait for: not for ever, where it panics.
struct WaitedFor<'a, W: Write>(&'a Printer<W>);

impl<W: Write> Drop for WaitedFor<'_, W> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.give_up();
        }
    }
}

#[cfg(test)]
mod mock_tests;
