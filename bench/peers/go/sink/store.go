package main

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kgo"
)

type position struct{ epoch, next int64 }

// store writes batches. The position moves in the same transaction, by compare-and-set.
type store struct {
	database *pgx.Conn
	topic    string
	// The group assigns while a batch may be under way.
	mutex sync.Mutex
	held  map[int32]position
}

// take takes the positions of the partitions that were assigned; the log is read from there.
func (s *store) take(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for partition := range offsets[s.topic] {
		var taken position
		err := s.database.QueryRow(ctx, `
			INSERT INTO positions (topic, partition, topic_id, epoch, next_offset) VALUES ($1, $2, '', 1, 0)
			ON CONFLICT (topic, partition) DO UPDATE
				SET epoch = positions.epoch + 1, updated_at = clock_timestamp()
			RETURNING epoch, next_offset`, s.topic, partition).Scan(&taken.epoch, &taken.next)
		if err != nil {
			return nil, err
		}
		s.held[partition] = taken
		offsets[s.topic][partition] = kgo.NewOffset().At(taken.next)
	}
	return offsets, nil
}

const advance = `
	UPDATE positions AS p SET next_offset = s.next, updated_at = clock_timestamp()
	FROM unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[]) AS s (partition, epoch, before, next)
	WHERE p.topic = $1 AND p.partition = s.partition AND p.epoch = s.epoch AND p.next_offset = s.before`

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

var errFenced = errors.New("a position is not where this worker left it")

// apply is two conversations: take and load, then save and commit.
func (s *store) apply(ctx context.Context, b *batch) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	isNew, err := s.begin(ctx, b)
	if err != nil {
		return err
	}
	if err := s.save(ctx, b, isNew); err != nil {
		return err
	}
	for partition, next := range b.next {
		s.held[partition] = position{s.held[partition].epoch, next}
	}
	return nil
}

func (s *store) begin(ctx context.Context, b *batch) (func(int) bool, error) {
	var partitions []int32
	var epochs, froms, nexts []int64
	for partition, next := range b.next {
		partitions, epochs = append(partitions, partition), append(epochs, s.held[partition].epoch)
		froms, nexts = append(froms, b.from[partition]), append(nexts, next)
	}
	question := &pgx.Batch{}
	question.Queue("BEGIN")
	question.Queue(advance, s.topic, partitions, epochs, froms, nexts)
	question.Queue(known, b.ids, b.customers)
	answers := s.database.SendBatch(ctx, question)
	defer answers.Close()
	if _, err := answers.Exec(); err != nil {
		return nil, err
	}
	moved, err := answers.Exec()
	if err != nil {
		return nil, err
	}
	if moved.RowsAffected() != int64(len(partitions)) {
		return nil, errFenced
	}
	return b.newOnes(answers)
}

type orderKey struct {
	id       [16]byte
	customer string
}

// newOnes says which orders of the batch are neither stored nor seen before in it.
func (b *batch) newOnes(answers pgx.BatchResults) (func(int) bool, error) {
	rows, err := answers.Query()
	if err != nil {
		return nil, err
	}
	seen := make(map[orderKey]bool, len(b.ids))
	var id pgtype.UUID
	var customer string
	_, err = pgx.ForEachRow(rows, []any{&id, &customer}, func() error {
		seen[orderKey{id.Bytes, customer}] = true
		return nil
	})
	isNew := make([]bool, len(b.ids))
	for i := range b.ids {
		key := orderKey{b.ids[i].Bytes, b.customers[i]}
		isNew[i], seen[key] = !seen[key], true
	}
	return func(i int) bool { return isNew[i] }, err
}

func (s *store) save(ctx context.Context, b *batch, isNew func(int) bool) error {
	fresh := b.filtered(isNew)
	ids, numbers, skus, quantities, prices := fresh.lineColumns()
	totals := sum(b, isNew)
	changes := &pgx.Batch{}
	changes.Queue(insertOrders, fresh.ids, fresh.customers, fresh.currencies, fresh.totals, fresh.units, fresh.placedAt)
	changes.Queue(insertLines, ids, numbers, skus, quantities, prices)
	changes.Queue(addCustomers, totals.customers, totals.currencies, totals.orders, totals.first, totals.last)
	changes.Queue(addFunnel, totals.hours, totals.placed)
	changes.Queue("COMMIT")
	return s.database.SendBatch(ctx, changes).Close()
}

func (b *batch) filtered(isNew func(int) bool) *batch {
	fresh := newBatch(len(b.ids))
	for i := range b.ids {
		if !isNew(i) {
			continue
		}
		fresh.ids, fresh.customers = append(fresh.ids, b.ids[i]), append(fresh.customers, b.customers[i])
		fresh.currencies, fresh.totals = append(fresh.currencies, b.currencies[i]), append(fresh.totals, b.totals[i])
		fresh.units, fresh.placedAt = append(fresh.units, b.units[i]), append(fresh.placedAt, b.placedAt[i])
		fresh.lines = append(fresh.lines, b.lines[i])
	}
	return fresh
}

func (b *batch) lineColumns() (ids []pgtype.UUID, numbers []int32, skus []string, quantities []int32, prices []int64) {
	for i, lines := range b.lines {
		for number, line := range lines {
			ids, numbers = append(ids, b.ids[i]), append(numbers, int32(number))
			skus, quantities = append(skus, line.sku), append(quantities, line.quantity)
			prices = append(prices, line.price)
		}
	}
	return ids, numbers, skus, quantities, prices
}
