package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestTheFiguresOfGo reads what go test prints.
func TestTheFiguresOfGo(t *testing.T) {
	t.Parallel()
	said := "fuzz: elapsed: 0s, gathering baseline coverage: 0/7 completed\n" +
		"fuzz: elapsed: 3s, execs: 6753 (2248/sec), new interesting: 3 (total: 10)\n" +
		"fuzz: elapsed: 7s, execs: 17870 (2598/sec), new interesting: 7 (total: 14)\nPASS\n"
	if got, want := (result{}).read([]byte(said)), (result{executions: 17870, fresh: 7, inputs: 14}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := (result{failed: true}).read([]byte("# build failed")); got != (result{failed: true}) {
		t.Errorf("%+v of a target that was not run", got)
	}
}

// TestTheDiaryGoesOn holds that what was done is known the next time, and that a
// failure fails all of it, after the table.
func TestTheDiaryGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "build", "fuzz.tsv")
	if d, err := readDiary(path); err != nil || len(d) > 0 {
		t.Fatalf("readDiary = %v, %v before there is one", d, err)
	}
	done := diary{"a FuzzA": {1, 2, 3, false}, "b FuzzB": {4, 5, 6, true}}
	if err := done.write(path); err != nil {
		t.Fatal(err)
	}
	if again, err := readDiary(path); err != nil || !reflect.DeepEqual(again, done) {
		t.Errorf("readDiary = %v, %v, want %v", again, err, done)
	}
	var out strings.Builder
	err := report([]target{{pkg: "a", name: "FuzzA"}, {pkg: "b", name: "FuzzB"}}, done, &out)
	words := strings.Join(strings.Fields(out.String()), " ")
	if err == nil || err.Error() != "b FuzzB fails" || !strings.HasSuffix(words, "FAIL b FuzzB 5 7 9 all 2") {
		t.Errorf("report = %v:\n%s", err, out.String())
	}
}

// TestByLength holds that short inputs come first, and in one order.
func TestByLength(t *testing.T) {
	t.Parallel()
	got := byLength(map[string][]byte{"c": []byte("1"), "a": []byte("333"), "b": []byte("1")})
	if want := []string{"b", "c", "a"}; !reflect.DeepEqual(got, want) {
		t.Errorf("byLength = %v, want %v", got, want)
	}
}
