package etherpad

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

// A real Etherpad 1.8.14 is written to by several authors while it is followed, killed and started again in the middle,
// restored to, and loses everything. It is started once, for it takes seconds.
func TestRealEtherpad(t *testing.T) {
	s := etherpadtest.StartReal(t, etherpadtest.Options{})
	c := source.NewClient(source.ClientOptions{AllowPrivate: true, PerSecond: -1, Backoff: 50 * time.Millisecond})
	t.Cleanup(c.CloseIdle)
	t.Run("followed below a path", func(t *testing.T) { realFollow(t, s, c, etherpadtest.SubPath(t, s, "/etherpad")) })
	t.Run("live and whole copies are the same", func(t *testing.T) { realSame(t, s, c) })
	t.Run("fetched", func(t *testing.T) { fetchStory(t, s, c) })
	t.Run("restored", func(t *testing.T) { realRestore(t, s, c) })
	t.Run("listed", func(t *testing.T) { listed(t, s, c) })
	t.Run("killed while several write", func(t *testing.T) { realKilled(t, s, c) })
	t.Run("reset", func(t *testing.T) { realReset(t, s, c) })
	t.Run("limited", func(t *testing.T) { realLimited(t, s, c) })
}

// knownThere are the secrets for an instance that wants people to sign in; an open one does not look at them.
var knownThere = source.Secrets{User: "zoé", Password: "été"}

func closedPad(root, name string) source.Document {
	d := padAt(root, name)
	d.Secrets = knownThere
	return d
}

func realFollow(t *testing.T, s *etherpadtest.Real, c *source.Client, root string) {
	s.CreatePad(t, "notes", "début\n")
	f := follow(t, New(), c, padAt(root, "notes"))
	f.wait("début")
	zoe, bob := s.Author(t, "Zoé"), s.Author(t, "Bob")
	zoe.Join("notes")
	bob.Join("notes")
	var typed []time.Time
	for i := range 12 {
		typed = append(typed, time.Now())
		[]*etherpadtest.Author{zoe, bob}[i%2].Type("notes", fmt.Sprintf("<%d>", i))
		time.Sleep(150 * time.Millisecond) // a person types
	}
	f.wait("<11>")
	if err := f.stop(); err != nil {
		t.Error(err)
	}
	var delays []time.Duration
	for i, at := range typed {
		mark := fmt.Sprintf("<%d>", i)
		n := slices.IndexFunc(f.all, func(r received) bool { return strings.Contains(r.text, mark) })
		delays = append(delays, f.all[n].when.Sub(at).Round(time.Millisecond))
	}
	t.Logf("from the key to the copy: %v", delays)
}

// realSame compares what a follower makes of a pad with what an export gives: a difference would be a version each time.
func realSame(t *testing.T, s *etherpadtest.Real, c *source.Client) {
	file := recordedFile(t, "1.8.14/demo.etherpad")
	d := padAt(s.URL(), "same")
	if _, err := New().Restore(t.Context(), c, source.Recognised{Address: d.Address}, file, file.Size()); err != nil {
		t.Fatal(err)
	}
	f := follow(t, New(), c, d)
	live := f.wait("emoji")
	if err := f.stop(); err != nil {
		t.Error(err)
	}
	whole, err := New().Fetch(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	forms := map[string]string{".txt": live.text, ".html": live.html, ".md": live.markdown}
	for _, file := range whole.Files {
		want, ok := forms[file.Ext]
		if !ok {
			continue
		}
		content, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(b), want); diff != "" {
			t.Errorf("%s (whole, live): %s", file.Ext, diff)
		}
	}
}

// realKilled ends the server in the middle of what three write at once, and starts it again as one where people sign in.
// What the server has in the end is what we have. A private pad of a group comes back, too.
func realKilled(t *testing.T, s *etherpadtest.Real, c *source.Client) {
	s.CreatePad(t, "cut", "début\n")
	p := New()
	f := follow(t, p, c, closedPad(s.URL(), "cut"))
	f.wait("début")
	group := field(t, s.API(t, "createGroup"), "groupID")
	s.API(t, "createGroupPad", "groupID", group, "padName", "notes", "text", "entre nous\n")
	secrets := knownThere
	secrets.APIKey = source.Secret(s.APIKey())
	private, err := p.List(t.Context(), c, collection(s.URL(), "group "+group, secrets))
	if err != nil {
		t.Fatal(err)
	}
	g := follow(t, p, c, source.Document{Address: private[0].Address, Secrets: private[0].Secrets})
	g.wait("entre nous")
	s.Flush(t, "entre nous")
	write := func(wait func(i int)) {
		var all sync.WaitGroup
		for _, name := range []string{"Zoé", "Bob", "Ada"} {
			author := s.Author(t, name)
			all.Go(func() {
				defer author.Leave()
				for i := range 10 {
					if author.TryType("cut", fmt.Sprintf("%s %d\n", name, i)) != nil {
						return // the server is gone
					}
					wait(i)
				}
			})
		}
		all.Wait()
	}
	once := sync.OnceFunc(s.Kill)
	write(func(i int) {
		if i == 5 {
			once()
		}
	})
	s.Set(etherpadtest.Options{User: knownThere.User, Password: knownThere.Password.Reveal()})
	s.Restart(t)
	write(func(int) {})
	s.API(t, "setText", "padID", group+"$notes", "text", "de retour\n")
	g.wait("de retour")
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	s.Author(t, "Zoé").Type("cut", "fin")
	got := f.wait("fin")
	if want := s.Text(t, "cut"); strings.TrimSpace(got.text) != strings.TrimSpace(want) {
		t.Error(cmp.Diff(want, got.text))
	}
	if err := f.stop(); err != nil {
		t.Error(err)
	}
}

// realRestore brings files of both versions back, and one that was just written.
func realRestore(t *testing.T, s *etherpadtest.Real, c *source.Client) {
	zoe := s.Author(t, "Zoé")
	zoe.Type("written", "un\n")
	zoe.Say("written", "salut 🎉")
	zoe.Type("written", "deux")
	zoe.SaveRevision("written")
	zoe.Wait("written", "deux")
	_, own := export(t, c, padAt(s.URL(), "written"), "etherpad")
	files := map[string][]byte{"just written": []byte(own)}
	for _, name := range recorded {
		files[name] = sample(t, strings.Split(name, "/")...)
	}
	n := 0
	for name, b := range files {
		n++
		to := restoreTo(s.URL(), fmt.Sprintf("restored %d", n))
		if _, err := New().Restore(t.Context(), c, to, bytes.NewReader(b), int64(len(b))); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again := s.Author(t, "Ada") // it can be written in
		again.Type(fmt.Sprintf("restored_%d", n), "suite")
		again.Leave()
	}
	// As if it knew no complete pads.
	r := &restore{client: c, to: restoreTo(s.URL(), "html"), doc: open(t, files["2.5.3/demo.etherpad"]), size: maxImport + 1}
	if err := r.run(t.Context()); err != nil {
		t.Error(err)
	}
	if len(r.lost) == 0 || slices.ContainsFunc(r.lost, func(l string) bool { return strings.Contains(l, "plain text") }) {
		t.Errorf("lost: %q", r.lost)
	}
	if _, page := export(t, c, padAt(s.URL(), "html"), "html"); !strings.Contains(page, "<strong>gras</strong>") || !strings.Contains(page, `<ul class="bullet">`) {
		t.Errorf("the restored page is %s", page)
	}
}

// realReset takes everything away from a pad that is followed. Nothing makes it again.
func realReset(t *testing.T, s *etherpadtest.Real, c *source.Client) {
	s.CreatePad(t, "lost", "ici\n")
	f := follow(t, New(), c, closedPad(s.URL(), "lost"))
	f.wait("ici")
	s.Set(etherpadtest.Options{Limit: 10, Window: 2 * time.Second, Messages: 10, User: knownThere.User, Password: knownThere.Password.Reveal()})
	s.Reset(t)
	if got := reason(t, f.ended()); got != source.ReasonGone {
		t.Errorf("it ended with %v", f.err)
	}
	if got := string(s.API(t, "listAllPads")); got != `{"padIDs":[]}` {
		t.Errorf("there are pads again: %s", got)
	}
}

// realLimited asks for more than the instance allows in its window, and is never the one who exceeds it.
func realLimited(t *testing.T, s *etherpadtest.Real, c *source.Client) {
	var followed []*following
	for n, name := range recorded {
		b := sample(t, strings.Split(name, "/")...)
		to := restoreTo(s.URL(), fmt.Sprintf("limited%d", n))
		to.Secrets = knownThere
		if _, err := New().Restore(t.Context(), c, to, bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		followed = append(followed, follow(t, New(), c, source.Document{Address: to.Address, Secrets: knownThere}))
	}
	for _, f := range followed {
		f.waitFor(func(r received) bool { return r.text != "" })
		if err := f.stop(); err != nil {
			t.Error(err)
		}
	}
	host, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if b := c.Budgets()[host.Host]; b.Limit != 10 || b.Paused.After(time.Now()) {
		t.Errorf("the budget is %+v", b)
	}
}
