//! The calls of Confluent's API, one function each. The status of the answer decides what an error
//! is; no text does. Remembers nothing.

use std::time::Duration;

use events_schema::wire::SchemaId;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode};
use schema_registry_converter::schema_registry_common::{RawError, RawRegisteredSchema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::address::Address;
use crate::error::RegistryError;

/// What is shown instead of an address that is none: it may still hold a password.
const NO_URL: &str = "an address that is no URL";
/// A connection is there by then, or the registry is away.
const CONNECT: Duration = Duration::from_secs(2);
const JSON: &str = "application/vnd.schemaregistry.v1+json";

/// One registry, and as whom it is asked.
pub(crate) struct RegistryClient {
    address: Address,
    http: Client,
}

impl RegistryClient {
    pub(crate) fn new(url: &str, limit: Duration) -> Result<Self, RegistryError> {
        let unreadable = |cause| RegistryError::Unavailable { url: NO_URL.to_owned(), cause };
        let address = Address::parse(url).map_err(unreadable)?;
        // A connection is asked once: questions are rare, and one that fell silent between two of
        // them would cost the second its whole time-out.
        let http = Client::builder().timeout(limit).connect_timeout(CONNECT);
        let http = http.pool_max_idle_per_host(0).build();
        let unavailable =
            |e: reqwest::Error| unavailable(&address.url, format!("no client of HTTP: {e}"));
        Ok(Self { http: http.map_err(unavailable)?, address })
    }

    /// Its address, without a login.
    pub(crate) fn url(&self) -> &str {
        &self.address.url
    }

    /// The schema of an id, also where its subject was deleted since.
    pub(crate) async fn schema(&self, id: SchemaId) -> Result<String, RegistryError> {
        let path = format!("/schemas/ids/{id}?deleted=true");
        let found: RawRegisteredSchema = self.get(&path, format!("schema id {id}")).await?;
        self.held(found.schema)
    }

    /// The id under which the subject has the schema.
    pub(crate) async fn look_up(
        &self,
        subject: &str,
        schema: &str,
        what: String,
    ) -> Result<SchemaId, RegistryError> {
        let path = format!("/subjects/{subject}");
        let found: RawRegisteredSchema = self.post(&path, schema, what).await?;
        self.held(found.id)
    }

    /// Makes the schema the subject's next version, unless it has it already.
    pub(crate) async fn register(
        &self,
        subject: &str,
        schema: &str,
    ) -> Result<SchemaId, RegistryError> {
        let path = format!("/subjects/{subject}/versions");
        let found: RawRegisteredSchema = self.post(&path, schema, subject.to_owned()).await?;
        self.held(found.id)
    }

    /// Whether the subject would take the schema as its next version.
    pub(crate) async fn is_compatible(
        &self,
        subject: &str,
        schema: &str,
    ) -> Result<bool, RegistryError> {
        #[derive(Deserialize)]
        struct Verdict {
            is_compatible: bool,
        }
        let path = format!("/compatibility/subjects/{subject}/versions");
        let verdict: Verdict = self.post(&path, schema, subject.to_owned()).await?;
        Ok(verdict.is_compatible)
    }

    /// The numbers of the subject's versions.
    pub(crate) async fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError> {
        self.get(&format!("/subjects/{subject}/versions"), subject.to_owned()).await
    }

    /// One of them.
    pub(crate) async fn version(
        &self,
        subject: &str,
        number: u32,
    ) -> Result<(SchemaId, String), RegistryError> {
        let path = format!("/subjects/{subject}/versions/{number}");
        let what = format!("version {number} of {subject}");
        let found: RawRegisteredSchema = self.get(&path, what).await?;
        Ok((self.held(found.id)?, self.held(found.schema)?))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, what: String) -> Result<T, RegistryError> {
        self.ask(self.http.get(self.address.at(path)), what).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        schema: &str,
        what: String,
    ) -> Result<T, RegistryError> {
        let body = json!({ "schema": schema, "schemaType": "AVRO" });
        let question = self.http.post(self.address.at(path)).header(CONTENT_TYPE, JSON);
        self.ask(question.json(&body), what).await
    }

    /// Sends the question, which is about `what`.
    async fn ask<T: DeserializeOwned>(
        &self,
        question: RequestBuilder,
        what: String,
    ) -> Result<T, RegistryError> {
        let unavailable = |e: reqwest::Error| self.unavailable(e.to_string());
        let question = self.address.log_in(question.header(ACCEPT, JSON));
        let answer = question.send().await.map_err(unavailable)?;
        let status = answer.status();
        if status.is_success() {
            // What is no answer of a registry is none: a proxy's page, for one.
            return answer.json().await.map_err(unavailable);
        }
        let said = answer.json::<RawError>().await.map(|error| error.message);
        let cause = said.map_or(status.to_string(), |said| format!("{status}: {said}"));
        Err(self.by_status(status, what, cause))
    }

    fn by_status(&self, status: StatusCode, what: String, cause: String) -> RegistryError {
        match status.as_u16() {
            404 => RegistryError::NotFound(what),
            // It refuses what it was asked: incompatible, no Avro, or too large.
            400 | 409 | 413 | 422 => RegistryError::Refused { subject: what, cause },
            // It is starting, overloaded, broken, or does not let us in.
            _ => self.unavailable(cause),
        }
    }

    /// What every answer to this question holds.
    fn held<T>(&self, part: Option<T>) -> Result<T, RegistryError> {
        part.ok_or_else(|| self.unavailable("its answer is none of a registry".to_owned()))
    }

    pub(crate) fn unavailable(&self, cause: String) -> RegistryError {
        unavailable(&self.address.url, cause)
    }
}

fn unavailable(url: &str, cause: String) -> RegistryError {
    RegistryError::Unavailable { url: url.to_owned(), cause }
}
