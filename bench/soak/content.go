package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Every file begins with the hash of what follows, in hexadecimal on a line of its own, so that whoever
// looks at it, at any moment, knows whether all of it is there.
const hashLine = 2*sha256.Size + 1

// tree is what is in a directory: the first line of each file, "dir" for a directory.
type tree map[string]string

// fileContent makes the contents of a small file.
func fileContent(r *rand.Rand) []byte {
	body := make([]byte, 10+r.IntN(8000))
	for i := range body {
		body[i] = "abcdefgh\n"[r.IntN(9)]
	}
	sum := sha256.Sum256(body)
	return append([]byte(hex.EncodeToString(sum[:])+"\n"), body...)
}

func lineOf(content []byte) string { return string(content[:hashLine-1]) }

// put writes a file as most programs do, in place.
func put(dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644))
}

// putWhole writes a file aside and renames it, for where the watcher looks.
func putWhole(dir, name string, content []byte) error {
	aside := filepath.Join(filepath.Dir(dir), "aside-"+filepath.Base(dir))
	return errors.Join(os.WriteFile(aside, content, 0o644), os.Rename(aside, filepath.Join(dir, name)))
}

// putLarge writes a large file and gives it its name when it is complete, since this takes longer
// than any program could guess.
func putLarge(dir, name string, r *rand.Rand, n int64) (line string, err error) {
	aside := filepath.Join(filepath.Dir(dir), "large")
	f, err := os.Create(aside)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Repeat(" ", hashLine)); err != nil {
		return "", err
	}
	hash := sha256.New()
	noise := rand.NewChaCha8([32]byte{byte(r.Uint32())})
	if _, err := io.CopyN(io.MultiWriter(f, hash), noise, n); err != nil {
		return "", err
	}
	line = hex.EncodeToString(hash.Sum(nil))
	if _, err := f.WriteAt([]byte(line+"\n"), 0); err != nil {
		return "", err
	}
	return line, errors.Join(f.Close(), os.Rename(aside, filepath.Join(dir, name)))
}

// check reads a file and reports whether it is complete, with its first line.
func check(path string) (line string, whole bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	first, err := in.ReadBytes('\n')
	if err != nil || len(first) != hashLine {
		return "", false, nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, in); err != nil {
		return "", false, err
	}
	line = string(bytes.TrimSpace(first))
	return line, hex.EncodeToString(hash.Sum(nil)) == line, nil
}

// walk calls fn with each file and directory of a replica that is havre's to synchronise.
func walk(dir string, fn func(rel string, e fs.DirEntry) error) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was there a moment ago
		}
		if err != nil || path == dir {
			return err
		}
		if e.Name() == ".havre" {
			return fs.SkipDir
		}
		return fn(strings.TrimPrefix(path, dir+string(filepath.Separator)), e)
	})
}

func readTree(dir string) (tree, error) {
	got := tree{}
	return got, walk(dir, func(rel string, e fs.DirEntry) error {
		if e.IsDir() {
			got[rel] = "dir"
			return nil
		}
		line, whole, err := check(filepath.Join(dir, rel))
		if err == nil && !whole {
			line = "incomplete"
		}
		got[rel] = line
		return err
	})
}

// withDirs adds the directories that the files are in.
func (t tree) withDirs() tree {
	for name := range maps.Clone(t) {
		for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
			t[dir] = "dir"
		}
	}
	return t
}

// diff says what is missing, too much or different, with some examples.
func (t tree) diff(got tree) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		switch line, ok := got[name]; {
		case !ok:
			lines = append(lines, "missing: "+name)
		case line != t[name]:
			lines = append(lines, fmt.Sprintf("different: %s: %s, want %s", name, line, t[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := t[name]; !ok {
			lines = append(lines, "too much: "+name)
		}
	}
	if n := len(lines); n > 5 {
		lines = append(lines[:5], fmt.Sprintf("and %d more", n-5))
	}
	return strings.Join(lines, "\n")
}

// watcher looks at the files of the directories all the time.
type watcher struct {
	quit chan struct{} // closed by stop
	wg   sync.WaitGroup

	mu   sync.Mutex // guards errs
	errs []error
}

// watch looks at what appears in the replica of who receives; what the person writes to the other may
// be half there.
func watch(dirs ...string) *watcher {
	w := &watcher{quit: make(chan struct{})}
	for _, dir := range dirs[1:] {
		w.wg.Go(func() { w.look(dir) })
	}
	return w
}

type seen struct {
	size int64
	time time.Time
}

func (w *watcher) look(dir string) {
	known := map[string]seen{}
	for {
		err := walk(dir, func(rel string, e fs.DirEntry) error {
			info, err := e.Info()
			if err != nil || e.IsDir() {
				return nil //nolint:nilerr // it was there a moment ago
			}
			now := seen{info.Size(), info.ModTime()}
			if known[rel] == now {
				return nil
			}
			_, whole, err := check(filepath.Join(dir, rel))
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && !whole {
				err = fmt.Errorf("%s was visible with %d bytes of more", filepath.Join(dir, rel), info.Size())
			}
			known[rel] = now
			w.add(err)
			return nil
		})
		w.add(err)
		select {
		case <-w.quit:
			return
		case <-time.After(10 * time.Millisecond): // others want the processor too
		}
	}
}

func (w *watcher) add(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && len(w.errs) < 10 {
		w.errs = append(w.errs, err)
	}
}

func (w *watcher) stop() error {
	close(w.quit)
	w.wg.Wait()
	return errors.Join(w.errs...)
}
