package redisdb_test

import (
	"bufio"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb/redistest"
)

// TestAnOldServer: what is too old is said to be, whether it knows HELLO or not.
func TestAnOldServer(t *testing.T) {
	t.Parallel()
	const hello = "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n6.2.7\r\n$5\r\nproto\r\n:3\r\n"
	for name, answer := range map[string]string{"Redis 6": hello, "Redis 5": "-ERR unknown command `HELLO`\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := served(t, "redis://"+pretend(t, answer), nil)
			redistest.Until(t, func() bool { return strings.Contains(db.Reason().Error(), "it is older than Redis 7, which is needed") })
		})
	}
}

// pretend is a server that answers HELLO with this, knows no cluster, and is fine
// with everything else.
func pretend(t *testing.T, hello string) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				for r := bufio.NewReader(conn); ; {
					command, err := readCommand(r)
					if err != nil {
						return
					}
					answer := "+OK\r\n"
					switch command {
					case "HELLO":
						answer = hello
					case "CLUSTER":
						answer = "-ERR This instance has cluster support disabled\r\n"
					}
					if _, err := conn.Write([]byte(answer)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// readCommand reads a command, and returns its first word.
func readCommand(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.Trim(line, "*\r\n"))
	if err != nil {
		return "", err
	}
	var first string
	for i := range 2 * n { // the length of each word, and the word
		if line, err = r.ReadString('\n'); err != nil {
			return "", err
		}
		if i == 1 {
			first = strings.TrimSpace(line)
		}
	}
	return first, nil
}
