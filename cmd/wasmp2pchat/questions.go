package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The bounds of what somebody types.
const (
	maxTries       = 3
	maxAnswerBytes = 4096 // the longest path of Linux
)

// questions asks on a terminal. After an error it asks nothing more.
type questions struct {
	in  io.Reader
	out io.Writer
	err error // which flag would have been the answer
}

// ask asks until the answer is good.
func (q *questions) ask(question, flag string, good func(string) bool) string {
	for range maxTries {
		if q.err != nil {
			return ""
		}
		fmt.Fprint(q.out, question)
		answer, err := q.line()
		switch {
		case err != nil:
			q.err = fmt.Errorf("no answer: %s says it too", flag)
		case good(answer):
			return answer
		default:
			fmt.Fprintf(q.out, "  %q is none\n", answer)
		}
	}
	if q.err == nil {
		q.err = fmt.Errorf("no answer that can be used: %s says it too", flag)
	}
	return ""
}

// choose asks for a number up to n; nothing is 1.
func (q *questions) choose(question, flag string, n int) int {
	answer := q.ask(question+" [1]: ", flag, func(text string) bool {
		i, err := strconv.Atoi(text)
		return text == "" || err == nil && i >= 1 && i <= n
	})
	if i, err := strconv.Atoi(answer); err == nil {
		return i
	}
	return 1
}

// line reads one line, byte by byte: what comes after it is not for us.
func (q *questions) line() (string, error) {
	var line []byte
	for p := make([]byte, 1); len(line) < maxAnswerBytes; {
		n, err := q.in.Read(p)
		if n > 0 && p[0] == '\n' {
			break
		}
		line = append(line, p[:n]...)
		if err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(string(line)), nil
}
