//! Where the next page begins, opaque to clients. Reads no page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events_schema::Sku;

/// The form of what is inside: another form gets another mark, and old cursors are refused.
const MARK: &str = "s1:";
const MARK_OF_REFUSALS: &str = "r1:";

/// The cursor of the page behind this SKU.
pub(crate) fn after(sku: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{MARK}{sku}"))
}

/// The SKU that the page is behind; `None` for what is no cursor of ours.
pub(crate) fn read(cursor: &str) -> Option<Sku> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix(MARK)?.parse().ok()
}

/// The cursor of the page of what was refused before this one.
pub(crate) fn before(refusal: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{MARK_OF_REFUSALS}{refusal}"))
}

/// The refusal that the page is before; `None` for what is no cursor of ours.
pub(crate) fn refusal(cursor: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let digits = std::str::from_utf8(&bytes).ok()?.strip_prefix(MARK_OF_REFUSALS)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_sku() {
        assert_eq!(read(&after("A-1.b_2")).unwrap().as_str(), "A-1.b_2");
    }

    #[test]
    fn a_cursor_leads_back_to_its_refusal_and_to_nothing_else() {
        assert_eq!(refusal(&before(42)), Some(42));
        assert_eq!((refusal(&after("42")), read(&before(42))), (None, None));
        for inside in ["r1:", "r1:-1", "r1:+1", "r1:99999999999999999999", "42"] {
            assert_eq!(refusal(&URL_SAFE_NO_PAD.encode(inside)), None, "{inside}");
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "milk", "czE6", "czE6YSBi", "====", "é"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
