// The peer of two consumers in Go, analytics and the ledger of mails: franz-go and pgx. It writes the
// same rows into the same tables, with the position in the same transaction, of a log of what the
// harness writes; any other event is an error.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	batchMax, err := strconv.Atoi(os.Getenv("BATCH_RECORDS_MAX"))
	if err != nil || batchMax < 1 {
		return errors.New("BATCH_RECORDS_MAX must be a number of records")
	}
	newBatch, err := projection(os.Getenv("PROJECTION"))
	if err != nil {
		return err
	}
	database, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer database.Close(context.Background())
	prefix := os.Getenv("KAFKA_PREFIX")
	store := &store{database: database, topic: prefix + "orders", inKafka: os.Getenv("POSITION") == "kafka", held: map[int32]position{}}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("KAFKA_BOOTSTRAP_SERVERS")),
		kgo.ClientID("go-sink"),
		kgo.ConsumerGroup(os.Getenv("GROUP")),
		kgo.ConsumeTopics(store.topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(),
		kgo.AdjustFetchOffsetsFn(store.take),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// Whoever is killed is missed soon.
		kgo.SessionTimeout(10*time.Second),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	// One batch is fetched and decoded while the one before it commits.
	batches, failed := make(chan batch, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { failed <- read(ctx, client, newBatch, batchMax, batches) }()
	for {
		select {
		case batch := <-batches:
			if err := store.apply(ctx, batch); err != nil {
				return err
			}
			if store.inKafka {
				if err := store.commit(ctx, client, batch); err != nil {
					return err
				}
			}
		case err := <-failed:
			return err
		}
	}
}

// projection says what a batch is of.
func projection(name string) (func(int) batch, error) {
	schemas := map[uint32]string{}
	for _, event := range []string{"OrderPlaced", "OrderConfirmed", "OrderRejected", "OrderCancelled"} {
		id, err := order.SchemaID(os.Getenv("SCHEMA_REGISTRY_URL"), "orders-orderflow."+event)
		if err != nil {
			return nil, err
		}
		schemas[id] = event
	}
	switch name {
	case "analytics":
		return newAnalytics(schemas), nil
	case "mails":
		days, err := strconv.Atoi(strings.TrimSuffix(os.Getenv("MAIL_MAX_AGE"), "d"))
		return newMails(schemas, time.Duration(days)*24*time.Hour), err
	}
	return nil, fmt.Errorf("PROJECTION is %q: it can be analytics or mails", name)
}

func read(ctx context.Context, client *kgo.Client, newBatch func(int) batch, max int, batches chan<- batch) error {
	for {
		fetches := client.PollRecords(ctx, max)
		if err := fetches.Err0(); err != nil {
			return err
		}
		batch := newBatch(fetches.NumRecords())
		var err error
		fetches.EachRecord(func(record *kgo.Record) {
			if err == nil {
				if err = batch.add(record); err != nil {
					err = fmt.Errorf("partition %d, offset %d: %w", record.Partition, record.Offset, err)
				}
			}
		})
		if err != nil {
			return err
		}
		if len(batch.passed().next) == 0 {
			continue
		}
		select {
		case batches <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
