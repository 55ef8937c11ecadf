//! `schemas register|check`: this build's schemas against the registry. Sets nothing else there.

use std::path::PathBuf;

use anyhow::Context;
use chassis::settings::{self, SettingsError};
use clap::Subcommand;
use events_schema::{EventType, meaning};
use schema_registry::{Registry, RegistryError, Version};

use crate::exit::Outcome;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Registers the schema of every event type; prints subject and id.
    #[command(after_help = "Example:\n  orderctl schemas register")]
    Register,
    /// Exits 1 unless every schema of this build is registered and compatible.
    #[command(after_help = "Example, before a deployment:\n  orderctl schemas check")]
    Check,
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::Register => register(&registry()?).await,
            Self::Check => check().await,
        }
    }
}

/// The registry of SCHEMA_REGISTRY_URL with the cache of SCHEMA_CACHE_DIR.
pub(crate) fn registry() -> anyhow::Result<Registry> {
    let (url, cache) = registry_settings()?;
    Ok(Registry::new(&url, &cache)?)
}

/// Its address and the folder of its cache, for whoever makes it later.
pub(crate) fn registry_settings() -> Result<(String, PathBuf), SettingsError> {
    let cache = PathBuf::from(settings::required("SCHEMA_CACHE_DIR")?);
    Ok((settings::required("SCHEMA_REGISTRY_URL")?, cache))
}

async fn register(registry: &Registry) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::Fine;
    for event_type in EventType::ALL {
        let subject = event_type.subject();
        match registry.register(event_type).await {
            Ok(id) => output::line(format_args!("{subject}  id {id}"))?,
            Err(RegistryError::Refused { cause, .. }) => {
                output::line(format_args!("{subject}  refused: {cause}"))?;
                outcome = Outcome::Differs;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(outcome)
}

/// Asks the registry itself: what the disk remembers says nothing about today.
async fn check() -> anyhow::Result<Outcome> {
    let nowhere = std::env::temp_dir().join(format!("orderctl-check-{}", std::process::id()));
    let registry = Registry::new(&settings::required("SCHEMA_REGISTRY_URL")?, &nowhere)?;
    let checked = check_all(&registry).await;
    let _ = std::fs::remove_dir_all(&nowhere);
    checked
}

async fn check_all(registry: &Registry) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::Fine;
    for event_type in EventType::ALL {
        let subject = event_type.subject();
        let verdict = verdict(registry, event_type).await.context("could not check the schemas")?;
        outcome = outcome.and(verdict.0);
        output::line(format_args!("{subject}  {}", verdict.1))?;
    }
    Ok(outcome)
}

async fn verdict(
    registry: &Registry,
    event_type: EventType,
) -> Result<(Outcome, String), RegistryError> {
    // Neither the registry nor a fingerprint looks at what the bytes mean.
    for Version { version, schema, .. } in registry.versions(event_type).await? {
        let found = meaning::differences(event_type.schema(), &schema);
        if !found.is_empty() {
            let what = format!("version {version} means something else: {}", found.join("; "));
            return Ok((Outcome::Differs, what));
        }
    }
    match registry.schema_id(event_type).await {
        Ok(id) => return Ok((Outcome::Fine, format!("id {id}"))),
        Err(RegistryError::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let compatible = registry.is_compatible(event_type).await?;
    let word = if compatible { "not registered" } else { "incompatible with an earlier version" };
    Ok((Outcome::Differs, word.to_owned()))
}
