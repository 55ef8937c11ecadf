//! A record's headers as they are kept in `parked`: every one in order, as `[name, value]`; a value
//! that is no text as `{"hex": …}`, none as `null`. Behind those that are too many, one that says how
//! many were left out; the log has them.

use serde_json::{Value, json};

use crate::record::RawRecord;

/// Names and values that are kept. A topic bounds a record as it is compressed: what is in it may be
/// a hundred times that, and more than a jsonb can hold.
const BYTES_MAX: usize = 1024 * 1024;
/// Says how many headers were left out.
const LEFT_OUT: &str = "__orderflow.headers.left_out";

/// Postgres' jsonb has no zero character: a name that has one gets another in its place.
pub(crate) fn to_json(raw: &RawRecord) -> Value {
    let value = |bytes: Option<&[u8]>| match bytes {
        None => Value::Null,
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => json!(text),
            _ => json!({ "hex": bytes.iter().map(|b| format!("{b:02x}")).collect::<String>() }),
        },
    };
    let name = |name: &str| name.replace('\0', "\u{fffd}");
    let mut room = BYTES_MAX;
    let fits = |(key, bytes): &(&str, Option<&[u8]>)| {
        let taken = key.len() + bytes.map_or(0, <[u8]>::len);
        room.checked_sub(taken).is_some_and(|rest| {
            room = rest;
            true
        })
    };
    let kept = raw.headers.iter().take_while(fits);
    let mut headers: Vec<Value> = kept.map(|(key, v)| json!([name(key), value(v)])).collect();
    let left_out = raw.headers.len() - headers.len();
    if left_out > 0 {
        headers.push(json!([LEFT_OUT, left_out.to_string()]));
    }
    headers.into()
}

/// The headers again. What [`to_json`] did not write is left out.
pub(crate) fn from_json(value: &Value) -> Vec<(String, Option<Vec<u8>>)> {
    let pair = |pair: &Value| {
        let name = pair.get(0)?.as_str()?.to_owned();
        let value = match pair.get(1)? {
            Value::String(text) => Some(text.as_bytes().to_vec()),
            Value::Object(object) => object.get("hex").and_then(Value::as_str).map(from_hex),
            _ => None,
        };
        Some((name, value))
    };
    value.as_array().into_iter().flatten().filter_map(pair).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.filter_map(byte).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::raw_headers::RawHeaders;

    #[test]
    fn headers_beyond_the_bound_are_counted_and_left_out() {
        let header = |bytes: usize| ("h".to_owned(), Some(vec![b'x'; bytes]));
        let of = |headers: Vec<(String, Option<Vec<u8>>)>| {
            let headers = RawHeaders::from(headers.as_slice());
            from_json(&to_json(&RawRecord { key: None, payload: None, headers }))
        };
        let whole = vec![header(BYTES_MAX / 2), header(BYTES_MAX / 2 - 2)];
        assert_eq!(of(whole.clone()), whole);
        let kept = of([whole.clone(), vec![header(0), header(0)]].concat());
        let marker = (LEFT_OUT.to_owned(), Some(b"2".to_vec()));
        assert_eq!(kept, [whole, vec![marker]].concat());
    }

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(
            headers: Vec<(String, Option<Vec<u8>>)>,
            text in "[^\0]*",
        ) {
            let mut headers: Vec<_> =
                headers.into_iter().map(|(name, value)| (name.replace('\0', "x"), value)).collect();
            headers.push(("text".to_owned(), Some(text.into_bytes())));
            let raw = RawRecord {
                key: None,
                payload: None,
                headers: RawHeaders::from(headers.as_slice()),
            };
            prop_assert_eq!(from_json(&to_json(&raw)), headers);
        }
    }
}
