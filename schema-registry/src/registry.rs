//! The registry with what of it is kept on disk, so that a service starts while it is away.
//! Registers nothing by itself: `orderctl schemas register` does.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use events_schema::EventType;
use events_schema::wire::SchemaId;

use crate::absent::Absent;
use crate::cache::Cache;
use crate::client::RegistryClient;
use crate::error::RegistryError;

/// A registry and the folder that remembers its answers.
///
/// While the registry answers, its word counts: one that was wiped and filled again gives out other
/// ids. The folder is asked while the registry is away.
///
/// Its address may hold `user:password@`: that is sent as basic authentication, and no error shows
/// it.
pub struct Registry {
    pub(crate) client: RegistryClient,
    cache: Cache,
    away_since: Mutex<Option<Instant>>,
    absent: Absent,
}

/// An answer takes this long at most.
const ANSWER: Duration = Duration::from_secs(5);

/// A registry that did not answer is left alone this long where the folder knows the answer, so
/// that a start does not wait once for each schema.
const LEFT_ALONE: Duration = Duration::from_secs(10);

impl Registry {
    /// A client of the registry at `url` that keeps what it learns under `cache`.
    ///
    /// # Errors
    /// When `url` is no URL of HTTP.
    pub fn new(url: &str, cache: &Path) -> Result<Self, RegistryError> {
        let client = RegistryClient::new(url, ANSWER)?;
        let cache = Cache::of(client.url(), cache);
        let (away_since, absent) = (Mutex::default(), Absent::default());
        Ok(Self { client, cache, away_since, absent })
    }

    /// The id under which this build's schema of `event_type` is registered; from the disk while
    /// the registry is away.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] until `orderctl schemas register` has been run.
    pub async fn schema_id(&self, event_type: EventType) -> Result<SchemaId, RegistryError> {
        let cached = self.cache.id(event_type);
        if let (Some(id), true) = (cached, self.is_left_alone()) {
            return Ok(id);
        }
        match self.heard(self.look_up(event_type).await) {
            Ok(id) => {
                self.cache.keep_id(event_type, id);
                self.cache.keep_schema(id, event_type.schema());
                Ok(id)
            }
            Err(error @ RegistryError::Unavailable { .. }) => cached.ok_or(error),
            Err(error) => {
                self.cache.forget_id(event_type);
                Err(error)
            }
        }
    }

    /// The ids of several types: what an encoder is made of.
    ///
    /// # Errors
    /// As [`Registry::schema_id`].
    pub async fn schema_ids(
        &self,
        event_types: impl IntoIterator<Item = EventType>,
    ) -> Result<Vec<(EventType, SchemaId)>, RegistryError> {
        let mut ids = Vec::new();
        for event_type in event_types {
            ids.push((event_type, self.schema_id(event_type).await?));
        }
        Ok(ids)
    }

    /// The schema of an id, as JSON; from the disk while the registry does not tell it.
    ///
    /// What was written under an id stays readable: a registry that lost the id (it was wiped, or
    /// restored, or is another one) takes nothing from the disk.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] for an id that was never given out: only a registry that knows
    /// a subject of this build can say so. From any other one the same answer is an outage.
    pub async fn schema(&self, id: SchemaId) -> Result<String, RegistryError> {
        let cached = self.cache.schema(id);
        if let (Some(schema), true) = (&cached, self.is_left_alone()) {
            return Ok(schema.clone());
        }
        let what = || format!("schema id {id}");
        if self.absent.holds(id) {
            return Err(RegistryError::NotFound(what()));
        }
        match self.heard(self.client.schema(id).await) {
            Ok(schema) => {
                self.cache.keep_schema(id, &schema);
                Ok(schema)
            }
            Err(error) => match (cached, error) {
                (Some(schema), _) => Ok(schema),
                (None, RegistryError::NotFound(_)) => Err(self.not_found(id, what()).await),
                (None, error) => Err(error),
            },
        }
    }

    /// What it means that the registry does not know the id.
    async fn not_found(&self, id: SchemaId, what: String) -> RegistryError {
        match self.is_ours().await {
            Ok(true) => {
                self.absent.note(id);
                RegistryError::NotFound(what)
            }
            Ok(false) => {
                self.client.unavailable("it answers, but knows none of our schemas".to_owned())
            }
            Err(error) => error,
        }
    }

    /// Whether it knows any subject of this build.
    async fn is_ours(&self) -> Result<bool, RegistryError> {
        for event_type in EventType::ALL {
            match self.client.versions(&event_type.subject()).await {
                Ok(_) => return Ok(true),
                Err(RegistryError::NotFound(_)) => {}
                Err(RegistryError::Refused { cause, .. }) => {
                    return Err(self.client.unavailable(cause));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Registers this build's schema; the same schema again gives the same id.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] when it is incompatible with an earlier version.
    pub async fn register(&self, event_type: EventType) -> Result<SchemaId, RegistryError> {
        self.client.register(&event_type.subject(), event_type.schema()).await
    }

    /// Whether the registry would take this build's schema as the next version.
    ///
    /// # Errors
    /// When the registry does not answer; an unknown subject counts as compatible.
    pub async fn is_compatible(&self, event_type: EventType) -> Result<bool, RegistryError> {
        let answer = self.client.is_compatible(&event_type.subject(), event_type.schema()).await;
        match answer {
            Ok(compatible) => Ok(compatible),
            Err(RegistryError::NotFound(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn look_up(&self, event_type: EventType) -> Result<SchemaId, RegistryError> {
        let subject = event_type.subject();
        let unknown = format!("{subject} of this build; run `orderctl schemas register`");
        self.client.look_up(&subject, event_type.schema(), unknown).await
    }

    /// Remembers whether the registry answered.
    fn heard<T>(&self, answer: Result<T, RegistryError>) -> Result<T, RegistryError> {
        let is_away = matches!(answer, Err(RegistryError::Unavailable { .. }));
        *self.away_since.lock().unwrap_or_else(PoisonError::into_inner) =
            is_away.then(Instant::now);
        answer
    }

    fn is_left_alone(&self) -> bool {
        let since = *self.away_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() < LEFT_ALONE)
    }
}
