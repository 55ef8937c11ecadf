package main

import (
	"encoding/json/jsontext"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// orderColumns are rows of the ledger's table orders, column by column.
type orderColumns struct {
	columns
	locales, currencies, lines []string
	names, emails              []pgtype.Text
	totals                     []int64
	placedAt                   []time.Time
}

func (c *orderColumns) add(o *placed) {
	c.columns.add(o.id, o.customer)
	c.locales, c.currencies = append(c.locales, o.locale), append(c.currencies, o.currency)
	c.names, c.emails = append(c.names, o.name), append(c.emails, o.email)
	c.totals, c.lines = append(c.totals, o.total), append(c.lines, linesJSON(o.lines))
	c.placedAt = append(c.placedAt, time.UnixMicro(o.at).UTC())
}

func linesJSON(lines []line) string {
	out := make([]byte, 1, 64*len(lines)+2)
	out[0] = '['
	for i, line := range lines {
		if i > 0 {
			out = append(out, ',')
		}
		out, _ = jsontext.AppendQuote(append(out, `{"sku":`...), line.sku)
		out = strconv.AppendInt(append(out, `,"quantity":`...), int64(line.quantity), 10)
		out = append(strconv.AppendInt(append(out, `,"unit_price_minor":`...), line.price, 10), '}')
	}
	return string(append(out, ']'))
}

func (c *orderColumns) queue(changes *pgx.Batch) {
	if len(c.ids) > 0 {
		changes.Queue(insertRecipients, c.ids, c.customers, c.locales, c.names, c.emails, c.currencies, c.totals, c.lines, c.placedAt)
	}
}

// mailColumns are rows of the table mails.
type mailColumns struct {
	columns
	orders                 []pgtype.UUID
	kinds, states, details []string
	at                     []time.Time
	causes                 []pgtype.Text
}

func (c *mailColumns) add(o *outcome, cause string) {
	state := "queued"
	if cause != "" {
		state = "withheld"
	}
	c.columns.add(o.eventID, o.customer)
	c.orders, c.kinds = append(c.orders, o.orderID), append(c.kinds, o.kind)
	c.states, c.details = append(c.states, state), append(c.details, o.details)
	c.at, c.causes = append(c.at, time.UnixMicro(o.at).UTC()), append(c.causes, pgtype.Text{String: cause, Valid: cause != ""})
}

func (c *mailColumns) queue(changes *pgx.Batch) {
	if len(c.ids) > 0 {
		changes.Queue(insertMails, c.ids, c.customers, c.orders, c.kinds, c.states, c.details, c.at, c.causes)
	}
}
