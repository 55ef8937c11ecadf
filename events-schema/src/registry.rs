//! The schema registry through Confluent's API, and what of it is kept on disk, so that a service
//! starts while the registry is away. Registers nothing by itself: `orderctl schemas register` does.

mod cache;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::event::EventType;
use crate::wire::SchemaId;
use cache::Cache;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id, is_compatible_schema, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};

/// Why the registry gave no answer, sorted by what a caller can do.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It is away or does not answer in time: try again later.
    #[error("the schema registry at {url} is not available: {cause}")]
    Unavailable {
        /// Where it was asked.
        url: String,
        /// What the client said.
        cause: String,
    },
    /// It answered that there is no such schema.
    #[error("the schema registry knows no {0}")]
    NotFound(String),
    /// It refused the schema.
    #[error("the schema registry refused {subject}: {cause}")]
    Refused {
        /// Under which subject.
        subject: String,
        /// Its reason.
        cause: String,
    },
}

/// A registry and the folder that remembers its answers.
///
/// While the registry answers, its word counts: one that was wiped and filled again gives out other
/// ids. The folder is asked while the registry is away.
pub struct Registry {
    url: String,
    settings: SrSettings,
    http: reqwest::Client,
    cache: Cache,
    away_since: Mutex<Option<Instant>>,
}

/// An answer takes this long at most.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A registry that did not answer is left alone this long where the folder knows the answer, so
/// that a start does not wait once for each schema.
const LEFT_ALONE: Duration = Duration::from_secs(10);

impl Registry {
    /// A client of the registry at `url` that keeps what it learns under `cache`.
    ///
    /// # Errors
    /// When `url` is no URL.
    pub fn new(url: &str, cache: &Path) -> Result<Self, RegistryError> {
        let url = url.trim_end_matches('/').to_owned();
        let unavailable = |cause: String| RegistryError::Unavailable { url: url.clone(), cause };
        reqwest::Url::parse(&url).map_err(|e| unavailable(e.to_string()))?;
        let settings = SrSettings::new_builder(url.clone()).set_timeout(TIMEOUT).build();
        let settings = settings.map_err(|e| unavailable(e.to_string()))?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        let http = http.map_err(|e| unavailable(e.to_string()))?;
        let cache = Cache::of(&url, cache);
        Ok(Self { url, settings, http, cache, away_since: Mutex::default() })
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

    /// The schema of an id, as JSON; from the disk while the registry is away.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] for an id that was never given out.
    pub async fn schema(&self, id: SchemaId) -> Result<String, RegistryError> {
        let cached = self.cache.schema(id);
        if let (Some(schema), true) = (&cached, self.is_left_alone()) {
            return Ok(schema.clone());
        }
        let answer = get_schema_by_id(id, &self.settings).await;
        let answer = answer.map_err(|e| self.sort(e, format!("schema id {id}")));
        match self.heard(answer) {
            Ok(found) => {
                self.cache.keep_schema(id, &found.schema);
                Ok(found.schema)
            }
            Err(error @ RegistryError::Unavailable { .. }) => cached.ok_or(error),
            Err(error) => {
                self.cache.forget_schema(id);
                Err(error)
            }
        }
    }

    /// Registers this build's schema; the same schema again gives the same id.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] when it is incompatible with an earlier version.
    pub async fn register(&self, event_type: EventType) -> Result<SchemaId, RegistryError> {
        let answer = post_schema(&self.settings, event_type.subject(), supplied(event_type)).await;
        Ok(answer.map_err(|e| self.sort(e, event_type.subject()))?.id)
    }

    /// Whether the registry would take this build's schema as the next version.
    ///
    /// # Errors
    /// When the registry does not answer; an unknown subject counts as compatible.
    pub async fn is_compatible(&self, event_type: EventType) -> Result<bool, RegistryError> {
        let subject = event_type.subject();
        let answer = is_compatible_schema(&self.settings, subject, supplied(event_type)).await;
        match answer.map_err(|e| self.sort(e, event_type.subject())) {
            Ok(compatible) => Ok(compatible),
            Err(RegistryError::NotFound(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Confluent's "is this schema registered under the subject" (`POST /subjects/{subject}`),
    /// which the client crate does not have.
    async fn look_up(&self, event_type: EventType) -> Result<SchemaId, RegistryError> {
        #[derive(serde::Deserialize)]
        struct Found {
            id: SchemaId,
        }
        let unavailable = |e: reqwest::Error| self.unavailable(e.to_string());
        let subject = event_type.subject();
        let url = format!("{}/subjects/{subject}", self.url);
        let body = serde_json::json!({ "schema": event_type.schema() });
        let answer = self.http.post(url).json(&body).send().await.map_err(unavailable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.json::<Found>().await.map_err(unavailable)?.id);
        }
        let unknown = format!("{subject} of this build; run `orderctl schemas register`");
        let cause = answer.text().await.unwrap_or_default();
        Err(self.by_status(status.as_u16(), unknown, format!("{status} {cause}")))
    }

    /// The client crate tells a status only in the text of its error, always with these words.
    fn sort(&self, error: SRCError, what: String) -> RegistryError {
        const WORDS: &str = "HTTP request to schema registry failed with status ";
        let digits = error.error.strip_prefix(WORDS).and_then(|rest| rest.get(..3));
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(status) => self.by_status(status, what, error.to_string()),
            // No answer, or none of a registry.
            None => self.unavailable(error.to_string()),
        }
    }

    fn by_status(&self, status: u16, what: String, cause: String) -> RegistryError {
        match status {
            404 => RegistryError::NotFound(what),
            // It refuses what it was asked: incompatible, no Avro, or too large.
            400 | 409 | 413 | 422 => RegistryError::Refused { subject: what, cause },
            // It is starting, overloaded, broken, or does not let us in.
            _ => self.unavailable(cause),
        }
    }

    fn unavailable(&self, cause: String) -> RegistryError {
        RegistryError::Unavailable { url: self.url.clone(), cause }
    }

    /// Remembers whether the registry answered.
    fn heard<T>(&self, answer: Result<T, RegistryError>) -> Result<T, RegistryError> {
        let is_away = matches!(answer, Err(RegistryError::Unavailable { .. }));
        if let Ok(mut since) = self.away_since.lock() {
            *since = is_away.then(Instant::now);
        }
        answer
    }

    fn is_left_alone(&self) -> bool {
        let since = self.away_since.lock().ok().and_then(|since| *since);
        since.is_some_and(|since| since.elapsed() < LEFT_ALONE)
    }
}

fn supplied(event_type: EventType) -> SuppliedSchema {
    let name = Some(event_type.full_name().to_owned());
    SuppliedSchema::new(name, SchemaType::Avro, event_type.schema().to_owned())
}
