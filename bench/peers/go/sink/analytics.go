package main

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

const known = `
	SELECT order_id, customer_id FROM orders
	JOIN unnest($1::uuid[], $2::text[]) AS key (order_id, customer_id) USING (order_id, customer_id)
	ORDER BY order_id, customer_id FOR NO KEY UPDATE OF orders`

const insertOrders = `
	INSERT INTO orders (order_id, customer_id, currency, total_minor, units, placed_at)
	SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[])`

const insertLines = `
	INSERT INTO order_lines (order_id, line, sku, quantity, unit_price_minor)
	SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::bigint[])`

const addCustomers = `
	INSERT INTO customers AS old (customer_id, currency, orders, confirmed, rejected, cancelled,
		revenue_minor, first_order_at, last_order_at)
	SELECT c, u, n, 0, 0, 0, 0, f, l
	FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::timestamptz[]) AS new (c, u, n, f, l)
	ON CONFLICT (customer_id, currency) DO UPDATE SET orders = old.orders + excluded.orders,
		first_order_at = least(old.first_order_at, excluded.first_order_at),
		last_order_at = greatest(old.last_order_at, excluded.last_order_at)`

const addFunnel = `
	INSERT INTO hourly_funnel AS old (hour, placed, confirmed, rejected, cancel_requested, cancelled)
	SELECT h, n, 0, 0, 0, 0 FROM unnest($1::timestamptz[], $2::bigint[]) AS new (h, n)
	ON CONFLICT (hour) DO UPDATE SET placed = old.placed + excluded.placed`

// analytics is a batch of placed orders, column by column; any other event is an error.
type analytics struct {
	span
	schemaID   uint32
	ids        []pgtype.UUID
	customers  []string
	currencies []string
	totals     []int64
	units      []int64
	placedAt   []time.Time
	lines      [][]line
	isNew      []bool
}

func newAnalytics(schemas map[uint32]string) func(int) batch {
	var schemaID uint32
	for id, event := range schemas {
		if event == "OrderPlaced" {
			schemaID = id
		}
	}
	return func(size int) batch {
		return &analytics{
			span: newSpan(), schemaID: schemaID, ids: make([]pgtype.UUID, 0, size),
			customers: make([]string, 0, size), currencies: make([]string, 0, size),
			totals: make([]int64, 0, size), units: make([]int64, 0, size),
			placedAt: make([]time.Time, 0, size), lines: make([][]line, 0, size),
		}
	}
}

func (b *analytics) add(record *kgo.Record) error {
	datum, id := order.NewReader(record.Value)
	if datum.Err == nil && id != b.schemaID {
		return errors.New("not a placed order")
	}
	placed, err := readPlaced(datum)
	if err != nil {
		return err
	}
	b.append(placed.id, placed.customer, placed.currency, placed.total, placed.units, time.UnixMicro(placed.at).UTC(), placed.lines)
	b.pass(record)
	return nil
}

func (b *analytics) append(id pgtype.UUID, customer, currency string, total, units int64, at time.Time, lines []line) {
	b.ids, b.customers = append(b.ids, id), append(b.customers, customer)
	b.currencies, b.totals = append(b.currencies, currency), append(b.totals, total)
	b.units, b.placedAt = append(b.units, units), append(b.placedAt, at)
	b.lines = append(b.lines, lines)
}

func (b *analytics) ask(question *pgx.Batch) { question.Queue(known, b.ids, b.customers) }

// hear says which orders of the batch are neither stored nor seen before in it.
func (b *analytics) hear(answers pgx.BatchResults) error {
	seen := make(map[rowKey]bool, len(b.ids))
	err := keys(answers, seen)
	b.isNew = make([]bool, len(b.ids))
	for i := range b.ids {
		key := rowKey{b.ids[i].Bytes, b.customers[i]}
		b.isNew[i], seen[key] = !seen[key], true
	}
	return err
}

func (b *analytics) save(changes *pgx.Batch) {
	fresh := b.filtered()
	ids, numbers, skus, quantities, prices := fresh.lineColumns()
	totals := sum(fresh)
	changes.Queue(insertOrders, fresh.ids, fresh.customers, fresh.currencies, fresh.totals, fresh.units, fresh.placedAt)
	changes.Queue(insertLines, ids, numbers, skus, quantities, prices)
	changes.Queue(addCustomers, totals.customers, totals.currencies, totals.orders, totals.first, totals.last)
	changes.Queue(addFunnel, totals.hours, totals.placed)
}

func (b *analytics) filtered() *analytics {
	fresh := &analytics{}
	for i, isNew := range b.isNew {
		if isNew {
			fresh.append(b.ids[i], b.customers[i], b.currencies[i], b.totals[i], b.units[i], b.placedAt[i], b.lines[i])
		}
	}
	return fresh
}

func (b *analytics) lineColumns() (ids []pgtype.UUID, numbers []int32, skus []string, quantities []int32, prices []int64) {
	for i, lines := range b.lines {
		for number, line := range lines {
			ids, numbers = append(ids, b.ids[i]), append(numbers, int32(number))
			skus, quantities = append(skus, line.sku), append(quantities, line.quantity)
			prices = append(prices, line.price)
		}
	}
	return ids, numbers, skus, quantities, prices
}
