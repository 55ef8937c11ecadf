//! `mails list`: which mails are where. Changes nothing.

use sqlx::PgConnection;

use super::command::{List, State};
use super::{bound, fits};
use crate::database::answered;
use crate::exit::Outcome;
use crate::output;

const TROUBLE: [State; 3] = [State::Bounced, State::Unknown, State::Withheld];

pub(super) async fn run(admin: &mut PgConnection, args: List) -> anyhow::Result<Outcome> {
    let states = if args.state.is_empty() { TROUBLE.to_vec() } else { args.state };
    let states: Vec<&str> = states.into_iter().map(State::word).collect();
    let query = sqlx::query_as(concat!(
        "SELECT event_id, customer_id, order_id, kind, state, cause, attempts,
                COALESCE(finished_at, queued_at) AS since
         FROM mails WHERE ",
        fits!(),
        " ORDER BY since DESC, event_id, customer_id LIMIT $8"
    ));
    let query = bound(query, &states, &args.which).bind(i64::from(args.limit));
    for mail in answered(query.fetch_all(&mut *admin)).await? {
        mail.print()?;
    }
    count(admin).await
}

/// The trouble of the ledger by cause, and what waits. How many were sent is a metric: to count them
/// is to read them all.
async fn count(admin: &mut PgConnection) -> anyhow::Result<Outcome> {
    let count = "SELECT state, COALESCE(cause, '-'), count(*) FROM mails
                 WHERE state IN ('queued', 'sending')
                 GROUP BY 1, 2
                 UNION ALL SELECT state, COALESCE(cause, '-'), count(*) FROM mails
                 WHERE state IN ('bounced', 'unknown', 'withheld') GROUP BY 1, 2
                 ORDER BY 1, 2";
    let counts: Vec<(String, String, i64)> =
        answered(sqlx::query_as(count).fetch_all(admin)).await?;
    for (state, cause, count) in &counts {
        output::line(format_args!("{count} {state}, {cause}"))?;
    }
    if counts.is_empty() {
        output::line("no mail waits, and none is bounced, unknown or withheld")?;
    }
    Ok(Outcome::Fine)
}
