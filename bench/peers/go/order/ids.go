package order

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"
)

// UUID is one of RFC 9562.
type UUID [16]byte

// The namespace of events-schema/src/ids.rs.
var namespace = UUID{
	0x6d, 0x1e, 0x38, 0xa2, 0x60, 0xf5, 0x5e, 0x0c, 0x9f, 0x2b, 0x6c, 0x2f, 0x3b, 0x8d, 0x9a, 0x41,
}

func v5(space UUID, parts ...string) UUID {
	var array [256]byte
	buffer := append(array[:0], space[:]...)
	for _, part := range parts {
		buffer = append(buffer, part...)
	}
	sum := sha1.Sum(buffer)
	id := UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// IDForKey is the order that this customer means by this key.
func IDForKey(customer, key string) UUID { return v5(namespace, customer, "\n", key) }

// EventID is that of the one event of this type that an order can have.
func EventID(id UUID, eventType string) UUID { return v5(id, eventType) }

// NewID is a UUIDv7, for an order without a key.
func NewID(now time.Time) UUID {
	var id UUID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|rand.Uint64()&0xffff)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Append appends the text form.
func (id UUID) Append(out []byte) []byte {
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(out, text[:]...)
}

// fingerprint is that of producer-api/src/fingerprint.rs.
func fingerprint(r *Request) int64 {
	var array [512]byte
	form := appendText(array[:0], r.CustomerID)
	form = binary.BigEndian.AppendUint32(form, uint32(len(r.Lines)))
	for _, line := range r.Lines {
		form = appendText(form, line.SKU)
		form = binary.BigEndian.AppendUint32(form, uint32(line.Quantity))
	}
	sum := sha256.Sum256(appendText(form, r.Tag()))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

func appendText(out []byte, text string) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(text)))
	return append(out, text...)
}

// Trace is the traceparent that came, where it is one, else the start of a new trace.
func Trace(given string) []byte {
	if isTrace(given) {
		return []byte(given)
	}
	var ids [24]byte
	binary.BigEndian.PutUint64(ids[:8], rand.Uint64())
	binary.BigEndian.PutUint64(ids[8:16], rand.Uint64())
	binary.BigEndian.PutUint64(ids[16:], rand.Uint64())
	out := make([]byte, 0, 55)
	out = hex.AppendEncode(append(out, "00-"...), ids[:16])
	out = hex.AppendEncode(append(out, '-'), ids[16:])
	return append(out, "-00"...)
}

func isTrace(text string) bool {
	if len(text) != 55 || text[:3] != "00-" || text[35] != '-' || text[52] != '-' {
		return false
	}
	return isHexNotZero(text[3:35]) && isHexNotZero(text[36:52]) && isHex(text[53:])
}

func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

func isHexNotZero(text string) bool {
	for i := range len(text) {
		if text[i] != '0' {
			return isHex(text)
		}
	}
	return false
}
