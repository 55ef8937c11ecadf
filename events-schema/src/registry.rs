//! The schema registry through Confluent's API, and what of it is kept on disk, so that a service
//! starts while the registry is away. Registers nothing by itself: `orderctl schemas register` does.

mod absent;
mod address;
mod cache;
pub mod versions;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::EventType;
use crate::wire::SchemaId;
use absent::Absent;
use address::Address;
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
///
/// Its address may hold `user:password@`: that is sent as basic authentication, and no error shows
/// it.
pub struct Registry {
    address: Address,
    settings: SrSettings,
    http: reqwest::Client,
    cache: Cache,
    away_since: Mutex<Option<Instant>>,
    absent: Absent,
}

/// What is shown instead of an address that is none: it may still hold a password.
const NO_URL: &str = "an address that is no URL";

/// An answer takes this long at most.
pub const ANSWER: Duration = Duration::from_secs(5);

/// A connection is there by then, or the registry is away.
const CONNECT: Duration = Duration::from_secs(2);

/// A registry that did not answer is left alone this long where the folder knows the answer, so
/// that a start does not wait once for each schema.
const LEFT_ALONE: Duration = Duration::from_secs(10);

impl Registry {
    /// A client of the registry at `url` that keeps what it learns under `cache`.
    ///
    /// # Errors
    /// When `url` is no URL of HTTP.
    pub fn new(url: &str, cache: &Path) -> Result<Self, RegistryError> {
        Self::within(ANSWER, url, cache)
    }

    /// As [`Registry::new`], with another limit to each answer than [`ANSWER`].
    ///
    /// # Errors
    /// When `url` is no URL of HTTP.
    pub fn within(limit: Duration, url: &str, cache: &Path) -> Result<Self, RegistryError> {
        let unreadable = |cause| RegistryError::Unavailable { url: NO_URL.to_owned(), cause };
        let address = Address::parse(url).map_err(unreadable)?;
        let unavailable = |cause| RegistryError::Unavailable { url: address.url.clone(), cause };
        let mut builder = SrSettings::new_builder(address.url.clone());
        if let Some((user, password)) = &address.login {
            builder.set_basic_authorization(user, Some(password));
        }
        let settings = builder.set_timeout(limit).build_with(client(limit));
        let settings = settings.map_err(|e| unavailable(e.to_string()))?;
        let http = client(limit).build();
        let http = http.map_err(|e| unavailable(e.to_string()))?;
        let cache = Cache::of(&address.url, cache);
        let (away_since, absent) = (Mutex::default(), Absent::default());
        Ok(Self { address, settings, http, cache, away_since, absent })
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
        let answer = get_schema_by_id(id, &self.settings).await;
        match self.heard(answer.map_err(|e| self.sort(e, what()))) {
            Ok(found) => {
                self.cache.keep_schema(id, &found.schema);
                Ok(found.schema)
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
            Ok(false) => self.unavailable("it answers, but knows none of our schemas".to_owned()),
            Err(error) => error,
        }
    }

    /// Whether it knows any subject of this build.
    async fn is_ours(&self) -> Result<bool, RegistryError> {
        for event_type in EventType::ALL {
            let path = format!("/subjects/{}/versions", event_type.subject());
            let answer = self.address.ask(self.http.get(self.address.at(&path))).await;
            match answer.map_err(|e| self.unavailable(e.to_string()))?.status().as_u16() {
                200 => return Ok(true),
                404 => {}
                status => return Err(self.unavailable(format!("it answered with {status}"))),
            }
        }
        Ok(false)
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
        let body = serde_json::json!({ "schema": event_type.schema() });
        let question = self.http.post(self.address.at(&format!("/subjects/{subject}")));
        let answer = self.address.ask(question.json(&body)).await.map_err(unavailable)?;
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
        RegistryError::Unavailable { url: self.address.url.clone(), cause }
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

/// A connection is asked once: questions are rare, and one that fell silent between two of them would
/// cost the second its whole time-out.
fn client(limit: Duration) -> reqwest::ClientBuilder {
    let client = reqwest::Client::builder().timeout(limit).connect_timeout(CONNECT);
    client.pool_max_idle_per_host(0)
}

fn supplied(event_type: EventType) -> SuppliedSchema {
    let name = Some(event_type.full_name().to_owned());
    SuppliedSchema::new(name, SchemaType::Avro, event_type.schema().to_owned())
}
