//! Makes a mail server's words fit to be kept: short, and without addresses. Judges nothing.

use percent_encoding::percent_decode_str;

/// Longest text that is kept.
const CHARS_MAX: usize = 200;
/// What stands before the two digits of an encoded character: in URLs, in xtext (RFC 3461) and in
/// quoted-printable.
const ENCODERS: [char; 3] = ['%', '+', '='];

/// The words without anything that looks like an address, or names this recipient.
pub(crate) fn scrub(words: &str, recipient: &str) -> String {
    let names = names(recipient);
    let scrubbed = words.split_whitespace().map(|word| match reveals(word, &names) {
        true => "<address>",
        false => word,
    });
    let text: String = scrubbed.collect::<Vec<_>>().join(" ");
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

/// What names the recipient: the local part, also without the tag that many servers drop.
fn names(recipient: &str) -> Vec<String> {
    let local_part = recipient.split('@').next().unwrap_or_default().to_lowercase();
    let mailbox = local_part.split('+').next().unwrap_or_default().to_owned();
    [local_part, mailbox].into_iter().filter(|name| !name.is_empty()).collect()
}

fn reveals(word: &str, names: &[String]) -> bool {
    let tells = |word: &str| word.contains('@') || names.iter().any(|name| stands_in(word, name));
    let decoded = |encoder| tells(&decode(word, encoder).to_lowercase());
    tells(&word.to_lowercase()) || ENCODERS.into_iter().any(decoded)
}

fn decode(word: &str, encoder: char) -> String {
    let percent = word.replace(encoder, "%");
    percent_decode_str(&percent).decode_utf8_lossy().into_owned()
}

/// Whether the name stands in the text as a whole, not as a part of another word.
fn stands_in(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_kept() {
        let table = [
            ("250 2.0.0 OK queued as 4F2", "250 2.0.0 OK queued as 4F2"),
            ("550 5.1.1 <dana.k@example.com>: no such user", "550 5.1.1 <address> no such user"),
            ("550 no mailbox 'Dana.K' here", "550 no mailbox <address> here"),
            ("550 see\r\nhelp@host", "550 see <address>"),
            ("550 user=dana.k unknown", "550 <address> unknown"),
            ("550 (RCPT:Dana.K)", "550 <address>"),
            ("550 dana.k=example.com is full", "550 <address> is full"),
            ("550 https://host/?to=dana%2Ek%40example.com", "550 <address>"),
            ("550 https://host/?to=other%40example.com", "550 <address>"),
            ("550 rfc822;dana.k+40example.com", "550 <address>"),
            ("550 dana.k=40example.com", "550 <address>"),
            ("550 dana.kim and jordana.k stay", "550 dana.kim and jordana.k stay"),
        ];
        for (words, expected) in table {
            assert_eq!(scrub(words, "dana.k@example.com"), expected);
        }
        assert_eq!(scrub(&"long ".repeat(100), "a@b").chars().count(), CHARS_MAX);
    }

    #[test]
    fn a_mailbox_is_known_by_its_name_without_the_tag_too() {
        for words in ["user=dana", "user=dana+shop", "dana+2Bshop+40example.com"] {
            assert_eq!(scrub(words, "Dana+shop@example.com"), "<address>", "{words}");
        }
    }
}
