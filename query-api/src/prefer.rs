//! `Prefer: wait=N` (RFC 7240). Waits for nothing.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName};

/// Longest time that a request waits; a client that wants more asks again.
const SECONDS_MAX: u64 = 30;

/// How long the client is willing to wait. What cannot be read counts as not said, as the RFC asks;
/// the first `wait` counts.
pub(crate) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(HeaderName::from_static("prefer"));
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).find_map(preference)
}

fn preference(text: &str) -> Option<Duration> {
    let (name, value) = text.split(';').next()?.split_once('=')?;
    let seconds: u64 = value.trim().trim_matches('"').parse().ok()?;
    let is_wait = name.trim().eq_ignore_ascii_case("wait");
    is_wait.then(|| Duration::from_secs(seconds.min(SECONDS_MAX)))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_first_wait_that_can_be_read_counts() {
        let table = [
            ("wait=5", Some(5)),
            ("respond-async, wait=10", Some(10)),
            ("Wait = \"7\"; foo=bar", Some(7)),
            ("wait=0", Some(0)),
            ("wait=3600", Some(30)),
            ("wait=1, wait=2", Some(1)),
            ("wait=soon", None),
            ("wait=-1", None),
            ("wait", None),
            ("return=minimal", None),
            ("", None),
        ];
        for (text, seconds) in table {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static(text));
            assert_eq!(wait(&headers), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
