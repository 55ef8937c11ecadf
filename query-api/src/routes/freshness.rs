//! Reading one's own writes over HTTP: which records the client wants to see included, and how long
//! it will wait for them. How far the projection is, `progress` knows.

use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use events_schema::{RecordPosition, Topic};
use http_chassis::problem::Problem;
use http_chassis::problems::invalid_header;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::Api;
use crate::database::{Reading, Unavailable};
use crate::progress::{Reached, Waited};
use crate::snapshot::Snapshot;
use crate::{metrics, prefer, problems};

/// The record whose effect the client wants to see.
const ORDER_MIN_POSITION: HeaderName = HeaderName::from_static("order-min-position");
/// What of `Prefer` was heeded.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What a request says of the time it wants to see.
pub(super) struct Freshness {
    positions: Vec<RecordPosition>,
    wait: Option<Duration>,
}

/// Rows, and how they stand to what the request wanted to see.
pub(super) struct Seen<T> {
    pub(super) rows: Vec<T>,
    pub(super) reached: Reached,
    /// Whether they are from before a position of the request.
    pub(super) stale: bool,
    /// How long it was waited at most; `None` where the request did not ask for it.
    pub(super) waited: Option<Duration>,
}

impl Freshness {
    /// Every header of the name counts, and every member of each.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let values = request.headers().get_all(ORDER_MIN_POSITION);
        let positions: Result<Vec<RecordPosition>, _> = values
            .flat_map(|value| value.to_str().unwrap_or_default().split(','))
            .map(|text| text.trim().parse())
            .collect();
        let invalid = |why| invalid_header(format!("Order-Min-Position: {why}"));
        let positions = positions.map_err(invalid)?;
        let wait = if positions.is_empty() { None } else { prefer::wait(request.headers()) };
        Ok(Self { positions, wait })
    }

    /// Reads, if need be again and again, until the rows include every position or the time is
    /// over. Whether they do is said by what was read with them.
    pub(super) async fn read<T>(
        &self,
        api: &Api,
        work: impl for<'c> Fn(&'c mut PgConnection) -> Reading<'c, Snapshot<T>>,
    ) -> Result<Seen<T>, Problem> {
        self.read_until_fresh(api, work).await.map_err(problems::unavailable)
    }

    async fn read_until_fresh<T>(
        &self,
        api: &Api,
        work: impl for<'c> Fn(&'c mut PgConnection) -> Reading<'c, Snapshot<T>>,
    ) -> Result<Seen<T>, Unavailable> {
        let until = Instant::now() + self.wait.unwrap_or_default();
        let mut seen = self.seen(api, api.database.read(&work).await?);
        if !seen.stale || self.wait.is_none_or(|wait| wait.is_zero()) {
            return Ok(seen);
        }
        loop {
            let waited = api.progress.wait(&self.positions, until).await?;
            if waited == Waited::Crowded {
                return Ok(Seen { waited: Some(Duration::ZERO), ..seen });
            }
            seen = self.seen(api, api.database.read_in_turn(&work).await?);
            // A replica that is behind the one that was asked makes this wait once more.
            if !seen.stale || waited == Waited::InVain {
                metrics::waited(!seen.stale);
                return Ok(seen);
            }
        }
    }

    fn seen<T>(&self, api: &Api, snapshot: Snapshot<T>) -> Seen<T> {
        let reached = api.progress.of(&snapshot.positions);
        let stale = !reached.has_passed(&self.positions);
        Seen { rows: snapshot.rows, reached, stale, waited: self.wait }
    }

    /// The positions to name where something is not there: of the partitions that were asked about,
    /// else of all.
    pub(super) fn named(&self, topic: Topic, reached: &Reached) -> Vec<RecordPosition> {
        if self.positions.is_empty() {
            return reached.of(topic, None);
        }
        let of = |position: &RecordPosition| reached.of(position.topic, Some(position.partition));
        let mut named: Vec<RecordPosition> = self.positions.iter().flat_map(of).collect();
        named.sort_unstable();
        named.dedup();
        named
    }
}

/// The answer with how long was waited for it at most, where the request said it.
pub(super) fn applied(mut response: HttpResponse, waited: Option<Duration>) -> HttpResponse {
    let value = waited.map(|waited| HeaderValue::from_str(&format!("wait={}", waited.as_secs())));
    value.into_iter().flatten().for_each(|value| {
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    });
    response
}
