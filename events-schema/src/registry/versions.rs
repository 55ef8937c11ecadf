//! What the registry holds of a subject, version by version. Registers nothing.

use super::{Registry, RegistryError, SchemaId};
use crate::event::EventType;

/// One version of a subject.
#[derive(Debug, serde::Deserialize)]
pub struct Version {
    /// Its number.
    pub version: i64,
    /// Its id, as the values of records have it.
    pub id: SchemaId,
    /// Its text.
    pub schema: String,
}

impl Registry {
    /// Every version of the type's subject; none of a subject that it does not know.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn versions(&self, event_type: EventType) -> Result<Vec<Version>, RegistryError> {
        let path = format!("/subjects/{}/versions", event_type.subject());
        let numbers: Vec<i64> = match self.get(&path).await {
            Ok(numbers) => numbers,
            Err(RegistryError::NotFound(_)) => return Ok(vec![]),
            Err(error) => return Err(error),
        };
        let mut versions = Vec::with_capacity(numbers.len());
        for number in numbers {
            versions.push(self.get(&format!("{path}/{number}")).await?);
        }
        Ok(versions)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, RegistryError> {
        let unavailable = |e: reqwest::Error| self.unavailable(e.to_string());
        let answer = self.address.ask(self.http.get(self.address.at(path))).await;
        let answer = answer.map_err(unavailable)?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(unavailable);
        }
        Err(self.by_status(status.as_u16(), path.to_owned(), status.to_string()))
    }
}
