//! Invents whom to write to. Nobody real: the name follows from the customer id, the address is at
//! example.com (RFC 2606).

use super::draw::Draw;

const GIVEN: [&str; 12] =
    ["Ada", "Ben", "Chen", "Dora", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kiri", "Leo"];
const FAMILY: [&str; 10] = [
    "Abbott",
    "Brandt",
    "Costa",
    "Dimitrov",
    "Eriksen",
    "Fontaine",
    "Garcia",
    "O'Neill",
    "Sørensen",
    "Walker",
];
const GIVEN_HEBREW: [&str; 8] = ["אבי", "דוד", "חנה", "יעל", "משה", "נועה", "רות", "תמר"];
const FAMILY_HEBREW: [&str; 6] = ["אברהמי", "ברק", "כהן", "לוי", "מזרחי", "פרץ"];

/// Of the customers, how many read Hebrew.
const HEBREW_SHARE: f64 = 0.1;

/// What an order says about its customer.
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) locale: &'static str,
}

/// The contact of this customer: always the same one.
pub(crate) fn contact(customer_id: &str) -> Contact {
    let mut draw = Draw::new(0, customer_id);
    let hebrew = draw.fraction() < HEBREW_SHARE;
    let (given, family, locale): (&[&str], &[&str], _) =
        if hebrew { (&GIVEN_HEBREW, &FAMILY_HEBREW, "he") } else { (&GIVEN, &FAMILY, "en") };
    Contact {
        name: format!("{} {}", draw.one_of(given), draw.one_of(family)),
        email: format!("customer-{}@example.com", customer_id.to_ascii_lowercase()),
        locale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use events_schema::border;

    #[test]
    fn about_a_tenth_of_the_customers_reads_hebrew() {
        let hebrew = (0..2_500).filter(|id| contact(&id.to_string()).locale == "he").count();
        assert!((200..300).contains(&hebrew), "{hebrew}");
    }

    #[test]
    fn every_contact_is_one_that_the_contract_takes() {
        for id in 0..500 {
            let contact = contact(&id.to_string());
            assert!(border::person_name(contact.name).is_ok());
            assert!(border::email(contact.email).is_ok());
        }
    }
}
