package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
	"github.com/havre-cloud/havre/internal/source/framadate"
	"github.com/havre-cloud/havre/internal/source/framadate/framadatetest"
)

// restoreRun runs a command as a person does, and returns what it says and its exit code.
func restoreRun(t *testing.T, args ...string) (out, said string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	con := &console{in: strings.NewReader(""), out: &stdout, err: &stderr, log: slog.New(slog.DiscardHandler)}
	flags := restoreFlags{backupFlags: backupFlags{AllowPrivate: true}}
	var err error
	switch args[0] {
	case "pad":
		err = (&padRestoreCmd{restoreFlags: flags, Path: args[1], URL: args[2]}).Run(t.Context(), con)
	case "poll":
		err = (&pollRestoreCmd{restoreFlags: flags, Path: args[1], Instance: args[2]}).Run(t.Context(), con)
	}
	if err != nil {
		return stdout.String(), stderr.String() + forPerson(err), exitCode(err)
	}
	return stdout.String(), stderr.String(), exitOK
}

func placeFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

const padSamples = "../../internal/source/etherpad/testdata/"

func TestPadRestore(t *testing.T) {
	t.Parallel()
	s := etherpadtest.StartFake(t, etherpadtest.FakeOptions{})
	s.CreatePad(t, "taken", "ici\n")
	file := filepath.Join(t.TempDir(), "Réunion.etherpad")
	placeFile(t, padSamples+"1.8.14/demo.etherpad", file)
	for _, tc := range []struct {
		name, file, url string
		want            string
		code            int
	}{
		{name: "to a name", file: file, url: s.URL() + "/p/neuf", want: s.URL() + "/p/neuf\n"},
		{name: "again", file: file, url: s.URL() + "/p/neuf", want: s.URL() + "/p/neuf\n"},
		{name: "under its own name", file: file, url: s.URL(), want: s.URL() + "/p/demo\n"},
		{name: "over another", file: file, url: s.URL() + "/p/taken", code: exitRefused},
		{name: "to a group", file: file, url: s.URL() + "/p/g.0123456789abcdef", code: exitUsage},
		{name: "to nothing", file: file, url: "ftp://pads.example.org", code: exitUsage},
		{name: "to no Etherpad", file: file, url: framadatetest.New(t, framadatetest.Options{}).URL + "/p/x", code: exitFailed},
		{name: "no file", file: file + "x", url: s.URL() + "/p/x", code: exitFailed},
		{name: "no pad", file: "restore_test.go", url: s.URL() + "/p/x", code: exitFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, said, code := restoreRun(t, "pad", tc.file, tc.url)
			if out != tc.want || code != tc.code {
				t.Errorf("%d %q (%s), want %d %q", code, out, said, tc.code, tc.want)
			}
		})
	}
	if diff := cmp.Diff([]string{"demo", "neuf", "taken"}, s.Pads()); diff != "" {
		t.Error(diff)
	}
}

func TestPadRestoreDirectory(t *testing.T) {
	t.Parallel()
	s := etherpadtest.StartFake(t, etherpadtest.FakeOptions{})
	s.CreatePad(t, "taken", "ici\n")
	dir := t.TempDir()
	placeFile(t, padSamples+"2.5.3/demo.etherpad", filepath.Join(dir, "Fête.etherpad"))
	placeFile(t, padSamples+"2.5.3/demo.etherpad", filepath.Join(dir, "Fête (suspect, 2026-11-21 20.00.00).etherpad"))
	placeFile(t, padSamples+"1.8.14/long.etherpad", filepath.Join(dir, "sub", "=long.etherpad"))
	placeFile(t, padSamples+"1.8.14/long.etherpad", filepath.Join(dir, "taken.etherpad"))
	placeFile(t, padSamples+"2.5.3/readonly-export.etherpad", filepath.Join(dir, "Nur lesen.etherpad"))
	_, list, err := source.Index("Pads", []source.IndexEntry{
		{Kind: source.KindEtherpad, Title: "Fête", Name: "Fête", Exts: []string{".txt", ".etherpad"}, URL: "https://old.example.org/p/fete"},
		{Kind: source.KindEtherpad, Title: "taken", Name: "taken", Exts: []string{".etherpad"}, URL: "https://old.example.org/p/taken"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, source.IndexCSV), list, 0o666); err != nil {
		t.Fatal(err)
	}
	for i, state := range []string{"restored", "restored before"} {
		out, said, code := restoreRun(t, "pad", dir, s.URL()+"/")
		if code != exitRefused || !strings.Contains(out, "3 of 4 pads") || !strings.Contains(said, "1 pad could not be restored") {
			t.Errorf("run %d: %d\n%s%s", i, code, out, said)
		}
		want := [][]string{
			restoredHeader,
			{"Fête.etherpad", "https://old.example.org/p/fete", s.URL() + "/p/fete", state, ""},
			{"Nur lesen.etherpad", "", s.URL() + "/p/Nur_lesen", state, ""},
			{"sub/=long.etherpad", "", s.URL() + "/p/long", state, ""},
			{"taken.etherpad", "https://old.example.org/p/taken", "", "there is a pad of that name already, and it is left alone", ""},
		}
		if diff := cmp.Diff(want, readTable(t, filepath.Join(dir, "restored.csv"))); diff != "" {
			t.Errorf("run %d: %s", i, diff)
		}
	}
	if got := s.Text(t, "taken"); !strings.HasPrefix(got, "ici") {
		t.Errorf("the pad that was there has %q", got)
	}
	if out, _, code := restoreRun(t, "pad", dir, s.URL()+"/p/one"); code != exitUsage {
		t.Errorf("a directory to one pad: %d %s", code, out)
	}
	if out, _, code := restoreRun(t, "pad", t.TempDir(), s.URL()); code != exitUsage {
		t.Errorf("an empty directory: %d %s", code, out)
	}
	s.Kill()
	if out, said, code := restoreRun(t, "pad", filepath.Join(dir, "taken.etherpad"), s.URL()); code != exitUnreachable {
		t.Errorf("nobody there: %d %s%s", code, out, said)
	}
}

func TestPollRestore(t *testing.T) {
	t.Parallel()
	old, fresh := framadatetest.New(t, framadatetest.Options{}), framadatetest.New(t, framadatetest.Options{})
	poll := framadatetest.SampleDates()
	old.Add(poll)
	dir := t.TempDir()
	c := source.NewClient(source.ClientOptions{AllowPrivate: true, PerSecond: -1})
	defer c.CloseIdle()
	found := source.NewRegistry(framadate.New()).Recognise(old.Administration(poll))
	if len(found) == 0 {
		t.Fatal("the poll's address is not recognised")
	}
	got, err := framadate.New().Fetch(t.Context(), c, source.Document{Address: found[0].Address, Secrets: found[0].Secrets})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	i := slices.IndexFunc(got.Files, func(f source.File) bool { return f.Ext == ".json" })
	content, err := got.Files[i].Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(content)
	if err != nil || !json.Valid(b) {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "Fête.json")
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}

	out, said, code := restoreRun(t, "poll", file, fresh.URL)
	if code != exitOK || !strings.HasPrefix(out, fresh.URL+"/") || !strings.Contains(out, "administration (keep it to yourself): "+fresh.URL) || !strings.Contains(out, "not carried over: ") {
		t.Errorf("%d %s%s", code, out, said)
	}
	// Of a directory each poll is made once, however often the command is repeated.
	for _, want := range []string{"restored", "restored before"} {
		out, said, code = restoreRun(t, "poll", dir, fresh.URL)
		if code != exitOK || !strings.Contains(out, "1 of 1 poll") {
			t.Errorf("%d %s%s", code, out, said)
		}
		table := filepath.Join(dir, "restored.csv")
		if rows := readTable(t, table); len(rows) != 2 || rows[1][3] != want || !strings.HasPrefix(rows[1][2], fresh.URL) {
			t.Errorf("the table is %q", rows)
		}
		if b, err := os.ReadFile(table); err != nil || bytes.Contains(b, []byte("/admin")) {
			t.Errorf("the table has an administration's address: %s (%v)", b, err)
		}
	}
	if _, said, code := restoreRun(t, "poll", "restore_test.go", fresh.URL); code != exitFailed {
		t.Errorf("no poll: %d %s", code, said)
	}
}
