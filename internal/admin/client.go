package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxAnswerBytes bounds one answer.
const maxAnswerBytes = 4 << 20

// Client asks the API of a server.
type Client struct {
	URL   string // http://127.0.0.1:9090
	Token string // empty: it shows none
	HTTP  *http.Client
}

// ErrNotTheAPI is an answer that this API does not give.
var ErrNotTheAPI = errors.New("that is not the admin API of wasmp2pchat")

// Do asks one operation, with a body unless it is nil, and reads the answer into v
// unless that is nil. The error of an answer that is a fault is a *ProblemError.
func (c *Client) Do(ctx context.Context, method, path string, body, v any) error {
	_, err := c.do(ctx, method, path, body, v)
	return err
}

// List reads the items of a list, page by page, at most limit of them; more says
// that there are others.
func List[T any](ctx context.Context, c *Client, path string, query url.Values, limit int) (items []T, more bool, err error) {
	items = []T{}
	for {
		query.Set("limit", strconv.Itoa(max(1, min(limit-len(items), maxPage))))
		var part []T
		next, err := c.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &part)
		if err != nil {
			return nil, false, err
		}
		items = append(items, part...)
		cursor := next.Get("cursor")
		if cursor == "" || len(part) == 0 || len(items) >= limit {
			return items, cursor != "", nil
		}
		query.Set("cursor", cursor)
	}
}

func (c *Client) do(ctx context.Context, method, path string, body, v any) (next url.Values, err error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	answer := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes))
	if resp.StatusCode >= http.StatusBadRequest {
		problem := ProblemError{Status: resp.StatusCode}
		if err := answer.Decode(&problem); err != nil || problem.Detail == "" {
			return nil, fmt.Errorf("%w: it answers %s", ErrNotTheAPI, resp.Status)
		}
		return nil, &problem
	}
	if v != nil {
		if err := answer.Decode(v); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotTheAPI, err)
		}
	}
	return nextPage(resp.Header.Get("Link")), nil
}

// nextPage is the query of the rel="next" of a Link, nil if there is none.
func nextPage(link string) url.Values {
	target, rest, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !strings.Contains(rest, `rel="next"`) {
		return nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	return u.Query()
}
