//! Whether a line of text can be seen, and leaves the text around it as it is. Changes none.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Most combining marks in a row: no language writes more, and a pile of them covers other lines.
pub(crate) const MARKS_MAX: usize = 8;

/// Why a text is none that people can read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// There is nothing to be seen.
    Nothing,
    /// One that no text of one line has.
    Character(char),
    /// A change of direction does not end with the text, and turns around what follows.
    Unbalanced,
    /// Too many marks on one letter.
    Marks,
}

/// Checks a text that has no control characters.
pub(crate) fn check(text: &str) -> Result<(), Unreadable> {
    // Nearly every text is ASCII, whose characters are seen but for the blank.
    if text.is_ascii() {
        return text.bytes().any(|b| b.is_ascii_graphic()).then_some(()).ok_or(Unreadable::Nothing);
    }
    if let Some(refused) = text.chars().find(|c| is_refused(*c)) {
        return Err(Unreadable::Character(refused));
    }
    if !text.chars().any(is_seen) {
        return Err(Unreadable::Nothing);
    }
    if !is_balanced(text) {
        return Err(Unreadable::Unbalanced);
    }
    match has_pile(text) {
        true => Err(Unreadable::Marks),
        false => Ok(()),
    }
}

/// Overrides of the direction, whose only use is to deceive; breaks of a line; private use and
/// noncharacters, which mean nothing to anybody else; what Unicode says not to use.
fn is_refused(c: char) -> bool {
    matches!(c,
        '\u{202d}' | '\u{202e}'
        | '\u{2028}' | '\u{2029}'
        | '\u{206a}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}'
        | '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Neither blank, nor a mark or a sign for whoever lays out the text.
fn is_seen(c: char) -> bool {
    let is_drawn = !matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Unassigned
            | GeneralCategory::SpaceSeparator
            | GeneralCategory::NonspacingMark
            | GeneralCategory::EnclosingMark
    );
    is_drawn && !is_filler(c)
}

/// Letters by name that are drawn as nothing: of Hangul, and the braille cell without a dot.
fn is_filler(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}')
}

/// Whether embeddings and isolates end in the order in which they began.
fn is_balanced(text: &str) -> bool {
    let mut open = Vec::new();
    for c in text.chars() {
        let ends = match c {
            '\u{202a}' | '\u{202b}' => {
                open.push('\u{202c}');
                continue;
            }
            '\u{2066}'..='\u{2068}' => {
                open.push('\u{2069}');
                continue;
            }
            '\u{202c}' | '\u{2069}' => open.pop() == Some(c),
            _ => true,
        };
        if !ends {
            return false;
        }
    }
    open.is_empty()
}

fn has_pile(text: &str) -> bool {
    let mut marks = 0;
    text.chars().any(|c| {
        let is_mark = matches!(
            c.general_category(),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        );
        marks = if is_mark { marks + 1 } else { 0 };
        marks > MARKS_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_read_as_they_are_written() {
        for name in [
            "Ada",
            "O'Neill",
            "Łukasz",
            "דנה לוי",
            "בְּרֵאשִׁ֖ית",
            "محمد",
            "ราชวิทย์",
            "김민수",
            "ᜀᜁ",
            "李",
            "न\u{94d}\u{200d}य",
            "می\u{200c}خواهم",
            "👩\u{200d}🍳",
            "☕\u{fe0f}",
            "e\u{301}",
            "\u{2068}Ada\u{2069} דנה",
            "דנה \u{200e}(1)",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_text_of_nothing_that_is_seen_is_refused() {
        for nothing in [
            "\u{200b}",
            "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}",
            "\u{ad}",
            "\u{34f}",
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{2800}",
            "\u{fe0f}",
            "\u{e0100}",
            "\u{180e}",
            "\u{e0041}",
            "\u{200e}",
            "\u{2068}\u{2069}",
            "\u{301}",
            "\u{a0}\u{3000}",
            "\u{61c}",
            "\u{17b4}",
            "\u{2065}",
            "\u{fff0}",
            "\u{1d173}",
            "\u{e0fff}",
        ] {
            assert_eq!(check(nothing), Err(Unreadable::Nothing), "{}", nothing.escape_unicode());
        }
    }

    #[test]
    fn a_text_that_reaches_beyond_itself_is_refused() {
        for refused in [
            '\u{202d}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{206a}',
            '\u{fff9}',
            '\u{e000}',
            '\u{10fffd}',
            '\u{fdd0}',
            '\u{ffff}',
            '\u{1fffe}',
        ] {
            let found = check(&format!("a{refused}b"));
            assert_eq!(found, Err(Unreadable::Character(refused)), "{}", refused.escape_unicode());
        }
        for open in [
            "\u{202a}a",
            "\u{202b}a",
            "\u{2066}a",
            "\u{2067}a",
            "\u{2068}a",
            "a\u{202c}",
            "a\u{2069}",
            "\u{2066}\u{202a}a\u{2069}\u{202c}",
        ] {
            assert_eq!(check(open), Err(Unreadable::Unbalanced), "{}", open.escape_unicode());
        }
        let piled = format!("a{}", "\u{489}".repeat(MARKS_MAX + 1));
        assert_eq!(check(&piled), Err(Unreadable::Marks));
    }
}
