package source_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

func note(host, name string) *source.Item {
	found := registry().Recognise("http://" + host + "/n/" + name)
	return &source.Item{Address: found[0].Address}
}

func TestCheckNeverReplacesGoodByBad(t *testing.T) {
	dir := t.TempDir()
	d := openDirectory(t, dir)
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		instance := sourcetest.NewInstance()
		n.Serve("a.example", instance)
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		item := note("a.example", "one")
		check := func(want source.Outcome) source.Result {
			t.Helper()
			time.Sleep(time.Hour)
			r, err := source.Check(t.Context(), c, sourcetest.Provider{}, source.Secrets{}, d, item)
			if err != nil || r.Outcome != want || item.Last.Outcome != want {
				t.Fatalf("got %+v %v, want %s", r, err, want)
			}
			return r
		}
		check(source.OutcomeGone)
		instance.Set("one", "Title\ntext")
		check(source.OutcomeNew)
		check(source.OutcomeUnchanged)
		instance.Set("one", "Other title\nmore")
		check(source.OutcomeChanged)
		good := tree(t, dir)
		if good["Title.txt"] != "Other title\nmore" || len(good) != 2 {
			t.Fatalf("got %v", good)
		}
		for _, bad := range []func(w http.ResponseWriter){
			func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
			func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "text/html")
				w.Write([]byte("<h1>Log in to the hotel's network"))
			},
			func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Content-Length", "1000")
				w.Write([]byte("cut"))
			},
			func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
			func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) },
			func(w http.ResponseWriter) { http.Error(w, "", http.StatusServiceUnavailable) },
		} {
			instance.Before = func(w http.ResponseWriter, _ *http.Request) bool { bad(w); return true }
			time.Sleep(24 * time.Hour)
			r, err := source.Check(t.Context(), c, sourcetest.Provider{}, source.Secrets{}, d, item)
			if err != nil || r.Outcome.Good() || r.Error == "" {
				t.Errorf("got %+v %v", r, err)
			}
		}
		instance.Before = nil
		instance.Set("one", "")
		time.Sleep(24 * time.Hour)
		r := check(source.OutcomeSuspect)
		if len(r.Kept) != 2 || r.Error != "the note was emptied" {
			t.Errorf("got %+v", r)
		}
		if r := check(source.OutcomeSuspect); len(r.Kept) != 0 {
			t.Errorf("the same suspect copy is kept again: %v", r.Kept)
		}
		now := tree(t, dir)
		if len(now) != 4 {
			t.Errorf("got %v", now)
		}
		for name, content := range good {
			if now[name] != content {
				t.Errorf("%s is %q now", name, now[name])
			}
		}
		item.Accept()
		check(source.OutcomeChanged)
		if got := tree(t, dir)["Title.txt"]; got != "" {
			t.Errorf("got %q", got)
		}
		// A file that is gone does not make a bad copy a good one.
		instance.Set("one", "Title\nlast")
		check(source.OutcomeChanged)
		if err := d.Root().Remove("Title.html"); err != nil {
			t.Fatal(err)
		}
		instance.Set("one", "")
		check(source.OutcomeSuspect)
		if got := tree(t, dir)["Title.txt"]; got != "Title\nlast" {
			t.Errorf("got %q", got)
		}
		instance.Set("one", "Title\nlast")
		check(source.OutcomeChanged)
		// Files that are gone come back though nothing has changed.
		if err := d.Root().Remove("Title.html"); err != nil {
			t.Fatal(err)
		}
		check(source.OutcomeChanged)
		if _, ok := tree(t, dir)["Title.html"]; !ok {
			t.Error("the file did not come back")
		}
	})
}

func TestCheckEndsWithItsContext(t *testing.T) {
	d := openDirectory(t, t.TempDir())
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		n.Serve("a.example", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		item := note("a.example", "one")
		if _, err := source.Check(ctx, c, sourcetest.Provider{}, source.Secrets{}, d, item); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if !item.History.Checked.IsZero() {
			t.Error("it counts as checked")
		}
	})
}

func TestLiveSavesWhatIsWritten(t *testing.T) {
	dir := t.TempDir()
	d := openDirectory(t, dir)
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		instance := sourcetest.NewInstance()
		instance.Set("one", "Title\ntext")
		n.Serve("a.example", instance)
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		ctx, cancel := context.WithCancel(t.Context())
		var results, alive atomic.Int64
		done := make(chan error, 1)
		go func() {
			done <- source.Live(ctx, c, sourcetest.Provider{}, source.Secrets{}, d, note("a.example", "one"), func() { alive.Add(1) },
				func(*source.Item, source.Result) { results.Add(1) })
		}()
		time.Sleep(5 * time.Second)
		instance.Set("one", "Title\nmore")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		got := tree(t, dir)
		if got["Title.txt"] != "Title\nmore" || got["Title.html"] == "<!doctype html><title>Title</title><pre>Title\nmore</pre>\n" {
			t.Errorf("two seconds later: %v", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := tree(t, dir)["Title.html"]; got != "<!doctype html><title>Title</title><pre>Title\nmore</pre>\n" {
			t.Errorf("after a pause: %q", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if alive.Load() < 100 || results.Load() != 3 {
			t.Errorf("alive %d times, %d results", alive.Load(), results.Load())
		}
	})
}

func TestLiveSavesWhileTheWholeIsFetched(t *testing.T) {
	dir := t.TempDir()
	d := openDirectory(t, dir)
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		instance := sourcetest.NewInstance()
		instance.Set("one", "Title\n1")
		var slow atomic.Bool
		instance.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if !slow.Load() || r.URL.RawQuery == "live" {
				return false
			}
			time.Sleep(30 * time.Second)
			w.Header().Set("Content-Type", "text/plain")
			w.Write([]byte("Title\n2"))
			return true
		}
		n.Serve("a.example", instance)
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- source.Live(ctx, c, sourcetest.Provider{}, source.Secrets{}, d, note("a.example", "one"), nil, func(*source.Item, source.Result) {})
		}()
		time.Sleep(5 * time.Second)
		slow.Store(true)
		instance.Set("one", "Title\n2")
		time.Sleep(70 * time.Second) // the whole is on its way
		instance.Set("one", "Title\n3")
		time.Sleep(3 * time.Second)
		if got := tree(t, dir)["Title.txt"]; got != "Title\n3" {
			t.Errorf("while the whole is fetched: %q", got)
		}
		time.Sleep(30 * time.Second) // it has come, and is older
		if got := tree(t, dir); got["Title.txt"] != "Title\n3" || got["Title.html"] != "<!doctype html><title>Title</title><pre>Title\n2</pre>\n" {
			t.Errorf("when the whole has come: %v", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestLiveReportsWhatIsWrong(t *testing.T) {
	d := openDirectory(t, t.TempDir())
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		instance := sourcetest.NewInstance()
		instance.Set("one", "Title\ntext")
		n.Serve("a.example", instance)
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		time.AfterFunc(10*time.Second, func() { instance.Delete("one") })
		item := note("a.example", "one")
		if err := source.Live(t.Context(), c, sourcetest.Provider{}, source.Secrets{}, d, item, nil, func(*source.Item, source.Result) {}); err != nil {
			t.Fatal(err)
		}
		if item.Last.Outcome != source.OutcomeGone || item.Name == "" {
			t.Errorf("got %+v", item.Last)
		}
	})
}
