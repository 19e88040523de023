package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
)

// contract is docs/openapi.yaml, and which of its operations were seen to work.
type contract struct {
	t    *testing.T
	doc  *openapi3.T
	seen map[string]bool // by operationId
}

func readContract(t *testing.T) *contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("docs/openapi.yaml is no OpenAPI 3.1: %v", err)
	}
	return &contract{t: t, doc: doc, seen: map[string]bool{}}
}

// operations lists them as patterns of net/http.
func (c *contract) operations() (list []string) {
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			list = append(list, method+" "+path)
		}
	}
	slices.Sort(list)
	return list
}

// TestEveryRouteIsInTheContract holds that what is registered and what is described
// are the same.
func TestEveryRouteIsInTheContract(t *testing.T) {
	t.Parallel()
	api := adminHandler(new(readiness), insights(prometheus.NewRegistry(), http.NotFoundHandler(), chronicle{}), admin.Config{Token: func() string { return "" }})
	if got, want := api.Patterns(), readContract(t).operations(); !slices.Equal(got, want) {
		t.Errorf("the server has\n%s\nand docs/openapi.yaml has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// call is one question to the API.
type call struct {
	does   string // pattern
	ids    string // that take the place of {…}; after ? the query
	body   string
	status int
	// wrong is a question that the contract forbids: only the answer is held to it.
	wrong bool
}

// ask puts a question, and holds it and its answer to the contract.
func (c *contract) ask(base, token string, q call) (answer []byte, header http.Header) {
	c.t.Helper()
	method, pattern, _ := strings.Cut(q.does, " ")
	item := c.doc.Paths.Value(pattern)
	if item == nil || item.GetOperation(method) == nil {
		c.t.Fatalf("docs/openapi.yaml has no %s", q.does)
	}
	id, query, _ := strings.Cut(q.ids, "?")
	path, params := pattern, map[string]string{}
	if before, rest, found := strings.Cut(pattern, "{"); found {
		name, after, _ := strings.Cut(rest, "}")
		path, params[name] = before+url.PathEscape(id)+after, id
	}
	if query != "" {
		path += "?" + query
	}
	req := httptest.NewRequestWithContext(c.t.Context(), method, base+path, strings.NewReader(q.body))
	req.RequestURI = ""
	if q.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params,
		Route:   &routers.Route{Spec: c.doc, Path: pattern, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(c.t.Context(), input); (err != nil) != q.wrong {
		c.t.Errorf("%s %s: the contract says of the question %v, want a fault: %v", q.does, q.ids, err, q.wrong)
	}
	req.Body = io.NopCloser(strings.NewReader(q.body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != q.status {
		c.t.Errorf("%s %s = %d %s, want %d", q.does, q.ids, resp.StatusCode, answer, q.status)
	}
	c.hold(input, resp, answer)
	if resp.StatusCode < http.StatusBadRequest {
		c.seen[item.GetOperation(method).OperationID] = true
	}
	return answer, resp.Header
}

// hold holds an answer to what the contract says of it.
func (c *contract) hold(input *openapi3filter.RequestValidationInput, resp *http.Response, answer []byte) {
	c.t.Helper()
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header, Options: input.Options,
	}
	kind := resp.Header.Get("Content-Type")
	if strings.Contains(kind, "json") || resp.StatusCode == http.StatusNoContent {
		output.SetBodyBytes(answer)
		if err := openapi3filter.ValidateResponse(context.WithoutCancel(c.t.Context()), output); err != nil {
			c.t.Errorf("%s %s: the answer %s is not what the contract says: %v", input.Request.Method, input.Request.URL, answer, err)
		}
		return
	}
	// What is no JSON is held to its type.
	said := input.Route.Operation.Responses.Status(resp.StatusCode)
	if said == nil || said.Value.Content.Get(kind) == nil {
		c.t.Errorf("%s %s answers %d with %s, of which the contract knows nothing", input.Request.Method, input.Request.URL, resp.StatusCode, kind)
	}
}

// TestTheContractHolds puts every operation to a server on which two people chat,
// with what is right and with what is wrong.
func TestTheContractHolds(t *testing.T) {
	t.Parallel()
	const token = "the operator's own token"
	c := readContract(t)
	s := startServer(t, "ADMIN_TOKEN="+token, "TURN_PEERS=room", "TURN_ALLOW_PEERS=127.0.0.0/8")
	a, b := openTerminal(t, "--relay", s.url), openTerminal(t, "--relay", s.url)
	a.expect("* connected: relay-")
	b.expect("* connected: relay-")

	ask := func(q call) (answer []byte, header http.Header) {
		t.Helper()
		return c.ask(s.admin, token, q)
	}
	var rooms []admin.RoomAnswer
	var allocations []admin.AllocationAnswer
	text, _ := ask(call{does: "GET /api/rooms", ids: "?addresses=full", status: 200})
	mustJSON(t, text, &rooms)
	if len(rooms) != 1 || len(rooms[0].Members) != 2 || rooms[0].Allocations < 2 || rooms[0].Members[0].From != "127.0.0.1" {
		t.Fatalf("rooms = %s, want the one of the two, who relay", text)
	}
	text, header := ask(call{does: "GET /api/allocations", ids: "?limit=1", status: 200})
	mustJSON(t, text, &allocations)
	if len(allocations) != 1 || allocations[0].From != "127.0.0.0/24" || allocations[0].Room != rooms[0].ID || !strings.Contains(header.Get("Link"), `rel="next"`) {
		t.Fatalf("allocations = %s, Link %q; want one of the room, and where the next are", text, header.Get("Link"))
	}
	room := rooms[0].ID
	for _, q := range callsTo(room, allocations[0].ID) {
		ask(q)
	}
	a.expect("* the stranger has left")
	b.expect("* the stranger has left")
	var bans []admin.Ban
	text, _ = ask(call{does: "GET /api/bans", status: 200})
	if mustJSON(t, text, &bans); len(bans) != 2 || bans[0].Reason != "sells watches" {
		t.Fatalf("bans = %s, want two", text)
	}
	ask(call{does: "DELETE /api/bans/{name}", ids: bans[0].Name, status: 204})

	c.seen["upgrade"] = true // by TestUpgradeTwice
	c.isWhole(s.admin)
	isAudited(t, s, token, "192.0.2.7")
	if err := s.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func mustJSON(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// callsTo are right and wrong, and all there are; at the end the allocation and
// the room have gone.
func callsTo(room, allocation string) []call {
	return []call{
		{does: "GET /api/rooms/{id}", ids: room, status: 200},
		{does: "GET /api/rooms/{id}", ids: "no-such-room", status: 404},
		{does: "GET /api/rooms/{id}/timeline", ids: room, status: 200},
		{does: "GET /api/rooms/{id}/timeline", ids: "no-such-room", status: 404},
		{does: "GET /api/doctor", status: 200},
		{does: "GET /api/rooms/{id}", ids: room + "?addresses=some", status: 400, wrong: true},
		{does: "GET /api/rooms", ids: "?limit=0", status: 400, wrong: true},
		{does: "GET /api/rooms", ids: "?addresses=some", status: 400, wrong: true},
		{does: "GET /api/allocations", ids: "?cursor=x", status: 400},
		{does: "GET /api/allocations", ids: "?cursor=18446744073709551615", status: 200},
		{does: "DELETE /api/allocations/{id}", ids: "18446744073709551615", status: 404},
		{does: "DELETE /api/allocations/{id}", ids: "x", status: 404, wrong: true},
		{does: "POST /api/bans", body: `{"room":"` + room + `","side":"c"}`, status: 400, wrong: true},
		{does: "POST /api/bans", body: `{"room":"no-such-room","side":"a"}`, status: 404},
		{does: "POST /api/bans", body: `{"room":"` + room + `","side":"a","kind":"device"}`, status: 409},
		{does: "POST /api/bans", body: `{"address":"192.0.2.7","for":"1s"}`, status: 400},
		{does: "POST /api/bans", body: `{"address":"192.0.2.0/24"}`, status: 400},
		{does: "POST /api/bans", body: `{"addr":"192.0.2.7"}`, status: 400, wrong: true},
		{does: "POST /api/bans", body: `{"address":"192.0.2.7","for":"2h","reason":"sells watches"}`, status: 201},
		{does: "POST /api/bans", body: `{"address":"2001:db8::/64"}`, status: 201},
		{does: "GET /api/bans", ids: "?limit=1", status: 200},
		{does: "DELETE /api/bans/{name}", ids: "nobody", status: 404},
		{does: "GET /api/nodes", status: 200},
		{does: "GET /api/drain", status: 200},
		{does: "POST /api/drain", status: 200},
		{does: "GET /readyz", status: 503},
		{does: "DELETE /api/drain", status: 200},
		{does: "GET /readyz", status: 200},
		{does: "GET /healthz", status: 200},
		{does: "GET /api/turn/secrets", status: 200},
		{does: "POST /api/turn/secrets", status: 201},
		{does: "POST /api/turn/secrets", status: 201},
		{does: "POST /api/turn/secrets", status: 201},
		{does: "POST /api/turn/secrets", status: 409},
		{does: "POST /api/upgrade", status: 409}, // it runs in a process of a test
		{does: "POST /api/credentials", body: `{}`, status: 200},
		{does: "POST /api/credentials", body: `{"user":"` + room + `.b","ttl":"1m"}`, status: 200},
		{does: "POST /api/credentials", body: `{"user":"ann"}`, status: 400}, // TURN_PEERS=room
		{does: "POST /api/credentials", body: `{"ttl":"48h"}`, status: 400},
		{does: "GET /metrics", status: 200},
		{does: "GET /debug/pprof/", status: 200},
		{does: "GET /debug/pprof/symbol", status: 200},
		{does: "GET /debug/pprof/profile", ids: "?seconds=1", status: 200},
		{does: "GET /debug/pprof/trace", ids: "?seconds=0.1", status: 200},
		{does: "DELETE /api/allocations/{id}", ids: allocation, status: 204},
		{does: "DELETE /api/rooms/{id}", ids: room, status: 204},
		{does: "DELETE /api/rooms/{id}", ids: room, status: 404},
	}
}

// isWhole holds that every operation was seen to work, and wants the token if the
// contract says so.
func (c *contract) isWhole(base string) {
	c.t.Helper()
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if !c.seen[operation.OperationID] {
				c.t.Errorf("%s %s was never seen to work", method, path)
			}
			if operation.Security != nil && len(*operation.Security) == 0 {
				continue
			}
			c.ask(base, "", call{does: method + " " + path, ids: "1", status: http.StatusUnauthorized, wrong: method == http.MethodPost && operation.RequestBody != nil})
		}
	}
}

// isAudited holds that every change is in the log, and what nobody may read is not.
func isAudited(t *testing.T, s *server, token string, others ...string) {
	t.Helper()
	audit := s.log.with(`"msg":"operator"`)
	for _, did := range []string{"end room", "end allocation", "ban address", "lift ban", "drain", "end drain", "rotate secret", "mint credential"} {
		if !slices.ContainsFunc(audit, func(line string) bool { return strings.Contains(line, `"did":"`+did+`"`) }) {
			t.Errorf("the log does not say %q", did)
		}
	}
	for _, secret := range append(others, token) {
		if line := s.log.line(secret); line != "" {
			t.Errorf("the log holds %s: %s", secret, line)
		}
	}
	if !strings.Contains(audit[0], `"by":"token `) {
		t.Errorf("the log does not say by whom: %s", audit[0])
	}
}
