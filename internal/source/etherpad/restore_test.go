package etherpad

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

// recordedFile returns a recorded file.
func recordedFile(t *testing.T, name string) *bytes.Reader {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b)
}

func restoreTo(root, name string) source.Recognised {
	return source.Recognised{Address: padAt(root, name).Address}
}

// export returns what an instance gives out of a pad.
func export(t *testing.T, c *source.Client, d source.Document, kind string) (int, string) {
	t.Helper()
	resp, err := get(t.Context(), c, exportURL(d.Address, kind), d.Secrets, "")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

var recorded = []string{"2.5.3/demo.etherpad", "1.8.14/demo.etherpad", "1.8.14/long.etherpad", "2.5.3/readonly-export.etherpad"}

func TestRestore(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		// With the limit that instances have: three requests for each pad.
		o := etherpadtest.FakeOptions{Options: etherpadtest.Options{Limit: 10}}
		bubble(t, version, o, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			p := New()
			for i, name := range recorded {
				file := recordedFile(t, name)
				to := restoreTo(s.URL(), strings.Repeat("x", i+1)+" été")
				got, err := p.Restore(t.Context(), c, to, file, file.Size())
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if want := s.URL() + "/p/" + strings.Repeat("x", i+1) + "_%C3%A9t%C3%A9"; got.Address.URL != want {
					t.Errorf("%s: restored to %s, want %s", name, got.Address.URL, want)
				}
				if i == 0 && len(got.Lost) > 0 {
					t.Errorf("%s: lost %q", name, got.Lost)
				}
				same, err := p.Restored(t.Context(), c, to, file, file.Size())
				if err != nil || !same {
					t.Errorf("%s: it is not found again: %v", name, err)
				}
				other := recordedFile(t, recorded[(i+2)%len(recorded)])
				if same, err := p.Restored(t.Context(), c, to, other, other.Size()); err != nil || same {
					t.Errorf("%s: taken for another one: %v", name, err)
				}
				if _, err := p.Restore(t.Context(), c, to, file, file.Size()); reason(t, err) != source.ReasonExists {
					t.Errorf("%s: restored over it: %v", name, err)
				}
			}
		})
	})
}

// What exists on an instance is never touched, and what is not whole never sent.
func TestRestoreRefused(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		for _, tc := range []struct {
			name string
			o    etherpadtest.FakeOptions
			to   string
			file string
			edit func(string) string
			sets source.Secrets
			want source.Reason
		}{
			{name: "there is a pad", to: "notes", want: source.ReasonExists},
			{name: "there is a pad, spelt as people do", to: "no tes", want: source.ReasonExists},
			{name: "a read-only address", to: "r.0123456789abcdef0123456789abcdef", want: source.ReasonAddress},
			{name: "no name", to: "", want: source.ReasonAddress},
			{name: "a name that cannot be", to: strings.Repeat("é", 51), want: source.ReasonAddress},
			{name: "a pad of a group", to: "g.0123456789abcdef$x", want: source.ReasonRefused},
			{name: "nobody makes pads", o: etherpadtest.FakeOptions{Options: etherpadtest.Options{EditOnly: true}}, to: "new", want: source.ReasonRefused},
			{name: "a password", o: etherpadtest.FakeOptions{Options: etherpadtest.Options{User: "zoé", Password: "été"}}, to: "new", want: source.ReasonPassword},
			{name: "cut", to: "new", edit: func(s string) string { return s[:len(s)/2] }, want: source.ReasonDamaged},
			{name: "without chat", to: "new", edit: func(s string) string {
				return regexp.MustCompile(`,"pad:demo:chat:\d+":\{[^{}]*\}`).ReplaceAllString(s, "")
			}, want: source.ReasonDamaged},
			{name: "without a revision", to: "new", edit: func(s string) string { return strings.Replace(s, `"pad:demo:revs:7"`, `"pad:demo:revs:77"`, 1) }, want: source.ReasonDamaged},
			{name: "empty", to: "new", edit: func(string) string { return "" }, want: source.ReasonDamaged},
			{name: "nothing in it", to: "new", edit: func(string) string { return "{}" }, want: source.ReasonDamaged},
		} {
			t.Run(tc.name, func(t *testing.T) {
				bubble(t, version, tc.o, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
					for _, name := range []string{"notes", "no_tes"} {
						s.CreatePad(t, name, "ici\n")
					}
					b, err := io.ReadAll(recordedFile(t, recorded[0]))
					if err != nil {
						t.Fatal(err)
					}
					file := string(b)
					if tc.edit != nil {
						file = tc.edit(file)
					}
					_, err = New().Restore(t.Context(), c, restoreTo(s.URL(), tc.to), strings.NewReader(file), int64(len(file)))
					if got := reason(t, err); got != tc.want {
						t.Errorf("%v, want %v", err, tc.want)
					}
					if got := s.Pads(); !slices.Equal(got, []string{"no_tes", "notes"}) {
						t.Errorf("there are the pads %q", got)
					}
					if got := s.Text(t, "notes"); got != "ici\n\n" && got != "ici\n" {
						t.Errorf("the pad has %q now", got)
					}
				})
			})
		}
	})
}

// Where someone makes a pad of that name after it was looked at, the instance itself keeps what has ten revisions.
func TestRestoreTooLate(t *testing.T) {
	dialects(t, func(t *testing.T, version string) {
		bubble(t, version, etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
			s.CreatePad(t, "notes", "ici\n")
			zoe := s.Author(t, "Zoé")
			defer zoe.Leave()
			for range 10 {
				zoe.Type("notes", "x")
			}
			before := s.Text(t, "notes")
			b := sample(t, "2.5.3", "demo.etherpad")
			r := &restore{client: c, to: restoreTo(s.URL(), "notes"), doc: open(t, b), file: bytes.NewReader(b), size: int64(len(b))}
			if err := r.run(t.Context()); reason(t, err) != source.ReasonExists {
				t.Errorf("%v", err)
			}
			if got := s.Text(t, "notes"); got != before {
				t.Errorf("the pad has %q now", got)
			}
		})
	})
}

// An instance that does not know the files gets the text.
func TestRestoreToOldInstance(t *testing.T) {
	bubble(t, "1.8.14", etherpadtest.FakeOptions{OldImport: true}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
		file := recordedFile(t, recorded[0])
		got, err := New().Restore(t.Context(), c, restoreTo(s.URL(), "demo"), file, file.Size())
		if err != nil {
			t.Fatal(err)
		}
		lost := strings.Join(got.Lost, "; ")
		for _, want := range []string{"19 revisions", "4 chat messages", "2 saved revisions", "who wrote what"} {
			if !strings.Contains(lost, want) {
				t.Errorf("nothing is said of %q: %s", want, lost)
			}
		}
		if text := s.Text(t, "demo"); !strings.Contains(text, "emoji 🎉 𝒳 arabe مرحبا") || strings.Contains(text, "changeset") {
			t.Errorf("the pad has %q", text)
		}
	})
}

// An instance that does not answer is no reason to try again at once, nor to believe that nothing happened.
func TestRestoreWithoutAnswer(t *testing.T) {
	bubble(t, "2.5.3", etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
		s.Mute(true)
		file := recordedFile(t, recorded[0])
		begun := time.Now()
		_, err := New().Restore(t.Context(), c, restoreTo(s.URL(), "demo"), file, file.Size())
		if got := reason(t, err); got != source.ReasonDown {
			t.Errorf("%v", err)
		}
		if d := time.Since(begun); d > 5*time.Minute {
			t.Errorf("it took %v to say so", d)
		}
	})
}

func TestImportHTML(t *testing.T) {
	got := importHTML([]Paragraph{
		{Spans: []Span{{Text: "a <b>  ", Bold: true}, {Text: "c", Italic: true, Underline: true}}},
		{},
		{Kind: KindBullet, Level: 1, Spans: []Span{{Text: "un"}}},
		{Kind: KindBullet, Level: 2, Spans: []Span{{Text: "deux"}}},
		{Kind: KindNumber, Level: 1, Number: []int{3}, Spans: []Span{{Text: "trois"}}},
		{Spans: []Span{{Text: "fin"}}},
	})
	_, got, _ = strings.Cut(got, "<body>")
	want := `<strong>a &lt;b&gt; &nbsp;</strong><em><u>c</u></em><br><br><ul class="bullet"><li>un<ul class="bullet"><li>deux</li></ul></li></ul>` +
		`<ol class="number" start="3"><li>trois</li></ol>fin<br></body>` + "\n</html>\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
