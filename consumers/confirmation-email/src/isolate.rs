//! Keeps what is put into a sentence in one piece, whichever way either of them runs. Knows no words.
//!
//! In a line that runs the other way digits and letters change places: of order 893a7198 one reads
//! "a7198" and, on the other side of the words, "893" (Unicode UAX #9, W4 to N2). Isolates end that.

use events_schema::Locale;

/// Left to right, whatever is in it: numbers, ids, amounts.
const LEFT_TO_RIGHT: char = '\u{2066}';
/// As its first letter runs: names.
const FIRST_STRONG: char = '\u{2068}';
const END: char = '\u{2069}';

/// A number, an id or a code, to be read from left to right.
pub(crate) fn number(text: &str, locale: Locale) -> String {
    match locale {
        Locale::En => text.to_owned(),
        Locale::He => format!("{LEFT_TO_RIGHT}{text}{END}"),
    }
}

/// What somebody wrote, in whichever language; isolated where it could disturb the line.
pub(crate) fn name(text: &str, locale: Locale) -> String {
    let text = plain(text);
    match locale {
        Locale::En if !text.chars().any(runs_left) => text,
        Locale::En | Locale::He => format!("{FIRST_STRONG}{text}{END}"),
    }
}

/// Letters of the blocks that Unicode sets aside for scripts from right to left, and marks that make a
/// line run so.
fn runs_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{200f}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Without what would end the isolate, or turn around more than itself.
pub(crate) fn plain(text: &str) -> String {
    let controls = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !controls(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_put_in_reaches_beyond_itself() {
        for text in ["א", "\u{202e}a", "a\u{2069}b\u{2067}", "\u{202a}\u{202b}\u{202c}\u{202d}"] {
            let isolated = name(text, Locale::He);
            let opened = isolated.matches(['\u{2066}', '\u{2067}', '\u{2068}']).count();
            assert_eq!((opened, isolated.matches('\u{2069}').count()), (1, 1), "{isolated:?}");
            for text in [isolated, name(text, Locale::En)] {
                assert!(
                    !text.contains(['\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}']),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn a_name_of_the_other_direction_is_isolated_and_one_of_the_same_needs_none() {
        assert_eq!(name("Dana", Locale::En), "Dana");
        assert_eq!(name("דנה", Locale::En), "\u{2068}דנה\u{2069}");
        assert_eq!(name("Dana", Locale::He), "\u{2068}Dana\u{2069}");
    }
}
