//! Who did what to positions, parked records and mails: written by the verbs that do it, printed by `audit`.

use anyhow::Context;
use chassis::settings;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::exit::Outcome;
use crate::projection::Projection;
use crate::{database, output};

/// Who is acting.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Actor {
    /// Whose name the audit is to show [default: user@host].
    #[arg(long = "actor", value_name = "NAME", env = "ORDERFLOW_ACTOR")]
    name: Option<String>,
}

/// The longest name that is taken.
const NAME_CHARS_MAX: usize = 100;

impl Actor {
    pub(crate) fn name(self) -> String {
        let or_unknown = |name: Option<String>| name.unwrap_or_else(|| "unknown".to_owned());
        let name = self.name.unwrap_or_else(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
            let user = settings::optional("USER").or_else(|| settings::optional("LOGNAME"));
            format!("{}@{}", or_unknown(user), or_unknown(host).trim())
        });
        name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
    }
}

/// Prints who did what to positions, parked records and mails, the last first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  orderctl audit --projection inventory --limit 20")]
pub(crate) struct Args {
    /// Only of this projection; may be repeated.
    #[arg(long, value_name = "NAME")]
    projection: Vec<Projection>,
    /// Only what was done about this order or SKU.
    #[arg(long, visible_alias = "order", value_name = "ID")]
    subject: Option<String>,
    /// So many lines of each projection.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// A row of the audit.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Entry {
    pub(crate) at: DateTime<Utc>,
    pub(crate) actor: String,
    pub(crate) action: String,
    topic: Option<String>,
    partition: Option<i32>,
    record_offset: Option<i64>,
    subject: Option<String>,
    detail: Value,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<Outcome> {
    let mut admin = database::connect().await?;
    for projection in Projection::these(&args.projection) {
        database::enter(&mut admin, projection).await?;
        let query = sqlx::query_as(
            "SELECT at, actor, action, topic, partition, record_offset, subject, detail FROM audit
             WHERE $1::text IS NULL OR subject = $1 ORDER BY id DESC LIMIT $2",
        );
        let query = query.bind(&args.subject).bind(i64::from(args.limit));
        let entries: Vec<Entry> = database::answered(query.fetch_all(&mut admin)).await?;
        for entry in entries {
            output::line(format_args!("{}  {}", projection.name(), entry.line()))?;
        }
    }
    Ok(Outcome::Fine)
}

impl Entry {
    pub(crate) fn line(&self) -> String {
        let at = self.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut line = format!("{at}  {}  {}", self.actor, self.action);
        if let (Some(topic), Some(partition)) = (&self.topic, self.partition) {
            line += &format!("  {topic}:{partition}");
            line += &self.record_offset.map(|offset| format!("@{offset}")).unwrap_or_default();
        }
        line += &self.subject.as_ref().map(|subject| format!("  {subject}")).unwrap_or_default();
        if self.detail.as_object().is_some_and(|detail| !detail.is_empty()) {
            line += &format!("  {}", self.detail);
        }
        line
    }
}

/// What was done to a position.
pub(crate) struct PositionEntry<'a> {
    pub(crate) actor: &'a str,
    pub(crate) action: &'static str,
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) detail: Value,
}

impl PositionEntry<'_> {
    /// In the transaction that does it, whose search path is the projection's.
    pub(crate) async fn write(self, conn: &mut PgConnection) -> anyhow::Result<()> {
        let insert = "INSERT INTO audit (actor, action, topic, partition, detail)
                      VALUES ($1, $2, $3, $4, $5)";
        let insert = sqlx::query(insert).bind(self.actor).bind(self.action).bind(self.topic);
        let insert = insert.bind(self.partition).bind(self.detail);
        insert.execute(conn).await.context("could not write the audit")?;
        Ok(())
    }
}
