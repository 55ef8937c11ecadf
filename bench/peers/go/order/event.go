package order

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Price is what the catalogue says of a SKU.
type Price struct {
	Minor    int64
	Currency string
}

// Errors of an order that is well formed and cannot be placed.
var (
	ErrUnknownSKU = errors.New("unknown-sku")
	ErrCurrencies = errors.New("mixed-currencies")
)

// Placed is an order with its prices.
type Placed struct {
	*Request
	ID       UUID
	EventID  UUID
	At       time.Time
	Currency string
	Total    int64
	Prices   []Price
}

// Place prices an order, under its key where there is one.
func Place(request *Request, key string, prices []Price, now time.Time) (*Placed, error) {
	placed := &Placed{Request: request, At: now.Truncate(time.Microsecond), Prices: prices}
	for i, price := range prices {
		if price.Currency == "" {
			return nil, ErrUnknownSKU
		}
		if price.Currency != prices[0].Currency {
			return nil, ErrCurrencies
		}
		// At most 500 lines of a million units at a thousand million: far below the range.
		placed.Total += price.Minor * request.Lines[i].Quantity
	}
	if placed.Total > jsonIntegerMax {
		return nil, ErrInvalid
	}
	placed.Currency = prices[0].Currency
	if placed.ID = IDForKey(request.CustomerID, key); key == "" {
		placed.ID = NewID(now)
	}
	placed.EventID = EventID(placed.ID, "OrderPlaced")
	return placed, nil
}

// Value is the event in Confluent's wire format.
func (p *Placed) Value(schemaID uint32) []byte {
	out := make([]byte, 0, 384)
	out = binary.BigEndian.AppendUint32(append(out, 0), schemaID)
	out = p.EventID.Append(appendLong(out, 36))
	out = p.ID.Append(appendLong(out, 36))
	out = appendString(out, p.CustomerID)
	out = appendLong(out, p.At.UnixMicro())
	out = appendString(out, p.Currency)
	out = appendLong(out, p.Total)
	out = appendLong(out, int64(len(p.Lines)))
	for i, line := range p.Lines {
		out = appendString(out, line.SKU)
		out = appendLong(out, line.Quantity)
		out = appendLong(out, p.Prices[i].Minor)
	}
	out = appendLong(out, 0)
	out = appendString(out, p.Tag())
	out = appendLong(out, 1)
	out = appendString(out, p.Contact.Name)
	out = appendString(out, p.Contact.Email)
	return appendLong(out, fingerprint(p.Request))
}

func appendLong(out []byte, number int64) []byte { return binary.AppendVarint(out, number) }

func appendString(out []byte, text string) []byte {
	return append(appendLong(out, int64(len(text))), text...)
}

var specVersion, eventType, source = []byte("1.0"), []byte("orderflow.OrderPlaced"), []byte("/producer-api")

// Headers are those of events-schema/src/envelope.rs, in the same order.
func (p *Placed) Headers(traceparent []byte) []kgo.RecordHeader {
	return []kgo.RecordHeader{
		{Key: "ce_specversion", Value: specVersion},
		{Key: "ce_id", Value: p.EventID.Append(make([]byte, 0, 36))},
		{Key: "ce_type", Value: eventType},
		{Key: "ce_source", Value: source},
		{Key: "ce_time", Value: p.At.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000Z")},
		{Key: "ce_subject", Value: p.ID.Append(make([]byte, 0, 36))},
		{Key: "traceparent", Value: traceparent},
	}
}
