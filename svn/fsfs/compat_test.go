package fsfs_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/svntest"
)

// layouts are the repositories that Subversion's releases make, and those that upgrades leave.
var layouts = []struct {
	name string
	args []string // of svnadmin create
	edit func(format string) string
}{
	{"format 8", nil, nil},
	{"format 8, physical", nil, func(string) string { return "8\nlayout sharded 1000\naddressing physical\n" }},
	{"format 8, linear", nil, func(string) string { return "8\nlayout linear\naddressing physical\n" }},
	{"format 7", []string{"--compatible-version", "1.9"}, nil},
	{"format 6", []string{"--compatible-version", "1.8"}, nil},
	{"format 4", []string{"--compatible-version", "1.6"}, nil},
	{"format 3", []string{"--compatible-version", "1.5"}, nil},
	{"format 2", []string{"--compatible-version", "1.4"}, nil},
	{"format 1", []string{"--compatible-version", "1.3"}, nil},
}

// layoutArgs returns the arguments of svnadmin create for a repository. Layouts that no svnadmin of
// today makes are made from format 6, whose revision 0 has physical addressing.
func layoutArgs(args []string, edit func(string) string) []string {
	if edit != nil {
		return []string{"--compatible-version", "1.8"}
	}
	return args
}

func editFormat(t *testing.T, dir string, edit func(string) string) {
	t.Helper()
	if edit == nil {
		return
	}
	name := filepath.Join(dir, "db", "format")
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	format := edit(string(old))
	if err := os.WriteFile(name, []byte(format), 0o444); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(format, "linear") {
		flatten(t, dir)
	}
	if strings.HasPrefix(format, "8") {
		uuid := filepath.Join(dir, "db", "uuid")
		data, err := os.ReadFile(uuid)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(uuid, append(data, data...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// flatten moves revision 0 to where the linear layout has it.
func flatten(t *testing.T, dir string) {
	t.Helper()
	for _, kind := range []string{"revs", "revprops"} {
		base := filepath.Join(dir, "db", kind)
		for _, step := range [][2]string{{"0", "shard"}, {"shard/0", "0"}} {
			if err := os.Rename(filepath.Join(base, step[0]), filepath.Join(base, step[1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(filepath.Join(base, "shard")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadTheirs reads what svnadmin load wrote, in every format, and packed where the format has packs.
func TestReadTheirs(t *testing.T) {
	for i, layout := range layouts {
		t.Run(layout.name, func(t *testing.T) {
			t.Parallel()
			h := svntest.RandomHistory(t, uint64(100+i), 15)
			dir := svntest.Create(t, layoutArgs(layout.args, layout.edit)...)
			editFormat(t, dir, layout.edit)
			svntest.RunIn(t, strings.NewReader(string(h.Dump(t))), "svnadmin", "load", "-q", dir)
			r := open(t, dir)
			h.Check(t, r)
			sameLog(t, r, dir)
			format, err := os.ReadFile(filepath.Join(dir, "db", "format"))
			if err != nil {
				t.Fatal(err)
			}
			if format[0] < '4' || !strings.Contains(string(format), "sharded") {
				return
			}
			packed := open(t, svntest.Pack(t, dir, 4))
			h.Check(t, packed)
			sameLog(t, packed, dir)
		})
	}
}

// sameLog compares the log with that of svn.
func sameLog(t *testing.T, r svn.Repository, dir string) {
	t.Helper()
	var theirs struct {
		Entries []struct {
			Rev   svn.Revnum `xml:"revision,attr"`
			Date  string     `xml:"date"`
			Paths []struct {
				Action   string     `xml:"action,attr"`
				Kind     string     `xml:"kind,attr"`
				Text     bool       `xml:"text-mods,attr"`
				Props    bool       `xml:"prop-mods,attr"`
				FromPath string     `xml:"copyfrom-path,attr"`
				FromRev  svn.Revnum `xml:"copyfrom-rev,attr"`
				Path     string     `xml:",chardata"`
			} `xml:"paths>path"`
		} `xml:"logentry"`
	}
	out := svntest.Run(t, "svn", "log", "-v", "--xml", "-r", "HEAD:1", svntest.URL(dir, ""))
	if err := xml.Unmarshal([]byte(out), &theirs); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for _, e := range theirs.Entries {
		want[fmt.Sprint(e.Rev)] = e.Date
		for _, p := range e.Paths {
			line := fmt.Sprintln(p.Action, p.Kind, p.Text, p.Props, p.FromPath, p.FromRev)
			want[fmt.Sprint(e.Rev, " ", p.Path)] = line
		}
	}
	for e, err := range r.Log(t.Context(), theirs.Entries[0].Rev, 1) { // svn lists no r0
		if err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprint(e.Rev)] = e.Props[svn.PropDate]
		for _, c := range e.Changes {
			from := svn.CopySource{}
			if c.CopyFrom != nil {
				from = svn.CopySource{Path: "/" + c.CopyFrom.Path, Rev: c.CopyFrom.Rev}
			}
			line := fmt.Sprintln(string(c.Action), c.Kind, c.TextModified, c.PropsModified, from.Path, from.Rev)
			got[fmt.Sprint(e.Rev, " /", c.Path)] = line
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("log (-got +want):\n%s", diff)
	}
}

// TestWriteTheirs commits to repositories that svnadmin made, in every format that is written.
func TestWriteTheirs(t *testing.T) {
	for i, layout := range layouts[:7] {
		t.Run(layout.name, func(t *testing.T) {
			t.Parallel()
			h := svntest.RandomHistory(t, uint64(200+i), 12)
			dir := svntest.Create(t, layoutArgs(layout.args, layout.edit)...)
			editFormat(t, dir, layout.edit)
			shared := openShared(t, dir)
			h.Apply(t, shared)
			h.Check(t, reopenShared(t, shared))
			h.CheckDir(t, dir)
			svntest.Verify(t, dir)
			svntest.Run(t, "svnmucc", "-m", "on top", "mkdir", svntest.URL(dir, "on top"), "put", "/dev/null", svntest.URL(dir, "on top/f"))
			svntest.Verify(t, dir)
		})
	}
}
