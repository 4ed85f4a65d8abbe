package etherpad

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// versions are those of Etherpad whose answers are in testdata.
var versions = []string{"1.8.14", "2.5.3"}

func sample(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, b []byte) *Document {
	t.Helper()
	d, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSamples(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			d := open(t, sample(t, version, "demo.etherpad"))
			if d.Name() != "demo" || d.Head() != 19 || d.ChatHead() != 3 || len(d.Saved()) != 2 || d.Public() {
				t.Error(d.Name(), d.Head(), d.ChatHead(), d.Saved(), d.Public())
			}
			saved := d.Saved()[0]
			if saved.Rev != 15 || saved.Label != "Revision 15" || d.Authors()[saved.By].Name != "Bob" || saved.Time.Year() != 2026 {
				t.Errorf("%+v", saved)
			}
			names := map[string]string{}
			for _, a := range d.Authors() {
				names[a.Name] = a.Color
			}
			delete(names, "")
			if diff := cmp.Diff(map[string]string{"Zoé 日本": "#ff6633", "Bob": "#3366ff"}, names); diff != "" || len(d.Authors()) != 3 {
				t.Error(diff, d.Authors())
			}
			chat, err := d.Chat()
			if err != nil || len(chat) != 4 || chat[0].Name != "Zoé 日本" || chat[0].Text != "Bonjour à tous 👋 <b>x</b>" || chat[2].Name != "" {
				t.Error(chat, err)
			}
			want, _ := strings.CutSuffix(string(sample(t, version, "demo.rev5.txt")), "\n")
			if got, err := d.TextAt(5); err != nil || strings.TrimRight(got, "\n") != strings.TrimRight(want, "\n") {
				t.Errorf("%q, want %q: %v", got, want, err)
			}

			d = open(t, sample(t, version, "long.etherpad"))
			for _, rev := range []int{125, 0, 99, 100, 101, 50} {
				want := string(sample(t, version, fmt.Sprintf("long.rev%d.txt", rev)))
				if got, err := d.TextAt(rev); err != nil || got != want {
					t.Errorf("revision %d: %q, want %q: %v", rev, got, want, err)
				}
			}
			d = open(t, sample(t, version, "group-public.etherpad"))
			if !strings.HasSuffix(d.Name(), "$pub") || d.Head() != 0 || !d.Public() || d.ChatHead() != -1 {
				t.Error(d.Name(), d.Head(), d.Public(), d.ChatHead())
			}
		})
	}
}

func TestHistory(t *testing.T) {
	d := open(t, sample(t, "1.8.14", "demo.etherpad"))
	first, last := d.Change(0), d.Change(19)
	if first.Author != "" || first.Added != 65 || first.Removed != 0 || last.Removed != 1 {
		t.Errorf("%+v %+v", first, last)
	}
	if got := d.RevAt(first.Time.Add(-time.Millisecond)); got != -1 {
		t.Error("before the first:", got)
	}
	if got := d.RevAt(d.Change(7).Time); got != 7 {
		t.Error("at revision 7:", got)
	}
	if got := d.RevAt(last.Time.Add(time.Hour)); got != 19 {
		t.Error("afterwards:", got)
	}
	sessions := d.Sessions(time.Minute)
	if len(sessions) != 2 || sessions[0].To != 17 || sessions[1].From != 18 || len(sessions[0].Authors) != 3 || sessions[1].Added != 1 || sessions[1].Removed != 1 {
		t.Errorf("%+v", sessions)
	}
	if one := d.Sessions(0); len(one) != 1 || one[0].Start != first.Time || one[0].End != last.Time {
		t.Errorf("%+v", one)
	}
	removals, err := d.Removals(17)
	if err != nil || len(removals) != 1 || removals[0].Text != "Titre" || d.Authors()[removals[0].Author].Name != "Zoé 日本" || removals[0].Offset != 0 {
		t.Errorf("%+v: %v", removals, err)
	}
	if removals, err = d.Removals(0); err != nil || len(removals) != 0 {
		t.Errorf("%+v: %v", removals, err)
	}
	n := 0
	for r, err := range d.Revisions(16, 1000) {
		if err != nil || r.Rev != 16+n || !strings.HasPrefix(r.Changeset, "Z:") {
			t.Errorf("%+v: %v", r, err)
		}
		n++
	}
	if n != 4 {
		t.Error(n, "revisions")
	}
	for _, rev := range []int{-1, 20} {
		if _, err := d.TextAt(rev); !errors.Is(err, ErrNoRevision) {
			t.Error(rev, err)
		}
	}
}

// records divides a file into its records, for changing them.
func records(t testing.TB, b []byte) []string {
	t.Helper()
	var all []string
	if err := eachRecord(bytes.NewReader(b), int64(len(b)), func(key string, _ jsontext.Value, at span) error {
		all = append(all, fmt.Sprintf("%q:%s", key, b[at.off:at.off+int64(at.len)]))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOrderDoesNotMatter(t *testing.T) {
	for _, version := range versions {
		b := sample(t, version, "long.etherpad")
		want := open(t, b)
		all := append(records(t, b), `"comments:long":{"x":[1,2]}`, `"ep_plugin":null`, `"pad:long:ep_x":"y"`, `"pad:long:revs:126":{}`)
		r := rand.New(rand.NewPCG(1, 1))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		got := open(t, []byte(" { "+strings.Join(all, " ,\n")+" }\n"))
		for _, rev := range r.Perm(126) {
			a, err := got.AText(rev)
			if err != nil {
				t.Fatal(err)
			}
			b, err := want.AText(rev)
			if err != nil {
				t.Fatal(err)
			}
			if a.String() != b.String() || a.Attribs() != b.Attribs() {
				t.Fatalf("revision %d: %q, want %q", rev, a, b)
			}
		}
		if diff := cmp.Diff(slices.Collect(want.Changes(0, 200)), slices.Collect(got.Changes(0, 200))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDamage(t *testing.T) {
	text := string(sample(t, "1.8.14", "demo.etherpad"))
	change := func(old, replacement string) func() string {
		return func() string {
			if !strings.Contains(text, old) {
				t.Errorf("the sample has no %s", old)
			}
			return strings.Replace(text, old, replacement, 1)
		}
	}
	drop := func(key string) func() string {
		return func() string {
			all := slices.DeleteFunc(records(t, []byte(text)), func(r string) bool { return strings.HasPrefix(r, `"`+key+`":`) })
			return "{" + strings.Join(all, ",") + "}"
		}
	}
	for _, test := range []struct {
		name, record string
		text         func() string
	}{
		{"empty", "file", func() string { return "" }},
		{"a page", "file", func() string { return "<!doctype html><p>Maintenance" }},
		{"cut off", "file", func() string { return text[:len(text)/2] }},
		{"cut off at the end", "file", func() string { return text[:len(text)-1] }},
		{"twice", "file", func() string { return text + text }},
		{"no pad", "pad", func() string { return "{}" }},
		{"an array", "file", func() string { return "[]" }},
		{"the pad is missing", "pad", drop("pad:demo")},
		{"a revision is missing", "revs:7", drop("pad:demo:revs:7")},
		{"the last revision is missing", "revs:19", drop("pad:demo:revs:19")},
		{"the first chat message is missing", "chat:0", drop("pad:demo:chat:0")},
		{"the last chat message is missing", "chat:3", drop("pad:demo:chat:3")},
		{"a revision is null", "revs:18", change(`"pad:demo:revs:18":{"changeset":"Z:59>1*0*1+1$X","meta":{"author":"a.K3dQLwV2YnxVt1Uj","timestamp":1795291970839}}`, `"pad:demo:revs:18":null`)},
		{"a revision is there twice", "revs:7", change(`"pad:demo:revs:8"`, `"pad:demo:revs:7"`)},
		{"two pads", "file", change(`"pad:demo:revs:8"`, `"pad:other:revs:8"`)},
		{"two pad records", "pad", change(`{"pad:demo"`, `{"pad:other":{},"pad:demo"`)},
		{"other revisions", "file", change(`{"pad:demo"`, `{"pad:other"`)},
		{"an unknown author", "revs:18", change(`*0*1+1$X","meta":{"author":"a.K3dQLwV2YnxVt1Uj"`, `*0*1+1$X","meta":{"author":"a.K3dQLwV2YnxVt1Ux"`)},
		{"a changeset that fits nothing", "revs:18", change(`Z:59>1*0*1+1$X`, `Z:5a>1*0*1+1$X`)},
		{"a broken changeset", "revs:18", change(`Z:59>1*0*1+1$X`, `Z:59>1*0*1+2$X`)},
		{"no changeset", "revs:18", change(`"changeset":"Z:59>1*0*1+1$X"`, `"x":1`)},
		{"an unknown attribute", "revs:18", change(`Z:59>1*0*1+1$X`, `Z:59>1*0*z+1$X`)},
		{"no time", "revs:18", change(`,"timestamp":1795291970839`, ``)},
		{"another snapshot", "revs:0", change(`"atext":{"text":"Welcome to Etherpad!\n\nThis`, `"atext":{"text":"Welcome to Etherpad!\n\nThat`)},
		{"other attributes of a snapshot", "revs:0", change(`"attribs":"|4+1u"`, `"attribs":"*0|4+1u"`)},
		{"another text", "pad", change(`TITRE du pad`, `Titre du pad`)},
		{"other attributes", "pad", change(`"*c+5*0|1+j`, `"*c+6*0|1+i`)},
		{"an empty message", "chat:3", change(`"text":"live"`, `"txet":"live"`)},
		{"a head that is none", "pad", change(`"head":19`, `"head":-1`)},
		{"a head beyond everything", "revs:20", change(`"head":19`, `"head":2000000000`)},
		{"an attribute twice", "pad", change(`"1":["bold","true"]`, `"0":["bold","true"]`)},
		{"an author twice", "globalAuthor:a.K3dQLwV2YnxVt1Uj", change(`globalAuthor:a.NqUpFymMQw9FY6I3`, `globalAuthor:a.K3dQLwV2YnxVt1Uj`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := test.text()
			_, err := Open(strings.NewReader(b), int64(len(b)))
			wrong, ok := errors.AsType[*RecordError](err)
			if !ok {
				t.Fatalf("%v is no RecordError", err)
			}
			if wrong.Record != test.record {
				t.Errorf("%q is named, want %q: %v", wrong.Record, test.record, err)
			}
			if strings.Contains(err.Error(), "demo") {
				t.Errorf("the pad is named: %v", err)
			}
		})
	}
}

// TestHalvesOfPairs has a pair that is written in two revisions, as some browsers do.
func TestHalvesOfPairs(t *testing.T) {
	d := open(t, []byte(`{"pad:x":{"atext":{"text":"🎉\n","attribs":"|1+3"},"pool":{"numToAttrib":{},"nextNum":0},"head":1,"chatHead":-1},
		"pad:x:revs:0":{"changeset":"Z:1>1+1$\ud83c","meta":{"author":"","timestamp":1,"atext":{"text":"\uD83C\n","attribs":"|1+2"}}},
		"pad:x:revs:1":{"changeset":"Z:2>1=1+1$\udf89","meta":{"author":"","timestamp":2}}}`))
	for rev, want := range []string{"\ufffd\n", "🎉\n"} {
		if got, err := d.TextAt(rev); err != nil || got != want {
			t.Errorf("revision %d: %q, want %q: %v", rev, got, want, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, version := range versions {
		for _, name := range []string{"demo.etherpad", "group-public.etherpad"} {
			f.Add(sample(f, version, name))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for rev := d.Head(); rev >= 0 && rev > d.Head()-5; rev-- {
			if _, err := d.TextAt(rev); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Removals(rev); err != nil {
				t.Fatal(err)
			}
		}
		d.Sessions(0)
		d.Authors()
		if _, err := d.Chat(); err != nil {
			t.Fatal(err)
		}
	})
}
