package main

import (
	"encoding/json/jsontext"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

const knownRecipients = `
	SELECT order_id, customer_id FROM orders
	JOIN unnest($1::uuid[], $2::text[]) AS key (order_id, customer_id) USING (order_id, customer_id)
	WHERE email IS NOT NULL`

const knownOrders = `
	SELECT order_id, customer_id FROM orders
	JOIN unnest($1::uuid[], $2::text[]) AS key (order_id, customer_id) USING (order_id, customer_id)
	WHERE email IS NULL`

const knownMails = `
	SELECT event_id, customer_id FROM mails
	JOIN unnest($1::uuid[], $2::text[]) AS key (event_id, customer_id) USING (event_id, customer_id)`

const insertRecipients = `
	INSERT INTO orders (order_id, customer_id, locale, name, email, currency, total_minor, lines, placed_at)
	SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
		$8::jsonb[], $9::timestamptz[])`

const insertMails = `
	INSERT INTO mails (event_id, customer_id, order_id, kind, state, details, occurred_at, cause, finished_at)
	SELECT e, c, o, k, s, d, a, w, CASE s WHEN 'withheld' THEN now() END
	FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[], $7::timestamptz[], $8::text[])
		AS mail (e, c, o, k, s, d, a, w)`

var kinds = map[string]string{"OrderConfirmed": "confirmed", "OrderRejected": "rejected", "OrderCancelled": "cancelled"}

type outcome struct {
	eventID, orderID pgtype.UUID
	customer         string
	kind             string
	at               int64
	details          string
}

// entry is one record: an order or the outcome of one.
type entry struct {
	order   *placed
	outcome *outcome
}

// mails is a batch of the ledger of mails.
type mails struct {
	span
	schemas map[uint32]string
	maxAge  time.Duration
	entries []entry
	// Orders with and without somebody to write to, and mails, that are there.
	reachable, unreachable, written map[rowKey]bool
}

func newMails(schemas map[uint32]string, maxAge time.Duration) func(int) batch {
	return func(size int) batch {
		return &mails{span: newSpan(), schemas: schemas, maxAge: maxAge, entries: make([]entry, 0, size),
			reachable: map[rowKey]bool{}, unreachable: map[rowKey]bool{}, written: map[rowKey]bool{}}
	}
}

func (b *mails) add(record *kgo.Record) error {
	datum, id := order.NewReader(record.Value)
	event := b.schemas[id]
	var next entry
	var err error
	switch {
	case datum.Err != nil:
		err = datum.Err
	case event == "OrderPlaced":
		next.order, err = readPlaced(datum)
	case kinds[event] != "":
		next.outcome, err = readOutcome(datum, kinds[event])
	default:
		err = fmt.Errorf("the schema %d is of no event that makes a mail", id)
	}
	if err != nil {
		return err
	}
	b.entries = append(b.entries, next)
	b.pass(record)
	return nil
}

func readOutcome(datum *order.Reader, kind string) (*outcome, error) {
	eventID, err := parseUUID(datum.Bytes())
	if err != nil {
		return nil, err
	}
	orderID, err := parseUUID(datum.Bytes())
	if err != nil {
		return nil, err
	}
	o := &outcome{eventID: eventID, orderID: orderID, customer: datum.String(), kind: kind, at: datum.Long(), details: "[]"}
	switch kind {
	case "rejected":
		o.details = readShortages(datum)
	default:
		for count := datum.Long(); count > 0 && datum.Err == nil; count = datum.Long() {
			for range count {
				datum.Bytes()
				datum.Long()
			}
		}
	}
	return o, datum.Done()
}

func readShortages(datum *order.Reader) string {
	out := []byte{'['}
	for count := datum.Long(); count > 0 && datum.Err == nil; count = datum.Long() {
		for range count {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out, _ = jsontext.AppendQuote(append(out, `{"sku":`...), datum.Bytes())
			out = strconv.AppendInt(append(out, `,"requested":`...), datum.Long(), 10)
			out = append(strconv.AppendInt(append(out, `,"available":`...), datum.Long(), 10), '}')
		}
	}
	return string(append(out, ']'))
}

func (b *mails) ask(question *pgx.Batch) {
	orders, events := columns{}, columns{}
	for _, entry := range b.entries {
		if entry.order != nil {
			orders.add(entry.order.id, entry.order.customer)
			continue
		}
		orders.add(entry.outcome.orderID, entry.outcome.customer)
		events.add(entry.outcome.eventID, entry.outcome.customer)
	}
	question.Queue(knownRecipients, orders.ids, orders.customers)
	question.Queue(knownOrders, orders.ids, orders.customers)
	question.Queue(knownMails, events.ids, events.customers)
}

type columns struct {
	ids       []pgtype.UUID
	customers []string
}

func (c *columns) add(id pgtype.UUID, customer string) {
	c.ids, c.customers = append(c.ids, id), append(c.customers, customer)
}

func (b *mails) hear(answers pgx.BatchResults) error {
	for _, into := range []map[rowKey]bool{b.reachable, b.unreachable, b.written} {
		if err := keys(answers, into); err != nil {
			return err
		}
	}
	return nil
}

func (b *mails) save(changes *pgx.Batch) {
	orders, ledger, now := &orderColumns{}, &mailColumns{}, time.Now()
	for _, entry := range b.entries {
		if entry.order != nil {
			b.record(orders, entry.order)
			continue
		}
		key := rowKey{entry.outcome.eventID.Bytes, entry.outcome.customer}
		if !b.written[key] {
			b.written[key] = true
			ledger.add(entry.outcome, b.cause(entry.outcome, now))
		}
	}
	orders.queue(changes)
	ledger.queue(changes)
}

func (b *mails) record(orders *orderColumns, o *placed) {
	key := rowKey{o.id.Bytes, o.customer}
	if b.reachable[key] || b.unreachable[key] {
		return
	}
	if o.email.Valid {
		b.reachable[key] = true
	} else {
		b.unreachable[key] = true
	}
	orders.add(o)
}

// cause says why a mail is withheld; nothing where it is queued.
func (b *mails) cause(o *outcome, now time.Time) string {
	key := rowKey{o.orderID.Bytes, o.customer}
	switch {
	case b.unreachable[key]:
		return "no-contact"
	case !b.reachable[key]:
		return "not-placed"
	case now.Sub(time.UnixMicro(o.at)) > b.maxAge:
		return "too-old"
	}
	return ""
}
