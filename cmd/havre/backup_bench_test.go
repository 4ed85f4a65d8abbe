package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
	"github.com/havre-cloud/havre/internal/source/framadate/framadatetest"
)

// tenInstances are five Etherpads and five Framadates with 100 documents each. It returns their addresses, one on each line, and what
// counts the requests.
func tenInstances(b *testing.B) (list string, requests *atomic.Int64) {
	b.Helper()
	const each = 100
	requests = new(atomic.Int64)
	var all strings.Builder
	for i := range 5 {
		fake, err := etherpadtest.NewFake(etherpadtest.FakeOptions{Version: "2.5.3"})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(fake.Kill)
		root, err := url.Parse(fake.URL())
		if err != nil {
			b.Fatal(err)
		}
		proxy := httputil.NewSingleHostReverseProxy(root)
		counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			proxy.ServeHTTP(w, r)
		}))
		b.Cleanup(counting.Close)
		polls := framadatetest.New(b, framadatetest.Options{Version: framadatetest.V1_1_19})
		polls.Intercept(func(http.ResponseWriter, *http.Request) bool {
			requests.Add(1)
			return false
		})
		for j := range each {
			name := fmt.Sprintf("pad-%d-%d", i, j)
			if _, err := fake.Call("createPad", "padID", name, "text", strings.Repeat("A line of text.\n", 100)); err != nil {
				b.Fatal(err)
			}
			p := polls.Add(&framadatetest.Poll{
				Title: fmt.Sprintf("Poll %d %d", i, j), Author: "Ada", Classic: true, Expires: time.Now().AddDate(1, 0, 0),
				Slots: []framadatetest.Slot{{Title: "One"}, {Title: "Two"}}, Votes: []*framadatetest.Vote{{Name: "Bob", Choices: "20"}, {Name: "Eve", Choices: "12"}},
			})
			fmt.Fprintf(&all, "%s/p/%s\n%s\n", counting.URL, name, polls.Poll(p))
		}
	}
	return all.String(), requests
}

// BenchmarkUnchangedSources saves 500 pads and 500 polls of ten instances, and then measures a run in which nothing has
// changed: requests for each document, the process's memory, and what it computes beside waiting for its turns.
//
//	go test -run '^$' -bench UnchangedSources -benchtime 1x ./cmd/havre
func BenchmarkUnchangedSources(b *testing.B) {
	list, requests := tenInstances(b)
	dir := b.TempDir()
	from := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(from, []byte(list), 0o600); err != nil {
		b.Fatal(err)
	}
	backup := func(args ...string) *os.ProcessState {
		cmd := exec.CommandContext(b.Context(), program, append([]string{"backup", "--allow-private"}, args...)...)
		cmd.Env = []string{beHavre + "=1", "HOME=" + dir, "TMPDIR=" + dir}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "1,000 documents in") {
			b.Fatalf("%v: %s", err, out)
		}
		b.Logf("%s", out[strings.LastIndex(strings.TrimSpace(string(out)), "\n")+1:])
		return cmd.ProcessState
	}
	backup("--from", from, filepath.Join(dir, "Pads"))
	for b.Loop() {
		requests.Store(0)
		state := backup(filepath.Join(dir, "Pads"))
		b.ReportMetric(float64(requests.Load())/1000, "requests/document")
		b.ReportMetric(state.UserTime().Seconds()+state.SystemTime().Seconds(), "CPU-s")
		if memory := maxMemory(state); memory > 0 {
			b.ReportMetric(float64(memory)/1e6, "MB")
		}
	}
}
