//! Where the registry is, and as whom it is asked. Knows none of its questions.

use percent_encoding::percent_decode_str;
use reqwest::{RequestBuilder, Url};

/// The address without what must not be shown, and that beside it. It has no `Debug` form.
pub(super) struct Address {
    pub(super) url: String,
    pub(super) login: Option<(String, String)>,
}

impl Address {
    /// Takes `user:password@` out of the URL. The error never repeats the URL.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|e| e.to_string())?;
        // `user:password@host` is a URL of the scheme `user`.
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it must start with http:// or https://".to_owned());
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password().map(decoded);
        let login = (decoded(url.username()), password.clone().unwrap_or_default());
        let login = Some(login).filter(|(user, _)| !user.is_empty() || password.is_some());
        let cannot = |()| "it cannot hold a user".to_owned();
        url.set_username("").map_err(cannot)?;
        url.set_password(None).map_err(cannot)?;
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), login })
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The question, with the login where there is one.
    pub(super) fn log_in(&self, question: RequestBuilder) -> RequestBuilder {
        match &self.login {
            Some((user, password)) => question.basic_auth(user, Some(password)),
            None => question,
        }
    }
}
