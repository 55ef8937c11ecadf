//! `mails show`: all that is known of a mail. Changes nothing.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::command::Show;
use super::shown;
use crate::audit::Entry;
use crate::database::answered;
use crate::exit::{Outcome, Usage};
use crate::output;

#[derive(sqlx::FromRow)]
struct Row {
    customer_id: String,
    order_id: Uuid,
    kind: String,
    state: String,
    cause: Option<String>,
    reply: Option<String>,
    attempts: i32,
    occurred_at: DateTime<Utc>,
    queued_at: DateTime<Utc>,
    next_attempt_at: DateTime<Utc>,
    held_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    name: Option<String>,
    email: Option<String>,
}

pub(super) async fn run(admin: &mut PgConnection, args: Show) -> anyhow::Result<Outcome> {
    let rows = sqlx::query_as(
        "SELECT mails.*, name, email FROM mails LEFT JOIN orders USING (order_id, customer_id)
         WHERE event_id = $1 ORDER BY customer_id",
    )
    .bind(args.id);
    let rows: Vec<Row> = answered(rows.fetch_all(&mut *admin)).await?;
    if rows.is_empty() {
        return Err(Usage(format!("there is no mail about event {}", args.id)).into());
    }
    for row in &rows {
        row.print(args.id, args.with_personal_data)?;
    }
    let audit = sqlx::query_as(
        "SELECT * FROM audit WHERE subject = $1 AND detail ->> 'event_id' = $2 ORDER BY id",
    )
    .bind(rows.first().map(|row| row.order_id.to_string()))
    .bind(args.id.to_string());
    let audit: Vec<Entry> = answered(audit.fetch_all(admin)).await?;
    for entry in audit {
        output::line(format_args!("audit: {}", entry.line()))?;
    }
    Ok(Outcome::Fine)
}

impl Row {
    fn print(&self, id: Uuid, with_personal_data: bool) -> anyhow::Result<()> {
        let say = |name: &str, value: &dyn Display| output::line(format_args!("{name}: {value}"));
        say("mail", &id)?;
        say("customer", &shown(&self.customer_id))?;
        say("order", &self.order_id)?;
        say("tells", &self.kind)?;
        say("state", &self.state)?;
        say("cause", &self.cause.as_deref().unwrap_or("none"))?;
        say("the server said", &self.reply.as_deref().unwrap_or("nothing"))?;
        say("attempts", &self.attempts)?;
        say("came about", &self.occurred_at.to_rfc3339())?;
        say("queued", &self.queued_at.to_rfc3339())?;
        if self.state == "queued" {
            say("next attempt", &self.next_attempt_at.to_rfc3339())?;
        }
        if let Some(held) = self.held_at.filter(|_| self.state == "queued") {
            say("held since the server refused us", &held.to_rfc3339())?;
        }
        if let Some(finished) = self.finished_at {
            say("finished", &finished.to_rfc3339())?;
        }
        if !with_personal_data {
            let known = if self.email.is_some() { "known" } else { "none" };
            return say("address", &format!("{known} (--with-personal-data prints it)"));
        }
        say("name", &self.name.as_deref().unwrap_or("none"))?;
        say("address", &self.email.as_deref().unwrap_or("none"))
    }
}
