//! `parked list`: what is parked. Changes nothing.

use sqlx::PgConnection;

use super::command::{List, State};
use super::sequences;
use crate::exit::Outcome;
use crate::projection::Projection;
use crate::{database, output};

pub(super) async fn run(admin: &mut PgConnection, args: List) -> anyhow::Result<Outcome> {
    let states: Vec<&str> = match args.state.is_empty() {
        true => vec![State::Parked.word(), State::Quarantined.word()],
        false => args.state.iter().map(|state| state.word()).collect(),
    };
    for projection in Projection::these(&args.projection) {
        database::enter(admin, projection).await?;
        let limit = i64::from(args.limit);
        for sequence in sequences(admin, &states, &args.which, limit).await? {
            output::line(sequence.line(projection))?;
        }
        let count = "SELECT count(*), count(*) FILTER (WHERE state = 'quarantined'),
                     count(*) FILTER (WHERE state = 'discarded') FROM parked";
        let (all, quarantined, discarded): (i64, i64, i64) =
            database::answered(sqlx::query_as(count).fetch_one(&mut *admin)).await?;
        output::line(format_args!(
            "{}: {} records parked, {quarantined} of them quarantined; {discarded} given up \
             (discarded)",
            projection.name(),
            all - discarded
        ))?;
    }
    Ok(Outcome::Fine)
}
