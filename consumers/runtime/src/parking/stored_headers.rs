//! A record's headers as they are kept in `parked`: every one in order, as `[name, value]`; a value
//! that is no text as `{"hex": …}`, none as `null`.

use serde_json::{Value, json};

use crate::record::Raw;

/// Postgres' jsonb has no zero character: a name that has one gets another in its place.
pub(crate) fn to_json(raw: &Raw) -> Value {
    let value = |bytes: &Option<Vec<u8>>| match bytes {
        None => Value::Null,
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => json!(text),
            _ => json!({ "hex": bytes.iter().map(|b| format!("{b:02x}")).collect::<String>() }),
        },
    };
    let name = |name: &str| name.replace('\0', "\u{fffd}");
    raw.headers.iter().map(|(key, bytes)| json!([name(key), value(bytes)])).collect()
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

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(
            headers: Vec<(String, Option<Vec<u8>>)>,
            text in "[^\0]*",
        ) {
            let mut headers: Vec<_> =
                headers.into_iter().map(|(name, value)| (name.replace('\0', "x"), value)).collect();
            headers.push(("text".to_owned(), Some(text.into_bytes())));
            let raw = Raw { key: None, payload: None, headers: headers.clone() };
            prop_assert_eq!(from_json(&to_json(&raw)), headers);
        }
    }
}
