"""The rules of events-schema/src/border for texts that people write."""

import unicodedata

NAME_CHARS_MAX, EMAIL_CHARS_MAX, EMAIL_LOCAL_CHARS_MAX, LABEL_CHARS_MAX, MARKS_MAX = 100, 254, 64, 63, 8
REFUSED = {0x202D, 0x202E, 0x2028, 0x2029, *range(0x206A, 0x2070), *range(0xFFF9, 0xFFFC), *range(0xFDD0, 0xFDF0)}
NOT_DRAWN = {0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800}
# What opens an embedding or isolate, by what closes it.
OPENS = {0x202A: 0x202C, 0x202B: 0x202C, 0x2066: 0x2069, 0x2067: 0x2069, 0x2068: 0x2069}
CLOSES = {0x202C, 0x2069}
ATOM = frozenset(chr(c) for c in range(0x21, 0x7F)) - frozenset('<>()[]\\,;:"@')
LABEL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")


def is_readable(text: str) -> bool:
    """A text that can be seen and leaves the text around it as it is."""
    if len(text) > NAME_CHARS_MAX or not text or text.isspace():
        return False
    if text.isascii():
        return text.isprintable()
    return _is_readable_unicode(text)


def _is_readable_unicode(text: str) -> bool:
    seen, marks, opened = False, 0, []
    for character in text:
        code, category = ord(character), unicodedata.category(character)
        if category == "Cc" or _is_refused(code):
            return False
        seen = seen or ((category[0] in "LNPS" or category == "Mc") and code not in NOT_DRAWN)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > MARKS_MAX:
            return False
        if code in OPENS:
            opened.append(OPENS[code])
        elif code in CLOSES and (not opened or opened.pop() != code):
            return False
    return seen and not opened


def _is_refused(code: int) -> bool:
    return code in REFUSED or 0xE000 <= code <= 0xF8FF or code >= 0xF0000 or code & 0xFFFE == 0xFFFE


def is_email(text: str) -> bool:
    """RFC 5321 before the @, RFC 1035 behind it."""
    local, at, domain = text.partition("@")
    if not at or len(text) > EMAIL_CHARS_MAX or not 1 <= len(local) <= EMAIL_LOCAL_CHARS_MAX or "." not in domain:
        return False
    if not ATOM.issuperset(local) or local[0] == "." or local[-1] == "." or ".." in local:
        return False
    labels = domain.split(".")
    return all(_is_label(label) for label in labels) and not labels[-1].isdigit()


def _is_label(label: str) -> bool:
    return 1 <= len(label) <= LABEL_CHARS_MAX and LABEL.issuperset(label) and label[0] != "-" and label[-1] != "-"
