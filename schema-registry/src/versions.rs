//! What the registry holds of a subject, version by version. Registers nothing.

use events_schema::EventType;
use events_schema::wire::SchemaId;

use crate::error::RegistryError;
use crate::registry::Registry;

/// One version of a subject.
#[derive(Debug)]
pub struct Version {
    /// Its number.
    pub version: u32,
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
        let subject = event_type.subject();
        let numbers = match self.client.versions(&subject).await {
            Ok(numbers) => numbers,
            Err(RegistryError::NotFound(_)) => return Ok(vec![]),
            Err(error) => return Err(error),
        };
        let mut versions = Vec::with_capacity(numbers.len());
        for version in numbers {
            let (id, schema) = self.client.version(&subject, version).await?;
            versions.push(Version { version, id, schema });
        }
        Ok(versions)
    }
}
