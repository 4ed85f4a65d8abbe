package source_test

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/havre-cloud/havre/internal/source"
)

func copyOf(title string, files ...string) *source.Copy {
	c := source.NewCopy(nil)
	c.Title = title
	for i := 0; i < len(files); i += 2 {
		content := files[i+1]
		c.Files = append(c.Files, source.File{Ext: files[i], Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content)), nil
		}})
	}
	return c
}

// tree returns the files of a directory with their contents, without our own.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if e.Name() == source.OwnDir {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func openDirectory(t *testing.T, dir string, claimed ...string) *source.Directory {
	t.Helper()
	d, err := source.OpenDirectory(dir, claimed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func saveInto(t *testing.T, d *source.Directory, item *source.Item, c *source.Copy) source.Saved {
	t.Helper()
	saved, err := d.Save(t.Context(), item, c)
	if err != nil {
		t.Fatal(err)
	}
	item.Name, item.Files = saved.Name, saved.Files
	return saved
}

func TestDirectoryKeepsWhatAPersonChanged(t *testing.T) {
	dir := t.TempDir()
	d := openDirectory(t, dir)
	item := &source.Item{}
	saveInto(t, d, item, copyOf("Notes", ".txt", "one", ".html", "<one>"))
	if saved := saveInto(t, d, item, copyOf("Notes", ".txt", "one", ".html", "<one>")); saved.Written {
		t.Error("the same was written again")
	}
	if err := os.WriteFile(filepath.Join(dir, "Notes.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	saved := saveInto(t, d, item, copyOf("Notes", ".txt", "two", ".html", "<two>"))
	if len(saved.Kept) != 1 || !saved.Written {
		t.Fatalf("got %+v", saved)
	}
	want := map[string]string{"Notes.txt": "two", "Notes.html": "<two>", saved.Kept[0]: "mine"}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Error(diff)
	}
	if !d.Complete(item) {
		t.Error("not complete")
	}
	if err := os.Remove(filepath.Join(dir, "Notes.html")); err != nil {
		t.Fatal(err)
	}
	if d.Complete(item) {
		t.Error("complete without a file")
	}
}

func TestDirectoryMeetsNobodysNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Notes.html", "PLAN.TXT"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := openDirectory(t, dir, "Agenda")
	var names []string
	for _, title := range []string{"Notes", "notes", "plan", "agenda", "index", "Other", ""} {
		item := &source.Item{Address: source.Address{Name: "by-name"}}
		saveInto(t, d, item, copyOf(title, ".txt", "x"+title, ".html", "y"))
		names = append(names, item.Name)
	}
	want := []string{"Notes (2)", "notes (3)", "plan (2)", "agenda (2)", "index (2)", "Other", "by-name"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if got := tree(t, dir); got["Notes.html"] != "theirs" || got["PLAN.TXT"] != "theirs" {
		t.Errorf("others' files changed: %v", got)
	}
	// A process that ended before it noted the name finds its files again.
	again := openDirectory(t, dir)
	item := &source.Item{}
	if saved := saveInto(t, again, item, copyOf("Other", ".txt", "xOther", ".html", "y")); saved.Name != "Other" || saved.Written {
		t.Errorf("got %+v", saved)
	}
}

func TestDirectoryRefusesStrangeExtensionsAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	d := openDirectory(t, dir)
	for _, ext := range []string{"", "txt", "./x", "..", ".a/../b", ".A", ".a."} {
		if _, err := d.Save(t.Context(), &source.Item{}, copyOf("N", ".txt", "x", ext, "y")); err == nil {
			t.Errorf("%q is taken", ext)
		}
	}
	broken := copyOf("N", ".txt", "x")
	broken.Files = append(broken.Files, source.File{Ext: ".html", Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{})), nil
	}})
	if _, err := d.Save(t.Context(), &source.Item{}, broken); err == nil {
		t.Error("a copy that cannot be read is saved")
	}
	if got := tree(t, dir); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
	if left, err := os.ReadDir(filepath.Join(dir, source.OwnDir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestIndex(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 5, 9, 0, time.UTC)
	entries := []source.IndexEntry{
		{Kind: source.KindFramadate, Title: "=HYPERLINK(\"x\")", Name: "_", Exts: []string{".csv"}, URL: "https://b.example/abc", State: "gone on the instance", Remarks: []string{"there is\nno such poll"}},
		{Kind: source.KindEtherpad, Title: "<Émile> & Co", Name: "Emile #1", Exts: []string{".txt", ".etherpad"}, URL: "https://a.example/p/x", State: "up to date", Good: true, Seen: at, Changed: at, Ends: at.AddDate(0, 1, 0), Summary: "12 words"},
		{Title: "bad", URL: "javascript:alert(1)", State: "failed"},
	}
	page, table, err := source.Index("My pads", entries)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := html.Parse(bytes.NewReader(page)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"&lt;Émile&gt; &amp; Co", `href="./Emile%20%231.etherpad"`, "2026-11-21 14:05", "3 documents", "2 with a remark"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, refused := range []string{"javascript:", "<Émile>", "src=", "http-equiv"} {
		if strings.Contains(string(page), refused) {
			t.Errorf("the page has %q", refused)
		}
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(table, []byte("\ufeff")))).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatal(rows, err)
	}
	i := slices.IndexFunc(rows, func(r []string) bool { return r[1] == "framadate" })
	if rows[i][0] != "'=HYPERLINK(\"x\")" || rows[i][9] != "there is no such poll" {
		t.Errorf("got %q", rows[i])
	}
}

func TestWriteIndexKeepsAPagesOfAPerson(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<p>my page"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openDirectory(t, dir)
	for _, title := range []string{"a", "b", "b"} {
		if err := d.WriteIndex(title, nil); err != nil {
			t.Fatal(err)
		}
	}
	got := tree(t, dir)
	if len(got) != 3 || !strings.Contains(got["index.html"], "<h1>b</h1>") {
		t.Errorf("got %v", got)
	}
	for name, content := range got {
		if strings.HasPrefix(name, "index (changed here") && content != "<p>my page" {
			t.Errorf("%s is %q", name, content)
		}
	}
}
