package order

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most combining marks in a row.
const marksMax = 8

// isReadable is events-schema's border::text: a text that can be seen and leaves the text around it
// as it is.
func isReadable(text string, charsMax int) bool {
	if len(text) > charsMax && utf8.RuneCountInString(text) > charsMax {
		return false
	}
	isASCII, isSeen := true, false
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c == 0x7f {
			return false
		}
		isASCII = isASCII && c < utf8.RuneSelf
		isSeen = isSeen || c > ' '
	}
	if isASCII {
		return isSeen
	}
	return isReadableUnicode(text)
}

func isReadableUnicode(text string) bool {
	if strings.TrimSpace(text) == "" {
		return false
	}
	seen, marks := false, 0
	var open []rune
	for _, c := range text {
		if unicode.IsControl(c) || isRefused(c) {
			return false
		}
		seen = seen || isDrawn(c)
		if marks = marksAfter(marks, c); marks > marksMax {
			return false
		}
		var isBalanced bool
		if open, isBalanced = directions(open, c); !isBalanced {
			return false
		}
	}
	return seen && len(open) == 0
}

func isRefused(c rune) bool {
	switch {
	case c == 0x202d, c == 0x202e, c == 0x2028, c == 0x2029:
		return true
	case c >= 0x206a && c <= 0x206f, c >= 0xfff9 && c <= 0xfffb:
		return true
	case c >= 0xe000 && c <= 0xf8ff, c >= 0xf0000, c >= 0xfdd0 && c <= 0xfdef:
		return true
	}
	return c&0xfffe == 0xfffe
}

func isDrawn(c rune) bool {
	switch c {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800:
		return false
	}
	return unicode.In(c, unicode.L, unicode.Mc, unicode.N, unicode.P, unicode.S)
}

func marksAfter(marks int, c rune) int {
	if unicode.In(c, unicode.Mn, unicode.Me) {
		return marks + 1
	}
	return 0
}

// directions keeps account of embeddings and isolates, which must end in the order they began.
func directions(open []rune, c rune) ([]rune, bool) {
	switch c {
	case 0x202a, 0x202b:
		return append(open, 0x202c), true
	case 0x2066, 0x2067, 0x2068:
		return append(open, 0x2069), true
	case 0x202c, 0x2069:
		if len(open) == 0 || open[len(open)-1] != c {
			return open, false
		}
		return open[:len(open)-1], true
	}
	return open, true
}

// isEmail is events-schema's border::email: RFC 5321 before the @, RFC 1035 behind it.
func isEmail(text string) bool {
	local, domain, found := strings.Cut(text, "@")
	if !found || len(text) > emailCharsMax || len(local) > emailLocalCharsMax {
		return false
	}
	if !isDotAtom(local) || !strings.Contains(domain, ".") {
		return false
	}
	var label string
	for rest, more := domain, true; more; {
		label, rest, more = strings.Cut(rest, ".")
		if !isLabel(label) {
			return false
		}
	}
	return strings.Trim(label, "0123456789") != ""
}

func isDotAtom(text string) bool {
	before := byte('.')
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c > '~' || strings.IndexByte("<>()[]\\,;:\"@", c) >= 0 || c == '.' && before == '.' {
			return false
		}
		before = c
	}
	return before != '.'
}

func isLabel(label string) bool {
	if label == "" || len(label) > labelCharsMax || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if !isAlphanumeric(label[i]) && label[i] != '-' {
			return false
		}
	}
	return true
}
