//! `mails resend|settle`: an operator's word on mails, in one transaction with its audit.

use anyhow::Context;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::command::{End, Resend, Settle, State, Unsent, Which, Word};
use super::{Mail, bound, fits};
use crate::database::answered;
use crate::exit::Outcome;
use crate::output;

pub(super) async fn resend(admin: &mut PgConnection, args: Resend) -> anyhow::Result<Outcome> {
    let states = match args.state.is_empty() {
        true => vec![Unsent::Bounced, Unsent::Unknown],
        false => args.state,
    };
    let change = Change {
        from: states.into_iter().map(Unsent::word).collect(),
        to: State::Queued,
        action: "mail-resent",
        done: "queued again",
        rate: args.rate,
        detail: json!({ "reason": args.word.reason, "rate": args.rate }),
    };
    change.make(admin, &args.which, args.word).await
}

pub(super) async fn settle(admin: &mut PgConnection, args: Settle) -> anyhow::Result<Outcome> {
    let (to, done) = match args.end {
        End::Sent => (State::Sent, "settled as sent"),
        End::GivenUp => (State::Bounced, "given up"),
    };
    let change = Change {
        from: vec![State::Unknown.word()],
        to,
        action: "mail-settled",
        done,
        rate: 1,
        detail: json!({ "reason": args.word.reason, "as": to.word() }),
    };
    change.make(admin, &args.which, args.word).await
}

/// The mails that are meant, the oldest first.
macro_rules! found {
    () => {
        concat!(
            "SELECT event_id, customer_id, order_id, kind, state, cause, attempts,
                    COALESCE(finished_at, queued_at) AS since
             FROM mails WHERE ",
            fits!(),
            " ORDER BY occurred_at, event_id, customer_id LIMIT $8"
        )
    };
}

/// From some states to another.
struct Change {
    from: Vec<&'static str>,
    to: State,
    action: &'static str,
    /// In the operator's language.
    done: &'static str,
    /// How many of them come due each second.
    rate: i32,
    detail: Value,
}

impl Change {
    async fn make(
        self,
        admin: &mut PgConnection,
        which: &Which,
        word: Word,
    ) -> anyhow::Result<Outcome> {
        let (limit, dry_run) = (word.limit, word.dry_run);
        // Nobody reads while rows are locked: whoever reads may be in no hurry.
        let mails = answered(self.change(admin, which, word)).await?;
        for mail in &mails {
            mail.print()?;
        }
        let (count, done) = (mails.len(), self.done);
        let would = if dry_run { "would be " } else { "" };
        output::line(format_args!("{count} mails {would}{done}"))?;
        if count as i64 == limit {
            output::line("there may be more: --limit was reached")?;
        }
        Ok(if count > 0 { Outcome::Fine } else { Outcome::Differs })
    }

    async fn change(
        &self,
        admin: &mut PgConnection,
        which: &Which,
        word: Word,
    ) -> anyhow::Result<Vec<Mail>> {
        if word.dry_run {
            return self.look(admin, which, word.limit).await;
        }
        let mut transaction = admin.begin().await?;
        let actor = word.actor.name();
        let mails = self.apply(&mut transaction, which, (word.limit, &actor)).await?;
        transaction.commit().await.context("nobody knows whether it was done")?;
        Ok(mails)
    }

    /// What is meant. Locks nothing.
    async fn look(
        &self,
        conn: &mut PgConnection,
        which: &Which,
        limit: i64,
    ) -> anyhow::Result<Vec<Mail>> {
        let look = sqlx::query_as(concat!(
            "SELECT * FROM (",
            found!(),
            ") AS found ORDER BY since, event_id, customer_id"
        ));
        Ok(bound(look, &self.from, which).bind(limit).fetch_all(conn).await?)
    }

    /// A row that a courier is just writing is left to it. One that was claimed once is nobody's any
    /// more: whoever still holds the claim cannot settle it.
    async fn apply(
        &self,
        conn: &mut PgConnection,
        which: &Which,
        (limit, actor): (i64, &str),
    ) -> anyhow::Result<Vec<Mail>> {
        let change = sqlx::query_as(concat!(
            "WITH found AS MATERIALIZED (",
            found!(),
            " FOR UPDATE SKIP LOCKED),
             placed AS (
                 SELECT *, row_number() OVER (ORDER BY since, event_id, customer_id) - 1 AS place
                 FROM found),
             changed AS (
                 UPDATE mails SET state = $9, claim = NULL, held_at = NULL,
                     cause = CASE $9 WHEN 'queued' THEN NULL ELSE 'operator' END,
                     attempts = CASE $9 WHEN 'queued' THEN 0 ELSE mails.attempts END,
                     next_attempt_at = now() + interval '1 second' * (place / $10),
                     finished_at = CASE $9 WHEN 'queued' THEN NULL ELSE now() END
                 FROM placed WHERE mails.event_id = placed.event_id
                     AND mails.customer_id = placed.customer_id
                 RETURNING mails.event_id, mails.customer_id),
             told AS (
                 INSERT INTO audit (actor, action, subject, detail)
                 SELECT $11, $12, order_id::text, $13::jsonb || jsonb_build_object(
                     'event_id', event_id, 'state', state, 'cause', cause)
                 FROM placed JOIN changed USING (event_id, customer_id) ORDER BY place)
             SELECT placed.* FROM placed JOIN changed USING (event_id, customer_id) ORDER BY place"
        ));
        let change = bound(change, &self.from, which).bind(limit).bind(self.to.word());
        let change = change.bind(i64::from(self.rate)).bind(actor).bind(self.action);
        Ok(change.bind(&self.detail).fetch_all(conn).await?)
    }
}
