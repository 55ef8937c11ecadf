//! The password of each role: set by name, or derived from one secret that no service is told.
//! Keeps none and prints none.

use chassis::settings::{self, SettingsError};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// From which passwords are derived that are not set.
const SECRET: &str = "ORDERFLOW_ROLES_SECRET";
/// For local use: whoever reads this file knows every password.
const LOCAL: &str = "orderflow";
/// What it was called while all roles shared one.
const SHARED: &str = "ORDERFLOW_ROLE_PASSWORD";

/// By role, the variable that sets its password.
const VARIABLES: [(&str, &str); 7] = [
    ("inventory", "ORDERFLOW_PASSWORD_INVENTORY"),
    ("inventory-owner", "ORDERFLOW_PASSWORD_INVENTORY_OWNER"),
    ("confirmation-email", "ORDERFLOW_PASSWORD_CONFIRMATION_EMAIL"),
    ("confirmation-email-owner", "ORDERFLOW_PASSWORD_CONFIRMATION_EMAIL_OWNER"),
    ("analytics", "ORDERFLOW_PASSWORD_ANALYTICS"),
    ("analytics-owner", "ORDERFLOW_PASSWORD_ANALYTICS_OWNER"),
    ("query-api", "ORDERFLOW_PASSWORD_QUERY_API"),
];

/// Where the passwords come from.
pub(super) struct Secrets {
    /// Also of a variable of a role's own.
    secret: SecretString,
    /// Nobody set a secret.
    pub(super) are_local: bool,
    named: fn(&'static str) -> Option<SecretString>,
}

impl Secrets {
    pub(super) fn from_env() -> Result<Self, SettingsError> {
        if settings::optional(SHARED).is_some() {
            let expected =
                "unset: every role has a password of its own now; see ORDERFLOW_ROLES_SECRET";
            return Err(SettingsError::Invalid(SHARED, expected));
        }
        let secret = settings::optional(SECRET);
        Ok(Self {
            are_local: secret.is_none(),
            secret: secret.unwrap_or_else(|| LOCAL.to_owned()).into(),
            named: |variable| settings::optional(variable).map(SecretString::from),
        })
    }

    /// No role's password says anything of another's, nor of the secret.
    pub(super) fn of(&self, role: &str) -> SecretString {
        let variable = VARIABLES.iter().find(|(name, _)| *name == role);
        let named = variable.and_then(|(_, variable)| (self.named)(variable));
        named.unwrap_or_else(|| derived(&self.secret, role))
    }
}

fn derived(secret: &SecretString, role: &str) -> SecretString {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return SecretString::default();
    };
    mac.update(b"orderflow role ");
    mac.update(role.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn secrets(secret: &str) -> Secrets {
        Secrets { secret: secret.into(), are_local: false, named: |_| None }
    }

    #[test]
    fn no_two_roles_and_no_two_secrets_have_the_same_password() {
        let roles = VARIABLES.map(|(role, _)| role);
        let all = ["a", "b"].map(|secret| roles.map(|role| secrets(secret).of(role)));
        let all = all.iter().flatten().map(|password| password.expose_secret().to_owned());
        assert_eq!(all.collect::<BTreeSet<_>>().len(), 2 * roles.len());
        let [once, again] = [(); 2].map(|()| secrets("a").of("inventory"));
        assert_eq!(once.expose_secret(), again.expose_secret());
    }

    #[test]
    fn a_password_that_is_set_is_that_of_its_role_alone() {
        let own = |variable| {
            (variable == "ORDERFLOW_PASSWORD_QUERY_API").then(|| SecretString::from("mine"))
        };
        let secrets = Secrets { named: own, ..secrets("a") };
        let mine = VARIABLES.map(|(role, _)| secrets.of(role).expose_secret() == "mine");
        assert_eq!(mine, VARIABLES.map(|(role, _)| role == "query-api"));
    }
}
