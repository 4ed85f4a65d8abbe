package etherpadtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

// both runs a test on the real server and on the fake ones.
func both(t *testing.T, f func(t *testing.T, s etherpadtest.Server)) {
	t.Run("real 1.8.14", func(t *testing.T) { f(t, etherpadtest.StartReal(t, etherpadtest.Options{})) })
	for _, version := range []string{"1.8.14", "2.5.3"} {
		t.Run("fake "+version, func(t *testing.T) { f(t, etherpadtest.StartFake(t, etherpadtest.FakeOptions{Version: version})) })
	}
}

func get(t *testing.T, url string) (int, http.Header, []byte) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

// The fakes answer like the real one wherever that was measured.
func TestServers(t *testing.T) {
	both(t, func(t *testing.T, s etherpadtest.Server) {
		s.CreatePad(t, "a", "un\ndeux")
		zoe, bob := s.Author(t, "Zoé"), s.Author(t, "Bob")
		zoe.Type("a", "\ntrois 🎉")
		bob.Insert("a", 0, "zéro\n")
		bob.Delete("a", 0, 2)
		// Nobody answers these two, but what comes after them.
		zoe.Say("a", "salut")
		zoe.SaveRevision("a")
		zoe.Type("a", "!")
		bob.Wait("a", "trois 🎉!")
		if got, want := s.Text(t, "a"), "ro\nun\ndeux\ntrois 🎉!\n"; got != want {
			t.Errorf("the text is %q, want %q", got, want)
		}

		for path, want := range map[string]int{
			"/p/a/export/txt": 200, "/p/a/export/html": 200, "/p/a/1/export/txt": 200, "/p/a/99/export/txt": 500, "/p/a/x/export/txt": 500,
			"/p/none/export/txt": 404, "/p/none": 200, "/p/a/export/pdf": 200, "/p/a/export/docx": 404, "/p/none/export/pdf": 200,
			"/p/r.00000000000000000000000000000000/export/txt": 403, "/p/g.0123456789abcdef$x/export/txt": 403,
			"/p/a%20b": 302, "/p/a/": 404, "/p/a/export/txt/": 404, "/p/" + strings.Repeat("x", 51): 404,
			"/api": 200, "/api/1.2.1/listAllPads": 401, "/api/1/listAllPads": 404, "/api/9/x": 404, "/stats": 200,
			"/health": map[bool]int{true: 404, false: 200}[s.Version() == "1.8.14"],
		} {
			if got, _, body := get(t, s.URL()+path); got != want {
				t.Errorf("%s: %d, want %d: %.200s", path, got, want, body)
			}
		}

		_, _, body := get(t, s.URL()+"/p/a/export/etherpad")
		var file map[string]json.RawMessage
		if err := json.Unmarshal(body, &file); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		var pad struct {
			Head, ChatHead int
			SavedRevisions []any
		}
		if err := json.Unmarshal(file["pad:a"], &pad); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if diff := cmp.Diff([]int{4, 0, 1}, []int{pad.Head, pad.ChatHead, len(pad.SavedRevisions)}); diff != "" {
			t.Errorf("head, chat, saved: %s\n%s", diff, body)
		}
		if _, ok := file["globalAuthor:"+zoe.ID("a")]; !ok {
			t.Errorf("the author is not in the file: %s", body)
		}
		if diff := cmp.Diff(json.RawMessage(`{"padIDs":["a"]}`), s.API(t, "listAllPads")); diff != "" {
			t.Error(diff)
		}
	})
}
