//! The trace a request belongs to (W3C Trace Context, level 1). Records no spans.

use std::borrow::Cow;

use actix_web::HttpRequest;
use events_schema::{OrderId, envelope};

/// The request's `traceparent` where it has a valid one, else the start of a new trace.
pub(crate) fn of(request: &HttpRequest) -> Cow<'_, str> {
    let given = request.headers().get(envelope::TRACEPARENT);
    match given.and_then(|value| value.to_str().ok()).filter(|text| is_valid(text)) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(begin()),
    }
}

/// A new trace, unsampled because nobody has recorded it.
fn begin() -> String {
    let trace = OrderId::time_ordered().uuid();
    // The second half of a UUIDv7 is random.
    let (_, span) = OrderId::time_ordered().uuid().as_u64_pair();
    format!("00-{}-{span:016x}-00", trace.simple())
}

/// Version 00: two, 32, 16 and 2 lower-case hexadecimal digits, neither id all zeros.
fn is_valid(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let set = |part: &str| part.bytes().any(|b| b != b'0');
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next(), parts.next(), parts.next(), parts.next());
    version == Some("00")
        && trace.is_some_and(|id| hex(id, 32) && set(id))
        && span.is_some_and(|id| hex(id, 16) && set(id))
        && flags.is_some_and(|flags| hex(flags, 2))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_trace_is_passed_on_as_it_came() {
        let request = TestRequest::get().insert_header(("traceparent", VALID)).to_http_request();
        assert_eq!(of(&request), VALID);
    }

    #[test]
    fn an_invalid_or_missing_trace_becomes_a_new_one() {
        let zeros = VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        for bad in ["", "x", &VALID[1..], &VALID.to_uppercase(), &zeros, &format!("{VALID}-1")] {
            let request = TestRequest::get().insert_header(("traceparent", bad)).to_http_request();
            let made = of(&request).into_owned();
            assert!(is_valid(&made) && made != bad, "{bad} became {made}");
        }
    }

    #[test]
    fn two_new_traces_differ_in_both_ids() {
        let (first, second) = (begin(), begin());
        assert_ne!(first.split('-').nth(1), second.split('-').nth(1));
        assert_ne!(first.split('-').nth(2), second.split('-').nth(2));
    }
}
