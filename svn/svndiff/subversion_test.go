package svndiff_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/svn/svndiff"
	"github.com/havre-cloud/havre/svn/svntest"
)

// versionsOfAFile are contents of a file in consecutive revisions, over several windows.
func versionsOfAFile() [][]byte {
	long := text(1, 350000)
	return [][]byte{
		long,
		append(insert(long[:200000], 150000, []byte("#")), long[200001:]...),
		insert(long, 100, text(2, 5000)),
		long[90000:],
		append(bytes.Clone(long), randomBytes(1, 150000)...),
		make([]byte, 300000),
		nil,
		[]byte("small"),
	}
}

// diffAll makes the deltas that FSFS wants: window k against the same 102,400 bytes of the source.
func diffAll(t *testing.T, v svndiff.Version, source, target []byte) []byte {
	t.Helper()
	var d svndiff.Differ
	var w svndiff.Window
	delta := svndiff.AppendHeader(nil, v)
	for at := 0; at < len(target); at += svndiff.MaxView {
		from := min(at, len(source))
		w.SourceOffset = int64(from)
		d.Diff(&w, source[from:min(from+svndiff.MaxView, len(source))], target[at:min(at+svndiff.MaxView, len(target))])
		var err error
		if delta, err = svndiff.AppendWindow(delta, v, &w); err != nil {
			t.Fatal(err)
		}
	}
	return delta
}

// applyAll expands a delta whose windows may view any part of the source.
func applyAll(t *testing.T, r io.Reader, source []byte) []byte {
	t.Helper()
	d := svndiff.NewDecoder(r)
	var target []byte
	for {
		w, err := d.ReadWindow()
		if errors.Is(err, io.EOF) {
			return target
		}
		if err != nil {
			t.Fatal(err)
		}
		if w.SourceOffset+int64(w.SourceLen) > int64(len(source)) {
			t.Fatalf("a window views %d bytes at %d of %d", w.SourceLen, w.SourceOffset, len(source))
		}
		p, err := w.Apply(source[w.SourceOffset:][:w.SourceLen], nil)
		if err != nil {
			t.Fatal(err)
		}
		target = append(target, p...)
	}
}

// TestSubversionReads has svnadmin load deltas of ours.
func TestSubversionReads(t *testing.T) {
	for _, v := range versions {
		t.Run(fmt.Sprintf("svndiff%d", v), func(t *testing.T) {
			dump := []byte("SVN-fs-dump-format-version: 3\n\n")
			var old []byte
			for i, content := range versionsOfAFile() {
				dump = fmt.Appendf(dump, "Revision-number: %d\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n", i+1)
				action := "change"
				if i == 0 {
					action = "add"
				}
				delta := diffAll(t, v, old, content)
				dump = fmt.Appendf(dump, "Node-path: f\nNode-kind: file\nNode-action: %s\nText-delta: true\n"+
					"Text-content-length: %d\nContent-length: %d\n\n%s\n\n", action, len(delta), len(delta), delta)
				old = content
			}
			dir := svntest.Create(t)
			svntest.RunIn(t, bytes.NewReader(dump), "svnadmin", "load", "-q", dir)
			for i, want := range versionsOfAFile() {
				if got := svntest.Run(t, "svnlook", "cat", "-r", strconv.Itoa(i+1), dir, "f"); got != string(want) {
					t.Errorf("r%d: got %d bytes, want %d, or they differ", i+1, len(got), len(want))
				}
			}
			svntest.Verify(t, dir)
		})
	}
}

// commitVersions makes a repository of the versions with svnmucc.
func commitVersions(t *testing.T, args ...string) string {
	t.Helper()
	dir := svntest.Create(t, args...)
	name := filepath.Join(t.TempDir(), "f")
	for _, content := range versionsOfAFile() {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		svntest.Run(t, "svnmucc", "-m", "log", "put", name, svntest.URL(dir, "f"))
	}
	return dir
}

// TestReadsDumpedDeltas applies the deltas that svnadmin makes for a dump.
func TestReadsDumpedDeltas(t *testing.T) {
	dump := svntest.Run(t, "svnadmin", "dump", "-q", "--deltas", commitVersions(t))
	var content []byte
	for i, want := range versionsOfAFile() {
		_, rest, ok := strings.Cut(dump, "\nNode-path: f\n")
		if !ok {
			t.Fatalf("the dump has no node in r%d", i+1)
		}
		header, body, _ := strings.Cut(rest, "\n\n")
		fields := map[string]int{}
		for line := range strings.SplitSeq(header, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			fields[name], _ = strconv.Atoi(value)
		}
		start := fields["Prop-content-length"]
		delta := body[start : start+fields["Text-content-length"]]
		if content = applyAll(t, strings.NewReader(delta), content); !bytes.Equal(content, want) {
			t.Fatalf("r%d: got %d bytes, want %d, or they differ", i+1, len(content), len(want))
		}
		dump = body[start+len(delta):]
	}
}

// TestReadsStoredDeltas expands the first representation of each revision's file, as formats with
// each version of the encoding store it.
func TestReadsStoredDeltas(t *testing.T) {
	tests := []struct {
		release string
		want    svndiff.Version
	}{{"1.3", svndiff.V0}, {"1.4", svndiff.V1}, {"1.8", svndiff.V1}, {"1.9", svndiff.V1}, {"1.14", svndiff.V2}}
	for _, tt := range tests {
		t.Run(tt.release, func(t *testing.T) {
			dir := commitVersions(t, "--compatible-version", tt.release)
			contents := map[int][]byte{} // expanded, by revision
			for i, want := range versionsOfAFile() {
				rev := i + 1
				base, stored := readRep(t, dir, rev)
				if v, err := svndiff.NewDecoder(bytes.NewReader(stored)).Version(); v != tt.want || err != nil {
					t.Fatalf("r%d: version %d, %v, want %d", rev, v, err, tt.want)
				}
				if contents[rev] = applyAll(t, bytes.NewReader(stored), contents[base]); !bytes.Equal(contents[rev], want) {
					t.Fatalf("r%d: got %d bytes, want %d, or they differ", rev, len(contents[rev]), len(want))
				}
			}
		})
	}
}

// readRep returns the delta at the start of a revision's file, and the revision of its base.
func readRep(t *testing.T, dir string, rev int) (base int, delta []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "db", "revs", "0", strconv.Itoa(rev)))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		files = []string{filepath.Join(dir, "db", "revs", strconv.Itoa(rev))}
	}
	p, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	header, rest, _ := bytes.Cut(p, []byte("\n"))
	if string(header) != "DELTA" {
		if _, err := fmt.Sscanf(string(header), "DELTA %d", &base); err != nil {
			t.Fatalf("r%d begins with %q", rev, header)
		}
	}
	// The node-revision of the file is the first one.
	_, node, _ := bytes.Cut(rest, []byte("\ntype: file\n"))
	_, text, _ := bytes.Cut(node, []byte("\ntext: "))
	var r, item, size int
	if _, err := fmt.Sscan(string(text[:min(len(text), 100)]), &r, &item, &size); err != nil || r != rev {
		t.Fatalf("r%d: text of r%d, %v", rev, r, err)
	}
	return base, rest[:size]
}
