//! `mails …`: what became of the mails, and the operator's word on it. Sends nothing itself: a mail
//! that is queued again is a row, which the couriers of confirmation-email take up.

mod change;
mod command;
mod list;
mod show;
#[cfg(test)]
mod tests;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use uuid::Uuid;

use crate::exit::Outcome;
use crate::projection::Projection;
use crate::{database, output};

pub(crate) use command::Command;
use command::Which;

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        self.run_as(&mut database::connect().await?).await
    }

    pub(crate) async fn run_as(self, admin: &mut PgConnection) -> anyhow::Result<Outcome> {
        database::enter(admin, Projection::ConfirmationEmail).await?;
        match self {
            Self::List(args) => list::run(admin, args).await,
            Self::Show(args) => show::run(admin, args).await,
            Self::Resend(args) => change::resend(admin, args).await,
            Self::Settle(args) => change::settle(admin, args).await,
        }
    }
}

/// A row of the ledger, without anything that only its customer should see.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Mail {
    event_id: Uuid,
    customer_id: String,
    order_id: Uuid,
    kind: String,
    state: String,
    cause: Option<String>,
    attempts: i32,
    /// Since when it is in its state.
    since: DateTime<Utc>,
}

/// Which rows fit: $1 to $7 are bound by [`bound`].
macro_rules! fits {
    () => {
        "state = ANY($1) AND ($2::text IS NULL OR cause = $2)
         AND ($3::text IS NULL OR customer_id = $3) AND ($4::uuid IS NULL OR order_id = $4)
         AND ($5::uuid IS NULL OR event_id = $5)
         AND ($6::timestamptz IS NULL OR COALESCE(finished_at, queued_at) >= $6)
         AND ($7::timestamptz IS NULL OR COALESCE(finished_at, queued_at) < $7)"
    };
}
use fits;

type Mails<'q> = QueryAs<'q, sqlx::Postgres, Mail, PgArguments>;

fn bound<'q>(query: Mails<'q>, states: &[&'static str], which: &Which) -> Mails<'q> {
    let query = query.bind(states.to_vec()).bind(which.cause.clone());
    let query = query.bind(which.customer.clone()).bind(which.order).bind(which.id);
    query.bind(which.since).bind(which.until)
}

impl Mail {
    fn print(&self) -> anyhow::Result<()> {
        output::line(self.line())
    }

    fn line(&self) -> String {
        let Self { event_id, order_id, kind, state, attempts, .. } = self;
        let cause = self.cause.as_deref().unwrap_or("-");
        let since = self.since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let customer = shown(&self.customer_id);
        format!(
            "{event_id}  {customer}  order {order_id}  {kind}  {state}  {cause}  \
             {attempts} attempts  since {since}"
        )
    }
}

/// A customer's id is the client's choice: one that is an address is not for everybody's eyes.
fn shown(customer_id: &str) -> &str {
    if customer_id.contains('@') { "<address>" } else { customer_id }
}
