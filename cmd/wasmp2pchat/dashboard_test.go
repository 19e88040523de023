package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dashboardFile = "../../configs/grafana-dashboard.json"

// The dashboard, in Go: rows of panels, each with its queries.
type (
	dashboardRow struct {
		title  string
		panels []panel
	}
	panel struct {
		kind, title, help, unit string
		queries                 []query
	}
	query struct{ legend, expr string }
)

func q(legend, expr string) query { return query{legend, expr} }

func chart(title, help, unit string, queries ...query) panel {
	return panel{"timeseries", title, help, unit, queries}
}

func stat(title, help, unit string, queries ...query) panel {
	return panel{"stat", title, help, unit, queries}
}

// What of the grid a panel takes: 24 columns are its width.
const (
	gridColumns = 24
	chartWidth  = 8
	chartHeight = 8
	statWidth   = 4
	statHeight  = 4
)

// object is one of JSON.
type object = map[string]any

// dashboard is what Grafana imports. Its source is a variable, so that nobody
// has to edit it.
func dashboard() object {
	var panels []object
	id, y := 0, 0
	for _, row := range dashboardRows() {
		id++
		panels = append(panels, object{
			"id": id, "type": "row", "title": row.title, "collapsed": false, "panels": []any{},
			"gridPos": object{"x": 0, "y": y, "w": gridColumns, "h": 1},
		})
		y++
		x, height := 0, 0
		for _, p := range row.panels {
			w, h := chartWidth, chartHeight
			if p.kind == "stat" {
				w, h = statWidth, statHeight
			}
			if x+w > gridColumns {
				x, y = 0, y+height
			}
			id++
			panels = append(panels, p.json(id, object{"x": x, "y": y, "w": w, "h": h}))
			x, height = x+w, h
		}
		y += height
	}
	return object{
		"uid": namespace, "title": "WasmP2PChat", "description": "Visitors, chats, the relay, what was refused, and the machine.",
		"tags": []string{namespace}, "schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1, "timezone": "browser",
		"refresh": "30s", "time": object{"from": "now-6h", "to": "now"}, "timepicker": object{}, "links": []any{}, "annotations": object{"list": []any{}},
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0, "refresh": 1, "options": []any{}},
			{
				"name": "instance", "label": "Server", "type": "query", "datasource": source(), "hide": 0, "refresh": 2, "sort": 1,
				"query": object{"query": "label_values(wasmp2pchat_build_info, instance)", "refId": "instances"},
				"multi": true, "includeAll": true, "allValue": ".*", "options": []any{},
				"current": object{"text": []string{"All"}, "value": []string{"$__all"}},
			},
		}},
		"panels": panels,
	}
}

func source() object { return object{"type": "prometheus", "uid": "${datasource}"} }

func (p panel) json(id int, at object) object {
	var targets []object
	for i, one := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": source(), "editorMode": "code", "range": true,
			"expr": strings.ReplaceAll(one.expr, "$i", `instance=~"$instance"`), "legendFormat": one.legend,
		})
	}
	defaults := object{"unit": p.unit, "min": 0}
	options := object{"legend": object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []any{}}, "tooltip": object{"mode": "multi", "sort": "desc"}}
	if p.kind == "stat" {
		options = object{
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}, "colorMode": "none", "graphMode": "none", "textMode": "auto",
			"justifyMode": "auto", "orientation": "auto", "percentChangeColorMode": "standard", "showPercentChange": false, "wideLayout": true,
		}
	} else {
		defaults["custom"] = object{"drawStyle": "line", "fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
	}
	return object{
		"id": id, "type": p.kind, "title": p.title, "description": p.help, "datasource": source(), "gridPos": at,
		"fieldConfig": object{"defaults": defaults, "overrides": []any{}}, "options": options, "targets": targets,
	}
}

// importedPanel is what the checks read of a panel, whoever wrote it.
type importedPanel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Datasource  struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	} `json:"datasource"`
	GridPos struct{ X, Y, W, H int } `json:"gridPos"`
	Targets []struct {
		RefID string `json:"refId"`
		Expr  string `json:"expr"`
	} `json:"targets"`
}

// importDashboard reads the file as Grafana does.
func importDashboard(t *testing.T) (panels []importedPanel) {
	t.Helper()
	raw, err := os.ReadFile(dashboardFile)
	must(t, err)
	var imported struct {
		UID, Title    string
		SchemaVersion int
		Panels        []importedPanel
	}
	must(t, json.Unmarshal(raw, &imported))
	if imported.UID == "" || imported.Title == "" || imported.SchemaVersion < 36 || len(imported.Panels) == 0 { // 36: data sources are objects
		t.Fatalf("the dashboard %q, %q has schema %d and %d panels", imported.UID, imported.Title, imported.SchemaVersion, len(imported.Panels))
	}
	return imported.Panels
}

// TestDashboard holds the file to what it is generated from, and to what Grafana
// wants of one that is imported anywhere.
func TestDashboard(t *testing.T) {
	t.Parallel()
	golden(t, dashboardFile, func(string) string {
		text, err := json.MarshalIndent(dashboard(), "", "  ")
		must(t, err)
		return string(text) + "\n"
	})
	panels := importDashboard(t)
	for i, p := range panels {
		at := p.GridPos
		if at.W < 1 || at.H < 1 || at.X < 0 || at.Y < 0 || at.X+at.W > gridColumns {
			t.Errorf("panel %q is at %+v, which is not on the grid", p.Title, at)
		}
		for _, other := range panels[:i] {
			if o := other.GridPos; at.X < o.X+o.W && o.X < at.X+at.W && at.Y < o.Y+o.H && o.Y < at.Y+at.H {
				t.Errorf("panels %q and %q overlap", other.Title, p.Title)
			}
			if other.ID == p.ID {
				t.Errorf("panels %q and %q have the id %d", other.Title, p.Title, p.ID)
			}
		}
		if p.Title == "" || p.ID < 1 || p.Type == "" {
			t.Errorf("panel %+v lacks a title, an id or a type", p)
		}
		if p.Type != "row" {
			checkTargets(t, p)
		}
	}
}

func checkTargets(t *testing.T, p importedPanel) {
	t.Helper()
	if p.Datasource.UID != "${datasource}" || p.Datasource.Type != "prometheus" || p.Description == "" || len(p.Targets) == 0 {
		t.Errorf("panel %q: want the source that was chosen, a description and queries, have %+v", p.Title, p)
	}
	var ids []string
	for _, target := range p.Targets {
		if target.RefID == "" || slices.Contains(ids, target.RefID) || !strings.Contains(target.Expr, `{instance=~"$instance"}`) {
			t.Errorf("panel %q: query %q has the name %q of another, or is not about the servers that were chosen", p.Title, target.Expr, target.RefID)
		}
		ids = append(ids, target.RefID)
	}
}

// TestMonitoringNamesWhatExists looks up each metric that the dashboard and the
// alerts name, in a server; and that there is something to read for each alert.
func TestMonitoringNamesWhatExists(t *testing.T) {
	t.Parallel()
	alerts, err := os.ReadFile("../../configs/alerts.yml")
	must(t, err)
	runbook, err := os.ReadFile("../../docs/operations.md")
	must(t, err)
	queries := []string{string(alerts)}
	for _, p := range importDashboard(t) {
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	known, used := families(t, openEverything(t)), map[string]bool{}
	for _, query := range queries {
		for _, name := range regexp.MustCompile(`\b(?:wasmp2pchat|process|go)_[a-z0-9_]+`).FindAllString(query, -1) {
			if used[name] = true; known[name] == nil && known[strings.TrimSuffix(name, "_bucket")] == nil {
				t.Errorf("no metric is named %s, in %q", name, query[:min(len(query), 200)])
			}
		}
	}
	for name := range known {
		if strings.HasPrefix(name, namespace) && !used[name] && !used[name+"_bucket"] && name != "wasmp2pchat_turn_ports_exhausted_total" { // turn_refused_total has it too
			t.Errorf("neither the dashboard nor an alert shows %s", name)
		}
	}
	for _, alert := range alertNames(string(alerts)) {
		short := strings.TrimPrefix(alert, "WasmP2PChat")
		if !strings.Contains(string(runbook), "\n### "+short+"\n") {
			t.Errorf("docs/operations.md has no chapter %s", short)
		}
		if !strings.Contains(string(alerts), "docs/operations.md#"+strings.ToLower(short)+"\n") {
			t.Errorf("alert %s does not point to its chapter", alert)
		}
	}
}

func alertNames(rules string) (names []string) {
	for _, found := range regexp.MustCompile(`(?m)^\s+- alert: (\w+)$`).FindAllStringSubmatch(rules, -1) {
		names = append(names, found[1])
	}
	return names
}
