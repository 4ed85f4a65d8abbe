package etherpad

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

// whole fetches a pad and checks that its files are what the server has.
func whole(t *testing.T, s etherpadtest.Server, c *source.Client, d *source.Document) *source.Copy {
	t.Helper()
	got, err := New().Fetch(t.Context(), c, *d)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.Unchanged || got.Suspect != "" {
		return got
	}
	d.State = got.State
	files := contents(t, got)
	if len(got.Notes) > 0 {
		_, file := export(t, c, *d, "etherpad")
		_, err := Open(strings.NewReader(file), int64(len(file)))
		t.Fatalf("%+v: %v", got.Notes, err)
	}
	doc := open(t, []byte(files[".etherpad"]))
	if doc.Name() != d.Address.Name {
		t.Errorf("the file is of %q, want %q", doc.Name(), d.Address.Name)
	}
	if _, want := export(t, c, *d, "txt"); files[".txt"] != want {
		t.Errorf("%q, want %q", files[".txt"], want)
	}
	checkHTML(t, files[".html"])
	return got
}

// fetchStory is the life of a pad, on any Etherpad.
func fetchStory(t *testing.T, s etherpadtest.Server, c *source.Client) {
	s.CreatePad(t, "story", "début\n")
	d := padAt(s.URL(), "story")
	whole(t, s, c, &d)
	zoe, bob := s.Author(t, "Zoé 日本"), s.Author(t, "Bob")
	defer zoe.Leave()
	defer bob.Leave()
	// Nobody answers these two: what each of the authors writes after them is answered, and is handled after them.
	bob.Say("story", "salut")
	zoe.SaveRevision("story")
	for i := range 60 {
		zoe.Type("story", fmt.Sprintf("ligne %d 🎉\n", i))
		bob.Insert("story", 0, "été ")
		if i%5 == 0 {
			zoe.Delete("story", 1, 3)
		}
	}
	bob.Wait("story", "ligne 59")
	got := whole(t, s, c, &d)
	if fmt.Sprint(got.Authors) != "[Zoé 日本 Bob]" || !strings.HasSuffix(got.Summary, " words") {
		t.Errorf("by %q, %s", got.Authors, got.Summary)
	}
	if got := whole(t, s, c, &d); !got.Unchanged {
		t.Errorf("nothing happened, and there is %+v", got)
	}

	// The same by its read-only id, without a trace of its name.
	var id struct {
		ReadOnlyID string `json:"readOnlyID"`
	}
	if err := json.Unmarshal(s.API(t, "getReadOnlyID", "padID", "story"), &id); err != nil {
		t.Fatal(err)
	}
	r := padAt(s.URL(), id.ReadOnlyID)
	copied := whole(t, s, c, &r)
	if strings.Contains(string(copied.State)+copied.Title+copied.Summary, "story") {
		t.Errorf("the name is in %+v", copied)
	}

	// It is deleted, and someone else has the name.
	s.DeletePad(t, "story")
	if _, err := New().Fetch(t.Context(), c, d); reason(t, err) != source.ReasonGone {
		t.Errorf("deleted: %v", err)
	}
	if _, err := New().Fetch(t.Context(), c, r); reason(t, err) != source.ReasonPrivate && reason(t, err) != source.ReasonGone {
		t.Errorf("deleted, by its read-only id: %v", err)
	}
	s.CreatePad(t, "story", "Welcome to Etherpad!\n")
	if got := whole(t, s, c, &d); !strings.Contains(got.Suspect, "another pad has this name now") {
		t.Errorf("made anew: %+v", got)
	}
	if _, err := New().Fetch(t.Context(), c, padAt(s.URL(), "never was")); reason(t, err) != source.ReasonGone {
		t.Errorf("never there: %v", err)
	}
	s.DeletePad(t, "story")
}

func TestFetchFromServers(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		bubble(t, version, etherpadtest.FakeOptions{Options: etherpadtest.Options{Limit: 1000, Messages: 1000}}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			fetchStory(t, s, c)
			probed, err := New().Probe(t.Context(), c, source.Recognised{Address: padAt(s.URL(), "a b").Address})
			if err != nil || probed.Address.Name != "a_b" {
				t.Errorf("%+v: %v", probed, err)
			}
			if pads := s.Pads(); len(pads) != 0 {
				t.Errorf("fetching and probing made %q", pads)
			}
		})
	})
}

// TestFetchDamagedOnServer has a pad that lost a record.
func TestFetchDamagedOnServer(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		bubble(t, version, etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			s.CreatePad(t, "hurt", "un\n")
			zoe := s.Author(t, "Zoé")
			zoe.Type("hurt", "deux")
			zoe.Leave()
			d := padAt(s.URL(), "hurt")
			whole(t, s, c, &d)
			s.Damage("hurt", "revs:1")
			got, err := New().Fetch(t.Context(), c, d)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			if len(got.Notes) != 1 || got.Notes[0].Code != "no-history" || len(got.Files) != 3 {
				t.Errorf("%+v", got)
			}
			d.State = got.State
			if again, err := New().Fetch(t.Context(), c, d); err != nil || !again.Unchanged {
				t.Errorf("%+v: %v", again, err)
			}
		})
	})
}

// TestFetchWithinLimit fetches more pads than the instance allows in its window: 2.5.3 does not answer beyond it.
func TestFetchWithinLimit(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		bubble(t, version, etherpadtest.FakeOptions{Options: etherpadtest.Options{Limit: 10, Window: 90 * time.Second}}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			const pads = 35
			for n := range pads {
				s.CreatePad(t, fmt.Sprintf("pad%d", n), "texte\n")
			}
			begun := time.Now()
			for n := range pads {
				d := padAt(s.URL(), fmt.Sprintf("pad%d", n))
				for {
					got, err := New().Fetch(t.Context(), c, d)
					if err == nil {
						if err := got.Close(); err != nil {
							t.Error(err)
						}
						break
					}
					e, ok := errors.AsType[*source.Error](err)
					if !ok || e.Reason != source.ReasonLimited || e.Until.IsZero() {
						t.Fatal(err)
					}
					time.Sleep(time.Until(e.Until))
				}
			}
			if took := time.Since(begun); took > 10*time.Minute {
				t.Errorf("it took %v", took)
			}
			if n := s.Exports(); n > pads+4 {
				t.Errorf("%d requests for %d pads", n, pads)
			}
		})
	})
}
