package main

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type position struct{ epoch, next int64 }

// store writes batches. The position moves in the same transaction, by compare-and-set; or it is kept
// by Kafka, behind the rows, which shows what the former costs.
type store struct {
	database *pgx.Conn
	topic    string
	inKafka  bool
	// The group assigns while a batch may be under way.
	mutex sync.Mutex
	held  map[int32]position
}

// take takes the positions of the partitions that were assigned; the log is read from there.
func (s *store) take(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	if s.inKafka {
		return offsets, nil
	}
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

var errFenced = errors.New("a position is not where this worker left it")

// apply is two conversations: take and load, then save and commit.
func (s *store) apply(ctx context.Context, b batch) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.begin(ctx, b); err != nil {
		return err
	}
	changes := &pgx.Batch{}
	b.save(changes)
	changes.Queue("COMMIT")
	if err := s.database.SendBatch(ctx, changes).Close(); err != nil {
		return err
	}
	for partition, next := range b.passed().next {
		s.held[partition] = position{s.held[partition].epoch, next}
	}
	return nil
}

// commit tells Kafka what apply has written.
func (s *store) commit(ctx context.Context, client *kgo.Client, b batch) error {
	behind := map[int32]kgo.EpochOffset{}
	for partition, next := range b.passed().next {
		behind[partition] = kgo.EpochOffset{Epoch: -1, Offset: next}
	}
	var failed error
	client.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{s.topic: behind},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) { failed = err })
	return failed
}

func (s *store) begin(ctx context.Context, b batch) error {
	var partitions []int32
	var epochs, froms, nexts []int64
	for partition, next := range b.passed().next {
		partitions, epochs = append(partitions, partition), append(epochs, s.held[partition].epoch)
		froms, nexts = append(froms, b.passed().from[partition]), append(nexts, next)
	}
	question := &pgx.Batch{}
	question.Queue("BEGIN")
	if !s.inKafka {
		question.Queue(advance, s.topic, partitions, epochs, froms, nexts)
	}
	b.ask(question)
	answers := s.database.SendBatch(ctx, question)
	defer answers.Close()
	if _, err := answers.Exec(); err != nil {
		return err
	}
	if s.inKafka {
		return b.hear(answers)
	}
	moved, err := answers.Exec()
	if err != nil {
		return err
	}
	if moved.RowsAffected() != int64(len(partitions)) {
		return errFenced
	}
	return b.hear(answers)
}

type rowKey struct {
	id       [16]byte
	customer string
}

// keys reads rows of a uuid and a customer into a set.
func keys(answers pgx.BatchResults, into map[rowKey]bool) error {
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	var id pgtype.UUID
	var customer string
	_, err = pgx.ForEachRow(rows, []any{&id, &customer}, func() error {
		into[rowKey{id.Bytes, customer}] = true
		return nil
	})
	return err
}
