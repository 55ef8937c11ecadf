package main

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

// batch is the decoded records of one transaction, column by column as the statements want them.
type batch struct {
	ids        []pgtype.UUID
	customers  []string
	currencies []string
	totals     []int64
	units      []int64
	placedAt   []time.Time
	lines      [][]line
	// By partition: the offset of the first record, and the one behind the last.
	from, next map[int32]int64
}

type line struct {
	sku      string
	quantity int32
	price    int64
}

func newBatch(size int) *batch {
	return &batch{
		ids: make([]pgtype.UUID, 0, size), customers: make([]string, 0, size),
		currencies: make([]string, 0, size), totals: make([]int64, 0, size),
		units: make([]int64, 0, size), placedAt: make([]time.Time, 0, size),
		lines: make([][]line, 0, size), from: map[int32]int64{}, next: map[int32]int64{},
	}
}

func (b *batch) add(record *kgo.Record, schemaID uint32) error {
	datum, id := order.NewReader(record.Value)
	if datum.Err == nil && id != schemaID {
		return fmt.Errorf("partition %d, offset %d: not a placed order", record.Partition, record.Offset)
	}
	datum.Bytes() // event_id
	orderID, err := parseUUID(datum.Bytes())
	if err != nil {
		return err
	}
	customer, at := datum.String(), datum.Long()
	currency, total := datum.String(), datum.Long()
	lines, units, sum := readLines(datum)
	datum.Bytes() // locale
	if datum.Long() == 1 {
		datum.Bytes()
		datum.Bytes()
	}
	datum.Long() // fingerprint
	if err := datum.Done(); err != nil {
		return fmt.Errorf("partition %d, offset %d: %w", record.Partition, record.Offset, err)
	}
	if sum != total {
		return fmt.Errorf("partition %d, offset %d: the total is %d and the lines give %d", record.Partition, record.Offset, total, sum)
	}
	b.ids, b.customers = append(b.ids, orderID), append(b.customers, customer)
	b.currencies, b.totals = append(b.currencies, currency), append(b.totals, total)
	b.units, b.placedAt = append(b.units, units), append(b.placedAt, time.UnixMicro(at).UTC())
	b.lines = append(b.lines, lines)
	b.pass(record)
	return nil
}

func (b *batch) pass(record *kgo.Record) {
	if _, seen := b.from[record.Partition]; !seen {
		b.from[record.Partition] = record.Offset
	}
	b.next[record.Partition] = record.Offset + 1
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
