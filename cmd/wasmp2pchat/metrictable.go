package main

import "github.com/prometheus/client_golang/prometheus"

// namespace begins the name of every metric of ours.
const namespace = "wasmp2pchat"

// table is the metrics that one service's Stats make. The service is asked once
// for each scrape: its numbers belong together, and however many they are they
// cost it one snapshot.
type table[S any] struct {
	stats func() S
	of    prometheus.Labels // that all of it has
	rows  []row[S]
}

// row is one metric, and how it is read from a snapshot.
type row[S any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(S, sample)
}

// sample takes one value, with a text for each label.
type sample func(value float64, labels ...string)

func newTable[S any](stats func() S) *table[S] { return &table[S]{stats: stats} }

// add adds a metric. A table is registered when it is complete.
func (t *table[S]) add(kind prometheus.ValueType, name, help string, labels []string, read func(S, sample)) {
	desc := prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, t.of)
	t.rows = append(t.rows, row[S]{desc, kind, read})
}

func (t *table[S]) gauge(name, help string, read func(S) int) {
	t.add(prometheus.GaugeValue, name, help, nil, func(s S, is sample) { is(float64(read(s))) })
}

func (t *table[S]) counter(name, help string, read func(S) uint64) {
	t.add(prometheus.CounterValue, name, help, nil, func(s S, is sample) { is(float64(read(s))) })
}

// gauges are one for each key, which is the label.
func (t *table[S]) gauges(name, help, label string, read func(S) map[string]int) {
	t.add(prometheus.GaugeValue, name, help, []string{label}, func(s S, is sample) {
		for key, value := range read(s) {
			is(float64(value), key)
		}
	})
}

// counters are one for each key, which is the label: so all keys have to be
// there from the start, and be few.
func (t *table[S]) counters(name, help, label string, read func(S) map[string]uint64) {
	t.add(prometheus.CounterValue, name, help, []string{label}, func(s S, is sample) {
		for key, value := range read(s) {
			is(float64(value), key)
		}
	})
}

// Describe implements prometheus.Collector.
func (t *table[S]) Describe(all chan<- *prometheus.Desc) {
	for _, r := range t.rows {
		all <- r.desc
	}
}

// Collect implements prometheus.Collector.
func (t *table[S]) Collect(all chan<- prometheus.Metric) {
	now := t.stats()
	for _, r := range t.rows {
		r.read(now, func(value float64, labels ...string) {
			all <- prometheus.MustNewConstMetric(r.desc, r.kind, value, labels...)
		})
	}
}
