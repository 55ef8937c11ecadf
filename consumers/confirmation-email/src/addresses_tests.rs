//! What the border takes for an address is one for the library that writes the mails. Sends none.

use events_schema::border;
use lettre::Address;
use proptest::prelude::*;

fn labels() -> impl Strategy<Value = String> {
    prop::collection::vec("[A-Za-z0-9-]{1,64}", 1..5).prop_map(|labels| labels.join("."))
}

proptest! {
    #[test]
    fn every_address_that_is_taken_can_be_written_to(
        local in r"[!-?A-~.]{1,65}",
        domain in labels(),
        any in r"[ -~]{1,30}@[ -~]{1,30}",
    ) {
        for text in [format!("{local}@{domain}"), any] {
            if border::email(text.clone()).is_ok() {
                prop_assert!(text.parse::<Address>().is_ok(), "{}", text);
            }
        }
    }
}

#[test]
fn an_address_at_every_limit_can_be_written_to() {
    let part = |length: usize| "a".repeat(length);
    let longest = format!("{}@{}.{}.{}.com", part(64), part(63), part(63), part(57));
    assert!(border::email(longest.clone()).is_ok());
    assert!(longest.parse::<Address>().is_ok());
}
