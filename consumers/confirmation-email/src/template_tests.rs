//! Claims about the mails' words and markup.

use events_schema::{MoneyMinor, Quantity};
use uuid::Uuid;

use super::*;

fn line(sku: &str, quantity: i64, price: i64) -> OrderLine {
    OrderLine {
        sku: sku.parse().unwrap(),
        quantity: Quantity::try_from(quantity).unwrap(),
        unit_price_minor: MoneyMinor::try_from(price).unwrap(),
    }
}

fn render(kind: MailKind, locale: Locale, name: &str) -> Rendered {
    let lines = [line("A-1", 1200, 250), line("B-2", 1, 1999)];
    let shortages = [Shortage { sku: "A-1".parse().unwrap(), requested: 1200, available: 3 }];
    let product_names = [("A-1".to_owned(), "Salt & <b>Pepper</b>".to_owned())].into();
    let topic = Topic {
        order_id: OrderId::from(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
        kind,
        locale,
        name,
        currency: "USD",
        total_minor: 301_999,
        lines: &lines,
        shortages: if kind == MailKind::Rejected { &shortages } else { &[] },
        product_names: &product_names,
    };
    Templates::new().unwrap().render(&topic).unwrap()
}

#[test]
fn a_confirmation_lists_lines_sums_and_total() {
    let mail = render(MailKind::Confirmed, Locale::En, "Dana");
    assert_eq!(mail.subject, "Your order 89abcdef is confirmed");
    assert_eq!(
        mail.text,
        "Hello Dana,

Thank you for your order. Everything is in stock and reserved for you.

Order: 01234567-89ab-cdef-0123-456789abcdef

- Salt & <b>Pepper</b>: 1,200 × $2.50 = $3,000.00
- B-2: 1 × $19.99 = $19.99

Total: $3,019.99

-- 
This mail was sent automatically.
"
    );
}

#[test]
fn a_rejection_in_hebrew_says_what_was_short() {
    let mail = render(MailKind::Rejected, Locale::He, "דנה");
    assert_eq!(mail.subject, "לא ניתן לספק את הזמנה \u{2066}89abcdef\u{2069}");
    assert_eq!(
        mail.text,
        "שלום \u{2068}דנה\u{2069},

אנו מצטערים: חלק מהפריטים אינם במלאי בכמות המבוקשת, ולכן ההזמנה לא התקבלה.

הזמנה: \u{2066}01234567-89ab-cdef-0123-456789abcdef\u{2069}

פריטים שאינם במלאי בכמות המבוקשת:
\u{200f}- \u{2068}Salt & <b>Pepper</b>\u{2069} (הוזמנו: \u{2066}1,200\u{2069}, במלאי: \u{2066}3\u{2069})

\u{200f}- \u{2068}Salt & <b>Pepper</b>\u{2069}: \u{2066}1,200\u{2069} × \u{2068}\u{200f}2.50\u{a0}$\u{2069} = \u{2068}\u{200f}3,000.00\u{a0}$\u{2069}
\u{200f}- \u{2068}B-2\u{2069}: \u{2066}1\u{2069} × \u{2068}\u{200f}19.99\u{a0}$\u{2069} = \u{2068}\u{200f}19.99\u{a0}$\u{2069}

סך הכול: \u{2068}\u{200f}3,019.99\u{a0}$\u{2069}

-- 
הודעה זו נשלחה אוטומטית.
"
    );
}

#[test]
fn an_order_number_that_begins_with_digits_stays_in_one_piece_in_hebrew() {
    for kind in [MailKind::Confirmed, MailKind::Rejected, MailKind::Cancelled] {
        let id = Uuid::from_u128(0x893a_7198);
        let words = words(Locale::He, kind, &short_number(OrderId::from(id)), "Dana");
        assert!(words.subject.contains("\u{2066}893a7198\u{2069}"), "{:?}", words.subject);
    }
}

#[test]
fn hebrew_html_runs_from_right_to_left_and_english_from_left_to_right() {
    let hebrew = render(MailKind::Cancelled, Locale::He, "דנה").html;
    assert!(hebrew.contains(r#"<html lang="he" dir="rtl">"#), "{hebrew}");
    assert_eq!(hebrew.matches(r#"dir="rtl""#).count(), 3, "{hebrew}");
    let english = render(MailKind::Cancelled, Locale::En, "Dana").html;
    assert!(english.contains(r#"<html lang="en" dir="ltr">"#), "{english}");
    assert!(!english.contains("rtl"), "{english}");
}

#[test]
fn html_escapes_whatever_others_wrote() {
    let mail = render(MailKind::Rejected, Locale::En, "<script>alert('x')</script>");
    assert!(!mail.html.contains("<script") && !mail.html.contains("<b>Pepper"), "{}", mail.html);
    assert_eq!(mail.html.matches("Salt &amp; &lt;b&gt;Pepper&lt;").count(), 2, "{}", mail.html);
    assert!(mail.text.contains("Salt & <b>Pepper</b>"), "text is not escaped: {}", mail.text);
}

#[test]
fn every_outcome_has_its_own_subject_in_every_language() {
    let kinds = [MailKind::Confirmed, MailKind::Rejected, MailKind::Cancelled];
    let pairs = kinds.iter().flat_map(|kind| [(*kind, Locale::En), (*kind, Locale::He)]);
    let subjects: std::collections::HashSet<_> =
        pairs.map(|(kind, locale)| render(kind, locale, "Dana").subject).collect();
    assert_eq!(subjects.len(), 6);
}
