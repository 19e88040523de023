package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// maxDevtoolsMessage bounds what Chromium may say at once.
const maxDevtoolsMessage = 4 << 20 // bytes

// devtools drives a tab of Chromium by its DevTools protocol, through the pipe of
// --remote-debugging-pipe: messages of JSON with a NUL behind each. There is one
// call at a time, and events are not looked at; for this a library would weigh as
// much as a tenth of the program.
type devtools struct {
	in      *os.File // that Chromium reads
	out     *os.File // that it writes
	answers *bufio.Scanner
	session string // of the tab; empty: the browser itself
	last    int    // id of the newest call
}

// call is one of them, or the answer.
type call struct {
	ID        int             `json:"id"`
	Method    string          `json:"method,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// newDevtools drives the Chromium at the other ends of two pipes.
func newDevtools(in, out *os.File) *devtools {
	d := &devtools{in: in, out: out, answers: bufio.NewScanner(out)}
	d.answers.Buffer(make([]byte, 64<<10), maxDevtoolsMessage)
	d.answers.Split(func(data []byte, _ bool) (int, []byte, error) {
		for i, b := range data {
			if b == 0 {
				return i + 1, data[:i], nil
			}
		}
		return 0, nil, nil
	})
	return d
}

// do makes a call, and reads its result. When ctx ends, so does the tab.
func (d *devtools) do(ctx context.Context, method string, params, result any) error {
	stop := context.AfterFunc(ctx, d.close)
	defer stop()
	d.last++
	text, err := json.Marshal(call{ID: d.last, Method: method, SessionID: d.session, Params: params})
	if err != nil {
		return err
	}
	if _, err := d.in.Write(append(text, 0)); err != nil {
		return fmt.Errorf("%s: %w", method, errors.Join(err, ctx.Err()))
	}
	for d.answers.Scan() {
		var answer call
		if err := json.Unmarshal(d.answers.Bytes(), &answer); err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		switch {
		case answer.ID != d.last: // an event
		case answer.Error != nil:
			return fmt.Errorf("%s: %s", method, answer.Error.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(answer.Result, result)
		}
	}
	return fmt.Errorf("%s: the browser has ended: %w", method, errors.Join(d.answers.Err(), ctx.Err()))
}

// open makes the one tab, in which script runs before every page's own.
func (d *devtools) open(ctx context.Context, script string) error {
	var target struct{ TargetID string }
	var session struct{ SessionID string }
	if err := d.do(ctx, "Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return err
	}
	if err := d.do(ctx, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session); err != nil {
		return err
	}
	d.session = session.SessionID
	if err := d.do(ctx, "Page.enable", nil, nil); err != nil {
		return err
	}
	return d.do(ctx, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": script}, nil)
}

// visit goes to a page.
func (d *devtools) visit(ctx context.Context, url string) error {
	var went struct{ ErrorText string }
	if err := d.do(ctx, "Page.navigate", map[string]any{"url": url}, &went); err != nil {
		return err
	}
	if went.ErrorText != "" {
		return fmt.Errorf("open %s: %s", url, went.ErrorText)
	}
	return nil
}

// evaluate runs JavaScript in the page, waits for its promise, and reads what came of
// it.
func (d *devtools) evaluate(ctx context.Context, script string, result any) error {
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	params := map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}
	if err := d.do(ctx, "Runtime.evaluate", params, &answer); err != nil {
		return err
	}
	if e := answer.ExceptionDetails; e != nil {
		return fmt.Errorf("the page: %s %s", e.Text, e.Exception.Description)
	}
	return json.Unmarshal(answer.Result.Value, result)
}

// close ends the connection to the browser, which ends the browser.
func (d *devtools) close() {
	_ = d.in.Close() // as it is meant to end
	_ = d.out.Close()
}
