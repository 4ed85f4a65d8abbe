package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sergi/go-diff/diffmatchpatch"
)

// samplePad returns a file as Etherpad exported it, under a name with an accent.
func samplePad(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../internal/source/etherpad/testdata/1.8.14/demo.etherpad")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "Réunion.etherpad")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func padConsole() (*console, *bytes.Buffer) {
	var out bytes.Buffer
	return &console{out: &out, err: io.Discard, log: slog.New(slog.DiscardHandler)}, &out
}

func TestPadHistory(t *testing.T) {
	file := samplePad(t)
	doc, err := openPad(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	got, err := padHistoryText(doc, time.Minute, paint{}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	want := `Réunion
29 words, 20 revisions, 3 authors, 4 chat messages

  When               For      Revisions  Added  Removed  By
  21 Nov 2026 20:10  moments  0 to 17    +258   -70      Zoé 日本, Bob, 1 unnamed author
  21 Nov 2026 20:12  moments  18 to 19   +1     -1       Zoé 日本

Saved revisions
  15  21 Nov 2026 20:10  Bob
  19  21 Nov 2026 20:12  Zoé 日本
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := padHistoryText(doc, 0, paint{colour: true}, time.UTC); err != nil || !strings.Contains(got, "\x1b[38;2;255;102;51m■\x1b[0m Zoé 日本") {
		t.Errorf("%q: %v", got, err)
	}
}

func TestPadHistoryCommand(t *testing.T) {
	file := samplePad(t)
	for _, test := range []struct {
		cmd  padHistoryCmd
		want string
	}{
		{padHistoryCmd{At: "5"}, "Titre du pad — été 2026\ngras normal italique\n"},
		{padHistoryCmd{At: "r5", As: "md"}, "Titre du pad — été 2026\\\n**gras** normal *italique*\n"},
		{padHistoryCmd{At: "2026-11-21T20:10:32.200Z"}, "Welcome to Etherpad!\n\nThis pad text is synchronized as you type.\n\n"},
	} {
		con, out := padConsole()
		test.cmd.File = file
		if err := test.cmd.Run(t.Context(), con); err != nil || strings.TrimRight(out.String(), "\n") != strings.TrimRight(test.want, "\n") {
			t.Errorf("%+v: %q, want %q: %v", test.cmd, out, test.want, err)
		}
	}
	con, out := padConsole()
	if err := (&padHistoryCmd{File: file, JSON: true}).Run(t.Context(), con); err != nil {
		t.Fatal(err)
	}
	var h padHistory
	if err := json.Unmarshal(out.Bytes(), &h); err != nil || h.Head != 19 || len(h.Authors) != 3 || len(h.Sessions) != 1 || len(h.Saved) != 2 || len(h.Chat) != 4 || h.Authors[0].Name != "Bob" {
		t.Errorf("%+v: %v", h, err)
	}
	for _, moment := range []string{"20", "-1", "yesterday", "2020-01-01", ""} {
		con, _ := padConsole()
		cmd := padHistoryCmd{File: file, At: moment}
		if err := cmd.Run(t.Context(), con); (err == nil) != (moment == "") {
			t.Errorf("moment %q: %v", moment, err)
		}
	}
	if err := os.WriteFile(file, []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openPad(t.Context(), file); err == nil || !strings.Contains(err.Error(), "Réunion.etherpad is not a complete .etherpad file") {
		t.Error(err)
	}
}

func TestPadDiff(t *testing.T) {
	file := samplePad(t)
	run := func(c padDiffCmd) string {
		con, out := padConsole()
		c.File = file
		if err := c.Run(t.Context(), con); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(out.String(), "\n")
		_, rest, _ = strings.Cut(rest, "\n") // without the times, which are local
		return rest
	}
	if got, want := run(padDiffCmd{From: "16", To: "17"}), "[-Titre-]{+TITRE+} du pad — été 2026\n"; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := run(padDiffCmd{From: "16", To: "head", Lines: true}), "@@ -1,4 +1,4 @@\n-Titre du pad — été 2026\n+TITRE du pad — été 2026\n gras"; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := run(padDiffCmd{From: "3", To: "3"}); got != "" {
		t.Errorf("%q", got)
	}
}

// TestPadIndex keeps what was found out about a large file.
func TestPadIndex(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("LocalAppData", t.TempDir())
	file := samplePad(t)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, bytes.Repeat([]byte(" "), largePadFile)...)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	index := padIndex(file, info)
	for n, damage := range []func(){func() {}, func() {}, func() {
		if err := os.WriteFile(index, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}} {
		damage()
		doc, err := openPad(t.Context(), file)
		if err != nil {
			t.Fatal(n, err)
		}
		if text, err := doc.TextAt(2); err != nil || !strings.HasPrefix(text, "Titre") {
			t.Error(n, text, err)
		}
		doc.Close()
		if info, err := os.Stat(index); err != nil || info.Size() < 100 {
			t.Error(n, "the index:", err)
		}
	}
}

// TestHunks makes both texts again from what is said of their difference.
func TestHunks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var a, b []string
		for range r.IntN(40) {
			line := string(rune('a'+r.IntN(4))) + "\n"
			if r.IntN(5) > 0 {
				a = append(a, line)
			}
			if r.IntN(5) > 0 {
				b = append(b, line)
			}
		}
		old, now := strings.Join(a, ""), strings.Join(b, "")
		var made []string
		at := 0
		for _, h := range hunks(old, now) {
			made = append(made, a[at:h.oldAt-1]...)
			if len(made)+1 != h.newAt {
				t.Fatalf("%q and %q: a part begins at %d, is said to at %d", old, now, len(made)+1, h.newAt)
			}
			at = h.oldAt - 1
			oldLen, newLen := 0, 0
			for _, p := range h.pieces {
				if p.op != diffmatchpatch.DiffInsert {
					if !slices.Equal(a[at:at+len(p.tokens)], p.tokens) {
						t.Fatalf("%q and %q: %q is not in the first", old, now, p.tokens)
					}
					at += len(p.tokens)
					oldLen += len(p.tokens)
				}
				if p.op != diffmatchpatch.DiffDelete {
					made = append(made, p.tokens...)
					newLen += len(p.tokens)
				}
			}
			if oldLen != h.oldLen || newLen != h.newLen {
				t.Fatalf("%q and %q: a part of %d and %d lines is said to have %d and %d", old, now, oldLen, newLen, h.oldLen, h.newLen)
			}
		}
		made = append(made, a[at:]...)
		if got := strings.Join(made, ""); got != now {
			t.Fatalf("%q and %q: the parts give %q", old, now, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\u202e\tc\n\u009b"); got != "a[2Jb\tc\n" {
		t.Errorf("%q", got)
	}
}
