package main

import (
	"cmp"
	"slices"
	"time"
)

// totals are what a batch adds to the tables customers and hourly_funnel.
type totals struct {
	customers, currencies []string
	orders                []int64
	first, last           []time.Time
	hours                 []time.Time
	placed                []int64
}

type customerKey struct{ customer, currency string }

type customer struct {
	orders      int64
	first, last time.Time
}

func sum(b *analytics) *totals {
	customers, hours := map[customerKey]*customer{}, map[time.Time]int64{}
	for i, at := range b.placedAt {
		key := customerKey{b.customers[i], b.currencies[i]}
		of := customers[key]
		if of == nil {
			of = &customer{first: at, last: at}
			customers[key] = of
		}
		of.orders++
		if at.Before(of.first) {
			of.first = at
		}
		if at.After(of.last) {
			of.last = at
		}
		hours[at.Truncate(time.Hour)]++
	}
	return sorted(customers, hours)
}

// sorted, so that two workers lock rows in the same order.
func sorted(customers map[customerKey]*customer, hours map[time.Time]int64) *totals {
	all := &totals{}
	keys := make([]customerKey, 0, len(customers))
	for key := range customers {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b customerKey) int {
		return cmp.Or(cmp.Compare(a.customer, b.customer), cmp.Compare(a.currency, b.currency))
	})
	for _, key := range keys {
		of := customers[key]
		all.customers, all.currencies = append(all.customers, key.customer), append(all.currencies, key.currency)
		all.orders = append(all.orders, of.orders)
		all.first, all.last = append(all.first, of.first), append(all.last, of.last)
	}
	for hour := range hours {
		all.hours = append(all.hours, hour)
	}
	slices.SortFunc(all.hours, time.Time.Compare)
	for _, hour := range all.hours {
		all.placed = append(all.placed, hours[hour])
	}
	return all
}
