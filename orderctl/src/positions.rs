//! `positions show|ack-gap|set|admit|start`: where the projections stand, and the operator's word where one
//! cannot go on by itself. Nothing is skipped or repeated in silence.

mod command;
mod stand;
mod start;
mod store;
#[cfg(test)]
mod tests;

use anyhow::Context;
use events_schema::Topic;
use kafka_client::LogState;
use serde_json::json;

use crate::exit::{Gap, Outcome, Usage};
use crate::log::LogReader;
use crate::{database, output};

pub(crate) use command::Command;
use command::{Admit, Move, Place, Projection, To};

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Show { projection } => {
                let all = projection.is_empty();
                show(if all { &Projection::ALL } else { &projection }).await
            }
            Self::AckGap(asked) => go_on(asked, Why::Gap).await,
            Self::Set(asked) => go_on(asked, Why::Choice).await,
            Self::Admit(asked) => admit(asked).await,
            Self::Start(asked) => start::run(asked).await,
        }
    }
}

/// Where nothing is the matter.
const FITS: &str = "fits";

/// One line per partition.
async fn show(projections: &[Projection]) -> anyhow::Result<Outcome> {
    let mut admin = database::connect().await?;
    let reader = LogReader::from_env()?;
    let mut logs = Vec::new();
    for topic in Topic::ALL {
        logs.extend(tokio::task::block_in_place(|| logs_of(&reader, topic))?);
    }
    let mut outcome = Outcome::Fine;
    for projection in projections {
        let stands = store::all(&mut admin, *projection).await?;
        let topics: Vec<String> =
            projection.topics().iter().map(|topic| reader.name(topic.name())).collect();
        let has_past =
            logs.iter().any(|(name, _, log)| topics.contains(name) && log.start < log.end);
        if stands.is_empty() && has_past {
            outcome = Outcome::Differs;
            let name = projection.name();
            output::line(format_args!(
                "{name}  unstarted: say where it begins with positions start"
            ))?;
        }
        for ((topic, partition), stand) in stands {
            let log = logs.iter().find(|(name, number, _)| *name == topic && *number == partition);
            let said = match log.map(|(_, _, log)| (log, stand.misfit(log))) {
                None => "is no topic of this deployment".to_owned(),
                Some((log, None)) => {
                    let state = stand.stopped.as_deref().unwrap_or(FITS);
                    format!("{state}, {} to read", log.end - stand.next)
                }
                Some((_, Some(misfit))) => misfit.to_string(),
            };
            if !said.starts_with(FITS) {
                outcome = Outcome::Differs;
            }
            let (name, next) = (projection.name(), stand.next);
            output::line(format_args!("{name}  {topic}:{partition}  next {next}  {said}"))?;
        }
    }
    Ok(outcome)
}

/// Name on the brokers, partition and what the log is there.
fn logs_of(reader: &LogReader, topic: Topic) -> anyhow::Result<Vec<(String, i32, LogState)>> {
    let name = reader.name(topic.name());
    let ids = reader.topic_ids(std::slice::from_ref(&name))?;
    let topic_id = ids.get(&name).context("the broker does not say the topic's id")?;
    let extents = reader.extents(topic.name())?.into_iter();
    let log = |start, end| LogState { topic_id: topic_id.clone(), start, end };
    Ok(extents.map(|span| (name.clone(), span.partition, log(span.start, span.end))).collect())
}

/// Why a position is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It does not fit the log.
    Gap,
    /// It does, and the operator wants it elsewhere.
    Choice,
}

async fn go_on(asked: Move, why: Why) -> anyhow::Result<Outcome> {
    let Move { place, to, yes, actor } = asked;
    let (name, log) = log_of(&place)?;
    let (projection, partition) = (place.projection, place.partition);
    let to = to.within(&log)?;
    let mut admin = database::connect().await?;
    let mut change = store::Change::begin(&mut admin, projection, &name, partition).await?;
    let stand = held(&mut change, &place, &name).await?;
    let what = format!("{}  {name}:{partition}", projection.name());
    let mut said = match (why, stand.misfit(&log)) {
        (Why::Gap, Some(misfit)) => vec![format!("{what}  {misfit}")],
        (Why::Gap, None) => return Err(in_order(&name, partition, stand.next)),
        (Why::Choice, None) => vec![format!("{what}  next {}", stand.next)],
        (Why::Choice, Some(misfit)) => {
            let instead = "say what is to become of that with ack-gap";
            return Err(Usage(format!("{name}:{partition}: {misfit}; {instead}")).into());
        }
    };
    said.extend(stand::consequences(&stand, &log, to).iter().map(|line| format!("  {line}")));
    if !yes {
        return leave(change, &said).await;
    }
    change.go_on_at(&log.topic_id, to).await?;
    let action = if why == Why::Gap { "gap-acknowledged" } else { "position-set" };
    let detail = json!({ "from": stand.next, "to": to, "topic_id": log.topic_id });
    change.commit(&actor.name(), action, detail).await?;
    said.push(format!("{name}:{partition} goes on at {to}, within seconds"));
    say(&said)?;
    Ok(Outcome::Fine)
}

/// Once the position is held no more: whoever reads may be in no hurry.
fn say(lines: &[String]) -> anyhow::Result<()> {
    lines.iter().try_for_each(output::line)
}

fn in_order(name: &str, partition: i32, next: i64) -> anyhow::Error {
    let fits = format!("the position {next} fits the log, and stays");
    Usage(format!("{name}:{partition} is in order: {fits}")).into()
}

async fn leave(change: store::Change<'_>, said: &[String]) -> anyhow::Result<Outcome> {
    change.leave().await?;
    say(said)?;
    not_meant()
}

fn not_meant() -> anyhow::Result<Outcome> {
    output::line("nothing is changed: say --yes if it is meant")?;
    Ok(Outcome::Differs)
}

/// The topic's name on the brokers, and what its partition is there.
fn log_of(place: &Place) -> anyhow::Result<(String, LogState)> {
    let reader = LogReader::from_env()?;
    let logs = tokio::task::block_in_place(|| logs_of(&reader, place.topic))?;
    let found = logs.into_iter().find(|(_, number, _)| *number == place.partition);
    let (topic, partition) = (place.topic.name(), place.partition);
    let absent = || Usage(format!("{topic} has no partition {partition}"));
    Ok(found.map(|(name, _, log)| (name, log)).ok_or_else(absent)?)
}

async fn held(
    change: &mut store::Change<'_>,
    place: &Place,
    name: &str,
) -> anyhow::Result<stand::Stand> {
    let (projection, partition) = (place.projection.name(), place.partition);
    let absent = || Gap(format!("{projection} has no position for {name}:{partition}"));
    Ok(change.stand().await?.ok_or_else(absent)?)
}

async fn admit(asked: Admit) -> anyhow::Result<Outcome> {
    let Admit { place, until, yes, actor } = asked;
    let (name, log) = log_of(&place)?;
    let below = match until {
        To::Beginning => return Err(Usage("--until must be end or an offset".to_owned()).into()),
        other => other.within(&log)?,
    };
    let mut admin = database::connect().await?;
    let partition = place.partition;
    let mut change = store::Change::begin(&mut admin, place.projection, &name, partition).await?;
    let stand = held(&mut change, &place, &name).await?;
    let (state, next) = (stand.stopped.as_deref().unwrap_or("not stopped"), stand.next);
    let mut said = vec![
        format!("{}  {name}:{partition}  {state}", place.projection.name()),
        format!("  what fails from {next} to below {below} parks, all of it"),
    ];
    if !yes {
        return leave(change, &said).await;
    }
    change.admit(below).await?;
    change.commit(&actor.name(), "admitted", json!({ "from": next, "below": below })).await?;
    said.push(format!("{name}:{partition} is tried again within seconds"));
    say(&said)?;
    Ok(Outcome::Fine)
}
