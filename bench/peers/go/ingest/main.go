// The peer of producer-api in Go: net/http and franz-go, the same work for an order, nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	brokers, prefix := os.Getenv("KAFKA_BOOTSTRAP_SERVERS"), os.Getenv("KAFKA_PREFIX")
	schemaID, err := order.SchemaID(os.Getenv("SCHEMA_REGISTRY_URL"), "orders-orderflow.OrderPlaced")
	if err != nil {
		return err
	}
	linger, err := strconv.Atoi(os.Getenv("LINGER_US"))
	if err != nil || linger < 0 {
		return errors.New("LINGER_US must be a number of microseconds")
	}
	producer, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ClientID("go-ingest"),
		kgo.DefaultProduceTopic(prefix+"orders"),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotent by default
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(time.Duration(linger)*time.Microsecond),
		kgo.MaxBufferedRecords(10_000),
		kgo.RecordDeliveryTimeout(10*time.Second),
	)
	if err != nil {
		return err
	}
	defer producer.Close()
	catalogue := &catalogue{}
	if err := catalogue.follow(ctx, brokers, prefix+"products"); err != nil {
		return err
	}
	api := &api{producer: producer, catalogue: catalogue, schemaID: schemaID}
	server := &http.Server{
		Addr: os.Getenv("HTTP_ADDR"), Handler: api.routes(),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 131_072,
	}
	go func() {
		<-ctx.Done()
		within, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		_ = server.Shutdown(within)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
