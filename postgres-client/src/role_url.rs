//! The URL with which a role connects. Connects to nothing.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The administrator's URL with another role and its password instead; `None` where that is no URL that
/// names a host.
pub fn role_url(admin: &SecretString, role: &str, password: &SecretString) -> Option<String> {
    let mut url = Url::parse(admin.expose_secret()).ok()?;
    url.set_username(role).ok()?;
    url.set_password(Some(password.expose_secret())).ok()?;
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(admin: &str, password: &str) -> Option<String> {
        role_url(&admin.into(), "confirmation-email", &password.into())
    }

    #[test]
    fn the_url_of_a_role_differs_from_the_administrators_only_in_who_it_is() {
        let made = url("postgres://root:secret@db:5433/shop?sslmode=require", "p").unwrap();
        assert_eq!(made, "postgres://confirmation-email:p@db:5433/shop?sslmode=require");
    }

    #[test]
    fn a_password_with_signs_of_its_own_meaning_is_escaped() {
        let made = url("postgres://root@db/shop", "a/b@c:d").unwrap();
        assert_eq!(made, "postgres://confirmation-email:a%2Fb%40c%3Ad@db/shop");
    }

    #[test]
    fn a_url_without_a_host_is_none_of_a_role() {
        assert_eq!(url("not a url", "p"), None);
        assert_eq!(url("postgres:///shop?host=/tmp", "p"), None);
    }
}
