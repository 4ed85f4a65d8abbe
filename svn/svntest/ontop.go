package svntest

import (
	"crypto/sha1"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// commitOnTop has svn commit to the files and directories that are there, on a copy of the
// repository, and checks that what comes out is what was committed. It finds reps and ids that read
// well but break what others build upon them.
func (j *judge) commitOnTop() {
	t := j.t
	t.Helper()
	dir := hotcopy(t, j.dir)
	wc := filepath.Join(t.TempDir(), "wc")
	Run(t, "svn", "checkout", "-q", URL(dir, ""), wc)
	files, dirs := pickOnTop(t, wc)
	round := func(name string, change func()) {
		t.Helper()
		change()
		Run(t, "svn", "commit", "-q", "-m", name, wc)
		Run(t, "svn", "update", "-q", wc)
		export := filepath.Join(t.TempDir(), "export")
		Run(t, "svn", "export", "-q", URL(dir, ""), export)
		sameFiles(t, "after svn committed on top: "+name, export, wc)
	}
	round("append", func() {
		for _, file := range files {
			edit(t, file, func(p []byte) []byte { return append(p, "appended by svn\n"...) })
		}
	})
	round("change the middle, and a property", func() {
		for _, file := range files {
			edit(t, file, func(p []byte) []byte {
				middle := len(p) / 2
				return slices.Concat(p[:middle], []byte("inserted"), p[min(len(p), middle+3):])
			})
			Run(t, "svn", "propset", "-q", "havre:ontop", "1", file+"@")
		}
		for _, d := range dirs {
			Run(t, "svn", "propset", "-q", "havre:ontop", "1", d+"@")
		}
	})
	round("copy, and change the copy", func() {
		for i, d := range dirs {
			to := filepath.Join(wc, fmt.Sprintf("copied %d", i))
			Run(t, "svn", "copy", "-q", d+"@", to)
			inside, _ := pickOnTop(t, to)
			for _, file := range inside {
				edit(t, file, func(p []byte) []byte { return append([]byte("changed in the copy\n"), p...) })
			}
		}
	})
	round("delete and replace", func() {
		for i, file := range files {
			Run(t, "svn", "delete", "-q", file+"@")
			if i%2 == 0 {
				must(t, os.WriteFile(file, []byte("replaced"), 0o644))
				Run(t, "svn", "add", "-q", file+"@")
			}
		}
	})
	Verify(t, dir)
	CheckFSFS(t, dir)
}

// pickOnTop returns the largest files below dir, and directories that hold some files.
func pickOnTop(t testing.TB, dir string) (files, dirs []string) {
	t.Helper()
	sizes := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".svn":
			return filepath.SkipDir
		case d.IsDir() && path != dir && len(dirs) < 4:
			dirs = append(dirs, path)
		case d.Type().IsRegular():
			info, err := d.Info()
			if err != nil {
				return err
			}
			sizes[path] = info.Size()
			files = append(files, path)
		}
		return nil
	})
	must(t, err)
	slices.SortStableFunc(files, func(a, b string) int { return int(sizes[b] - sizes[a]) })
	return files[:min(len(files), 8)], dirs
}

func edit(t testing.TB, file string, change func([]byte) []byte) {
	t.Helper()
	p, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, change(p), 0o644))
}

// fileLines describes what is below a directory, a line for each path.
func fileLines(t testing.TB, dir string) map[string]string {
	t.Helper()
	lines := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".svn" {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		lines[name], err = fileLine(path, d)
		return err
	})
	must(t, err)
	return lines
}

func fileLine(path string, d fs.DirEntry) (string, error) {
	switch {
	case d.IsDir():
		return "dir", nil
	case d.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return "link to " + target, err
	default:
		p, err := os.ReadFile(path)
		return fmt.Sprintf("file of %d bytes, sha1 %x", len(p), sha1.Sum(p)), err
	}
}
