// The rules of events-schema/src/border for texts that people write.

const NAME_CHARS_MAX = 100, EMAIL_CHARS_MAX = 254, EMAIL_LOCAL_CHARS_MAX = 64, MARKS_MAX = 8
// What closes an embedding or isolate, by what opens it.
const OPENS = new Map([[0x202a, 0x202c], [0x202b, 0x202c], [0x2066, 0x2069], [0x2067, 0x2069], [0x2068, 0x2069]])
const CLOSES = new Set([0x202c, 0x2069])
const NOT_DRAWN = new Set([0x115f, 0x1160, 0x3164, 0xffa0, 0x2800])
const ASCII = /^[ -~]*$/, CONTROL = /\p{Cc}/u, MARK = /[\p{Mn}\p{Me}]/u, DRAWN = /[\p{L}\p{Mc}\p{N}\p{P}\p{S}]/u
const LOCAL = /^[!#-'*+\-/-9=?A-Z^-~]+(\.[!#-'*+\-/-9=?A-Z^-~]+)*$/
const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/

// A text that can be seen and leaves the text around it as it is.
export function isReadable (text) {
  if (ASCII.test(text)) return text.length <= NAME_CHARS_MAX && text.trim() !== ''
  return [...text].length <= NAME_CHARS_MAX && text.trim() !== '' && isReadableUnicode(text)
}

function isReadableUnicode (text) {
  let isSeen = false, marks = 0
  const open = []
  for (const character of text) {
    const code = character.codePointAt(0)
    if (CONTROL.test(character) || isRefused(code)) return false
    isSeen ||= DRAWN.test(character) && !NOT_DRAWN.has(code)
    marks = MARK.test(character) ? marks + 1 : 0
    if (marks > MARKS_MAX) return false
    if (OPENS.has(code)) open.push(OPENS.get(code))
    else if (CLOSES.has(code) && open.pop() !== code) return false
  }
  return isSeen && open.length === 0
}

function isRefused (c) {
  return c === 0x202d || c === 0x202e || c === 0x2028 || c === 0x2029 || (c >= 0x206a && c <= 0x206f) ||
    (c >= 0xd800 && c <= 0xdfff) || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe000 && c <= 0xf8ff) || c >= 0xf0000 ||
    (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) === 0xfffe
}

// RFC 5321 before the @, RFC 1035 behind it.
export function isEmail (text) {
  const at = text.indexOf('@')
  if (at < 1 || at > EMAIL_LOCAL_CHARS_MAX || text.length > EMAIL_CHARS_MAX || !LOCAL.test(text.slice(0, at))) return false
  const labels = text.slice(at + 1).split('.')
  return labels.length > 1 && labels.every(label => LABEL.test(label)) && !/^[0-9]+$/.test(labels[labels.length - 1])
}
