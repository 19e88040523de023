package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// maxSeries bounds what a server tells Prometheus, however many visitors there
// are: it has some 130 series of its own, the rest are Go's.
const maxSeries = 300

// families are the metrics of a server, by their names.
func families(t *testing.T, s *server) map[string]*dto.MetricFamily {
	t.Helper()
	_, body := get(t, s.admin+"/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// metric is the value of one that has no labels.
func metric(t *testing.T, s *server, name string) float64 {
	t.Helper()
	family := families(t, s)[name]
	if family == nil || len(family.GetMetric()) != 1 {
		t.Fatalf("%s is %v, want one value", name, family)
	}
	m := family.GetMetric()[0]
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}

// openEverything starts a server in which every part is on that has metrics. Its
// Redis is not there, which makes no metric go.
func openEverything(t *testing.T, settings ...string) *server {
	t.Helper()
	dir := t.TempDir()
	newPair(t, 1).write(t, dir)
	return startServer(t, append(fileSettings(dir, freePort(t), "REDIRECT_ADDR=127.0.0.1:0", "TURN_MONTHLY_BUDGET=1TiB",
		"REDIS_URL=redis://127.0.0.1:1", "ROOM_SECRET=the room secret of all", "TURN_SECRETS=the turn secret of all"), settings...)...)
}

// TestMetrics holds the metrics to the conventions of Prometheus, to the list in
// the documents, and to a number that does not grow with the visitors.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := openEverything(t)
	_, body := get(t, s.admin+"/metrics")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	all, series := families(t, s), 0
	for _, family := range all {
		series += len(family.GetMetric())
	}
	if series > maxSeries {
		t.Errorf("%d series, want at most %d", series, maxSeries)
	}
	golden(t, "../../docs/operations.md", func(old string) string { return between(old, "metrics", metricList(all)) })
}

// metricList is our own metrics as a table.
func metricList(all map[string]*dto.MetricFamily) string {
	var table bytes.Buffer
	table.WriteString("| name (after `wasmp2pchat_`) | type | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		short, ours := strings.CutPrefix(name, namespace+"_")
		if !ours {
			continue
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", short, strings.ToLower(all[name].GetType().String()), labelsOf(all[name]), all[name].GetHelp())
	}
	return table.String()
}

// labelsOf are the labels of a metric, with their values unless those are
// another machine's or build's tomorrow.
func labelsOf(family *dto.MetricFamily) string {
	values := map[string][]string{}
	for _, m := range family.GetMetric() {
		for _, label := range m.GetLabel() {
			if known := values[label.GetName()]; !slices.Contains(known, label.GetValue()) {
				values[label.GetName()] = append(known, label.GetValue())
			}
		}
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch name {
		case "version", "client", "goversion", "plane":
			list = append(list, name)
		default:
			slices.Sort(values[name])
			list = append(list, name+" ("+strings.Join(values[name], ", ")+")")
		}
	}
	return strings.Join(list, "; ")
}

// TestAScrapeAsksEachServiceOnce holds what a table with many metrics costs.
func TestAScrapeAsksEachServiceOnce(t *testing.T) {
	t.Parallel()
	asked := 0
	numbers := newTable(func() int { asked++; return asked })
	for _, name := range []string{"a", "b", "c"} {
		numbers.gauge(name, "The same number.", func(n int) int { return n })
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(numbers)
	if asked != 0 {
		t.Errorf("asked %d times before the first scrape, want 0", asked)
	}
	for scrape := 1; scrape <= 2; scrape++ {
		all, err := registry.Gather()
		must(t, err)
		for _, family := range all {
			if got := family.GetMetric()[0].GetGauge().GetValue(); got != float64(scrape) {
				t.Errorf("scrape %d: %s = %v, want %d as all of them", scrape, family.GetName(), got, scrape)
			}
		}
	}
}
