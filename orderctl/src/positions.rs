//! `positions show|acknowledge`: where the projections stand, and the operator's word where a
//! position no longer fits the log. Moves none that fits: that would skip or repeat in silence.

mod command;
mod misfit;
mod store;
#[cfg(test)]
mod tests;

use anyhow::Context;
use events_schema::Topic;

use crate::exit::{Gap, Outcome, Usage};
use crate::log::LogReader;
use crate::{database, output};

pub(crate) use command::Command;
use command::{Acknowledge, Projection};
use misfit::{Log, Misfit};

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Show { projection } => {
                let all = projection.is_empty();
                show(if all { &Projection::ALL } else { &projection }).await
            }
            Self::Acknowledge(asked) => acknowledge(asked).await,
        }
    }
}

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
        for ((topic, partition), stand) in store::all(&mut admin, projection.name()).await? {
            let log = logs.iter().find(|(name, number, _)| *name == topic && *number == partition);
            let said = match log.map(|(_, _, log)| (log, Misfit::between(&stand, log))) {
                None => "is no topic of this deployment".to_owned(),
                Some((log, None)) => format!("fits, {} to read", log.end - stand.next),
                Some((_, Some(misfit))) => misfit.to_string(),
            };
            if !said.starts_with("fits") {
                outcome = Outcome::Differs;
            }
            let (name, next) = (projection.name(), stand.next);
            output::line(format_args!("{name}  {topic}:{partition}  next {next}  {said}"))?;
        }
    }
    Ok(outcome)
}

/// Name on the brokers, partition and what the log is there.
fn logs_of(reader: &LogReader, topic: Topic) -> anyhow::Result<Vec<(String, i32, Log)>> {
    let name = reader.name(topic.name());
    let ids = reader.topic_ids(std::slice::from_ref(&name))?;
    let topic_id = ids.get(&name).context("the broker does not say the topic's id")?;
    let extents = reader.extents(topic.name())?.into_iter();
    let log = |start, end| Log { topic_id: topic_id.clone(), start, end };
    Ok(extents.map(|span| (name.clone(), span.partition, log(span.start, span.end))).collect())
}

async fn acknowledge(asked: Acknowledge) -> anyhow::Result<Outcome> {
    let Acknowledge { projection, topic, partition, to, yes } = asked;
    let mut admin = database::connect().await?;
    let reader = LogReader::from_env()?;
    let logs = tokio::task::block_in_place(|| logs_of(&reader, topic))?;
    let found = logs.into_iter().find(|(_, number, _)| *number == partition);
    let (name, _, log) =
        found.ok_or_else(|| Usage(format!("{} has no partition {partition}", topic.name())))?;
    let to = to.within(&log)?;
    let mut change = store::Change::begin(&mut admin, projection.name(), &name, partition).await?;
    let Some(stand) = change.stand().await? else {
        let projection = projection.name();
        return Err(Gap(format!("{projection} has no position for {name}:{partition}")).into());
    };
    let Some(misfit) = Misfit::between(&stand, &log) else {
        let next = stand.next;
        return Err(Usage(format!(
            "{name}:{partition} is in order: the position {next} fits the log, and stays"
        ))
        .into());
    };
    output::line(format_args!("{}  {name}:{partition}  {misfit}", projection.name()))?;
    for line in misfit::consequences(&stand, &log, to) {
        output::line(format_args!("  {line}"))?;
    }
    if !yes {
        output::line("nothing is changed: say --yes if it is meant")?;
        return Ok(Outcome::Differs);
    }
    change.commit(&log.topic_id, to).await?;
    output::line(format_args!("acknowledged: {name}:{partition} goes on at {to}"))?;
    output::line(format_args!("restart the workers of {}: they take it then", projection.name()))?;
    Ok(Outcome::Fine)
}
