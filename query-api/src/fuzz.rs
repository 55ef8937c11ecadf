//! Whatever a client writes into a header or a cursor, it is read as what it says or refused; see
//! `fuzz/`.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use events_schema::RecordPosition;
use fuzz::fuzz;

use crate::{cursor, prefer};

#[test]
fn any_position_is_read_as_what_it_says_or_refused() {
    fuzz("position", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(position) = text.parse::<RecordPosition>() else { return };
        assert!(position.partition >= 0 && position.offset >= 0 && !text.contains(['-', '+']));
        assert_eq!(position.to_string().parse::<RecordPosition>().unwrap(), position);
    });
}

#[test]
fn no_client_is_waited_for_longer_than_the_limit() {
    fuzz("prefer", |bytes| {
        let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("prefer"), value);
        assert!(prefer::wait(&headers).is_none_or(|wait| wait <= Duration::from_secs(30)));
    });
}

#[test]
fn any_cursor_is_one_that_leads_back_or_refused() {
    fuzz("cursor", |bytes| {
        let Some(sku) = cursor::read(&String::from_utf8_lossy(bytes)) else { return };
        assert_eq!(cursor::read(&cursor::after(sku.as_str())), Some(sku));
    });
}
