//! Where the next page begins, opaque to clients. Reads no page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events_schema::Sku;

/// The form of what is inside: another form gets another mark, and old cursors are refused.
const MARK: &str = "s1:";

/// The cursor of the page behind this SKU.
pub(crate) fn after(sku: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{MARK}{sku}"))
}

/// The SKU that the page is behind; `None` for what is no cursor of ours.
pub(crate) fn read(cursor: &str) -> Option<Sku> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix(MARK)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_sku() {
        assert_eq!(read(&after("A-1.b_2")).unwrap().as_str(), "A-1.b_2");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "milk", "czE6", "czE6YSBi", "====", "é"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
