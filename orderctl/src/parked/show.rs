//! `parked show`: all that is known of one record. Changes nothing.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::command::{Show, State};
use crate::audit::Entry;
use crate::exit::{Outcome, Usage};
use crate::{database, output};

#[derive(sqlx::FromRow)]
struct Row {
    topic: String,
    topic_id: String,
    partition: i32,
    record_offset: i64,
    subject: Option<String>,
    event_id: Option<Uuid>,
    event_type: Option<String>,
    cause: String,
    detail: String,
    blocked_by: Option<i64>,
    record_key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    headers: Value,
    recorded_at: DateTime<Utc>,
    attempts: i32,
    redrives_failed: i32,
    parked_at: DateTime<Utc>,
    dead_lettered_at: Option<DateTime<Utc>>,
    state: String,
}

pub(super) async fn run(admin: &mut PgConnection, args: Show) -> anyhow::Result<Outcome> {
    database::enter(admin, args.projection).await?;
    let row = sqlx::query_as("SELECT * FROM parked WHERE id = $1").bind(args.id);
    let row: Option<Row> = database::answered(row.fetch_optional(&mut *admin)).await?;
    let audit =
        sqlx::query_as("SELECT * FROM audit WHERE parked_id = $1 ORDER BY id").bind(args.id);
    let audit: Vec<Entry> = database::answered(audit.fetch_all(admin)).await?;
    if let Some(row) = &row {
        row.print(args.with_personal_data)?;
    }
    for entry in &audit {
        output::line(format_args!("audit: {}", entry.line()))?;
    }
    if row.is_none() && audit.is_empty() {
        return Err(
            Usage(format!("{} has no parked record {}", args.projection.name(), args.id)).into()
        );
    }
    Ok(Outcome::Fine)
}

impl Row {
    fn print(&self, with_personal_data: bool) -> anyhow::Result<()> {
        let say = |name: &str, value: &dyn std::fmt::Display| {
            output::line(format_args!("{name}: {value}"))
        };
        let given_up = " (given up: it is never applied, and clients are told so)";
        let given_up = if self.state == State::Discarded.word() { given_up } else { "" };
        say("state", &format!("{}{given_up}", self.state))?;
        say("place", &format!("{}:{}@{}", self.topic, self.partition, self.record_offset))?;
        say("topic id", &self.topic_id)?;
        say("recorded", &self.recorded_at.to_rfc3339())?;
        say("subject", &self.subject.as_deref().unwrap_or("none"))?;
        say("event", &self.event_type.as_deref().unwrap_or("unknown"))?;
        say("event id", &self.event_id.map_or("none".to_owned(), |id| id.to_string()))?;
        say("cause", &self.cause)?;
        say("detail", &self.detail)?;
        if let Some(head) = self.blocked_by {
            say("parked behind", &head)?;
        }
        say("parked", &self.parked_at.to_rfc3339())?;
        say("attempts", &self.attempts)?;
        say("redrives failed", &self.redrives_failed)?;
        let copied = self.dead_lettered_at.map(|at| at.to_rfc3339());
        say("in the dead-letter topic", &copied.as_deref().unwrap_or("not yet"))?;
        if !with_personal_data {
            let bytes =
                self.payload.as_ref().map_or("none".to_owned(), |v| format!("{} bytes", v.len()));
            return say("value", &format!("{bytes} (--with-personal-data prints them)"));
        }
        let base64 = |bytes: &Option<Vec<u8>>| {
            bytes.as_ref().map_or("none".to_owned(), |bytes| BASE64_STANDARD.encode(bytes))
        };
        say("headers", &self.headers)?;
        say("key (base64)", &base64(&self.record_key))?;
        say("value (base64)", &base64(&self.payload))
    }
}
