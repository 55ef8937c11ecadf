package main

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderflow.example/bench/peers/go/order"
)

// catalogue is the topic products in memory.
type catalogue struct {
	mutex  sync.RWMutex
	prices map[string]order.Price
}

// lookUp finds the price of each line; one that is not there stays empty.
func (c *catalogue) lookUp(lines []order.Line) []order.Price {
	found := make([]order.Price, len(lines))
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	for i := range lines {
		found[i] = c.prices[lines[i].SKU]
	}
	return found
}

// follow returns once the topic is read to where it ends now, and goes on reading.
func (c *catalogue) follow(ctx context.Context, brokers, topic string) error {
	c.prices = map[string]order.Price{}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ClientID("go-ingest-catalogue"),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	left := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left[end.Partition] = end.Offset
		}
	})
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.take(fetches)
		fetches.EachRecord(func(record *kgo.Record) {
			if end, waits := left[record.Partition]; waits && record.Offset+1 >= end {
				delete(left, record.Partition)
			}
		})
	}
	go func() {
		for ctx.Err() == nil {
			c.take(client.PollFetches(ctx))
		}
		client.Close()
	}()
	return nil
}

func (c *catalogue) take(fetches kgo.Fetches) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	fetches.EachRecord(func(record *kgo.Record) {
		if record.Value == nil {
			delete(c.prices, string(record.Key))
			return
		}
		datum, _ := order.NewReader(record.Value)
		_, sku, _, _ := datum.Bytes(), datum.String(), datum.Bytes(), datum.Bytes()
		price := order.Price{Minor: datum.Long(), Currency: datum.String()}
		if datum.Err == nil && sku == string(record.Key) {
			c.prices[sku] = price
		}
	})
}
