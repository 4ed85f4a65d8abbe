package main

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/localfs"
)

// upwards yields a path and all that it is in.
func upwards(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(path) && filepath.Dir(path) != path {
			path = filepath.Dir(path)
		}
	}
}

// isReplica says whether somebody's client keeps the directory the same as a folder, or did until its
// state was lost.
func isReplica(dir string) bool { return exists(filepath.Join(dir, localfs.Reserved, "marker")) }

// isServerData says whether a server keeps its data in the directory.
func isServerData(dir string) bool {
	return exists(filepath.Join(dir, "havre.db")) && exists(filepath.Join(dir, "repositories"))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// checkAround refuses to make a replica of a directory that another home's client has a part of, or a
// server: it would store its own repositories in themselves, and more each time.
func checkAround(dir string) error {
	for p := range upwards(dir) {
		switch {
		case p != dir && isReplica(p):
			return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: is inside %s, which is kept the same as a folder already, by another client; choose another directory",
				shown(dir), shown(p))}
		case isServerData(p):
			return serverDataError(dir, p)
		}
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if p := filepath.Join(dir, e.Name()); isServerData(p) {
			return serverDataError(dir, p)
		}
	}
	return err
}

func serverDataError(dir, data string) error {
	return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: a server keeps its data in %s; choose a directory that is neither in it nor around it",
		shown(dir), shown(data))}
}

// checkData refuses to keep a server's data in a replica.
func checkData(data string) error {
	dir, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	if dir, err = resolve(dir); err != nil {
		return err
	}
	for p := range upwards(dir) {
		if isReplica(p) {
			return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: is inside %s, which a client keeps the same as a folder: the server's data would be stored in itself; choose another directory with --data",
				shown(dir), shown(p))}
		}
	}
	return nil
}
