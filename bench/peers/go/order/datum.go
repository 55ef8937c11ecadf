package order

import (
	"encoding/binary"
	"errors"
)

// ErrDatum says that bytes are not in the form that this contract gives them.
var ErrDatum = errors.New("the value is not in the expected form")

// Reader takes Avro values off the front of bytes. After an error every value is empty.
type Reader struct {
	rest []byte
	Err  error
}

// NewReader reads a value in Confluent's wire format, behind its header.
func NewReader(value []byte) (*Reader, uint32) {
	if len(value) < 5 || value[0] != 0 {
		return &Reader{Err: ErrDatum}, 0
	}
	return &Reader{rest: value[5:]}, binary.BigEndian.Uint32(value[1:5])
}

// Long reads a number.
func (r *Reader) Long() int64 {
	number, length := binary.Varint(r.rest)
	if length <= 0 {
		r.rest, r.Err = nil, ErrDatum
		return 0
	}
	r.rest = r.rest[length:]
	return number
}

// Bytes reads a text without copying it.
func (r *Reader) Bytes() []byte {
	length := r.Long()
	if length < 0 || length > int64(len(r.rest)) {
		r.rest, r.Err = nil, ErrDatum
		return nil
	}
	text := r.rest[:length]
	r.rest = r.rest[length:]
	return text
}

// String reads a text.
func (r *Reader) String() string { return string(r.Bytes()) }

// Done says what went wrong, or that something is left over.
func (r *Reader) Done() error {
	if r.Err == nil && len(r.rest) != 0 {
		return ErrDatum
	}
	return r.Err
}
