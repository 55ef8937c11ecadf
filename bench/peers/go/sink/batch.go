package main

import (
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

// batch is the decoded records of one transaction, as the statements of a projection want them.
type batch interface {
	add(record *kgo.Record) error
	passed() *span
	// ask queues what is to be known before anything is written, hear reads the answers.
	ask(question *pgx.Batch)
	hear(answers pgx.BatchResults) error
	save(changes *pgx.Batch)
}

// span is where the records of a batch are, by partition: the offset of the first, and behind the last.
type span struct{ from, next map[int32]int64 }

func newSpan() span { return span{map[int32]int64{}, map[int32]int64{}} }

func (s *span) passed() *span { return s }

func (s *span) pass(record *kgo.Record) {
	if _, seen := s.from[record.Partition]; !seen {
		s.from[record.Partition] = record.Offset
	}
	s.next[record.Partition] = record.Offset + 1
}

// placed is what both projections read of an order.
type placed struct {
	id          pgtype.UUID
	customer    string
	at          int64
	currency    string
	total       int64
	lines       []line
	units       int64
	locale      string
	name, email pgtype.Text
}

type line struct {
	sku      string
	quantity int32
	price    int64
}

func readPlaced(datum *order.Reader) (*placed, error) {
	datum.Bytes() // event_id
	id, err := parseUUID(datum.Bytes())
	if err != nil {
		return nil, err
	}
	p := &placed{id: id, customer: datum.String(), at: datum.Long(), currency: datum.String(), total: datum.Long()}
	var sum int64
	p.lines, p.units, sum = readLines(datum)
	p.locale = datum.String()
	if datum.Long() == 1 {
		p.name, p.email = pgtype.Text{String: datum.String(), Valid: true}, pgtype.Text{String: datum.String(), Valid: true}
	}
	datum.Long() // fingerprint
	if err := datum.Done(); err != nil {
		return nil, err
	}
	if sum != p.total {
		return nil, fmt.Errorf("the total is %d and the lines give %d", p.total, sum)
	}
	return p, nil
}

func readLines(datum *order.Reader) (lines []line, units, sum int64) {
	for count := datum.Long(); count > 0 && datum.Err == nil; count = datum.Long() {
		for range count {
			entry := line{sku: datum.String(), quantity: int32(datum.Long()), price: datum.Long()}
			if datum.Err != nil {
				return nil, 0, 0
			}
			lines = append(lines, entry)
			units += int64(entry.quantity)
			sum += int64(entry.quantity) * entry.price
		}
	}
	return lines, units, sum
}

func parseUUID(text []byte) (pgtype.UUID, error) {
	var id pgtype.UUID
	if len(text) != 36 {
		return id, order.ErrDatum
	}
	var digits [32]byte
	copy(digits[:8], text[:8])
	copy(digits[8:12], text[9:13])
	copy(digits[12:16], text[14:18])
	copy(digits[16:20], text[19:23])
	copy(digits[20:], text[24:])
	_, err := hex.Decode(id.Bytes[:], digits[:])
	id.Valid = err == nil
	return id, err
}
