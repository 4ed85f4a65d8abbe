package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

// notesBackup is a directory of copies of an instance of notes, and what a person types.
type notesBackup struct {
	t        *testing.T
	instance *sourcetest.Instance
	address  string // of the instance
	dir      string
	home     string
}

func newNotesBackup(t *testing.T) *notesBackup {
	instance := sourcetest.NewInstance()
	server := httptest.NewServer(instance)
	t.Cleanup(server.Close)
	return &notesBackup{t: t, instance: instance, address: server.URL, dir: filepath.Join(t.TempDir(), "Pads"), home: t.TempDir()}
}

// run is `havre backup ARGS... DIR` and returns what was printed and the exit code.
func (n *notesBackup) run(ctx context.Context, c backupSaveCmd, addresses ...string) (string, int) {
	n.t.Helper()
	var out syncBuffer
	con := &console{in: strings.NewReader("secret-password\n"), out: &out, err: &out, log: slog.New(slog.DiscardHandler)}
	for i := range addresses {
		if strings.HasPrefix(addresses[i], "/") {
			addresses[i] = n.address + addresses[i]
		}
	}
	c.Home, c.AllowPrivate, c.Args = n.home, true, append(addresses, n.dir)
	err := c.run(ctx, con, source.NewRegistry(sourcetest.Provider{}))
	text := out.String()
	if err == nil {
		return text, exitOK
	}
	return text + err.Error(), exitCode(err)
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// want checks an exit code and that parts are in what was printed.
func want(t *testing.T, text string, code, wantCode int, parts ...string) {
	t.Helper()
	if code != wantCode {
		t.Errorf("exit code %d, want %d; printed:\n%s", code, wantCode, text)
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func (n *notesBackup) read(name string) string {
	n.t.Helper()
	data, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		n.t.Error(err)
	}
	return string(data)
}

func TestBackupSavesAndKeeps(t *testing.T) {
	n := newNotesBackup(t)
	n.instance.Set("one", "Réunion 3/4\ntext")
	n.instance.Set("two", "Two")
	text, code := n.run(t.Context(), backupSaveCmd{}, "/n/one", "/n/two", "/n/none")
	want(t, text, code, exitGone, "new          Réunion 3/4", "gone         none: there is no such note", "3 documents in", "2 new, 1 gone")
	if got := n.read("Réunion 3-4.txt"); got != "Réunion 3/4\ntext" {
		t.Errorf("got %q", got)
	}
	want(t, n.read("index.csv")+n.read("index.html"), 0, 0, "Réunion 3/4", "gone on the instance")

	// Another of the same process's directories, or this one again, is not worked on twice.
	n.instance.Set("two", "Two\nmore")
	text, code = n.run(t.Context(), backupSaveCmd{Forget: []string{n.address + "/n/none"}})
	want(t, text, code, exitOK, "changed      Two", "1 changed, 1 unchanged")

	n.instance.Set("one", "")
	text, code = n.run(t.Context(), backupSaveCmd{})
	want(t, text, code, exitSuspect, "suspect      Réunion 3/4: the note was emptied", "kept: Réunion 3-4 (suspect, ")
	if got := n.read("Réunion 3-4.txt"); got != "Réunion 3/4\ntext" {
		t.Errorf("got %q", got)
	}
	text, code = n.run(t.Context(), backupSaveCmd{Accept: []string{n.address + "/n/one"}})
	want(t, text, code, exitOK, "1 changed, 1 unchanged")
	if got := n.read("Réunion 3-4.txt"); got != "" {
		t.Errorf("got %q", got)
	}

	n.instance.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	text, code = n.run(t.Context(), backupSaveCmd{})
	want(t, text, code, exitUnreachable, "2 unreachable")
}

func TestBackupTakesAddressesOutOfFiles(t *testing.T) {
	n := newNotesBackup(t)
	n.instance.Set("one", "One")
	n.instance.Set("maybe", "Maybe")
	list := filepath.Join(t.TempDir(), "list.md")
	content := "- [the first](" + n.address + "/n/one)\n- " + n.address + "/maybe/maybe and " + n.address + "/maybe/else, " + n.address + "/about\n"
	if err := os.WriteFile(list, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	con := &console{in: strings.NewReader(""), out: &out, err: &out, log: slog.New(slog.DiscardHandler)}
	find := backupFindCmd{Files: []string{list}, Offline: true}
	if err := find.run(t.Context(), con, source.NewRegistry(sourcetest.Provider{})); err != nil {
		t.Fatal(err)
	}
	want(t, out.String(), 0, 0, "note?", "list.md:2", "the first", "3 documents")
	out.Reset()
	find = backupFindCmd{Files: []string{list}, backupFlags: backupFlags{AllowPrivate: true}}
	if err := find.run(t.Context(), con, source.NewRegistry(sourcetest.Provider{})); err != nil {
		t.Fatal(err)
	}
	want(t, out.String(), 0, 0, "answers", "unknown", "3 documents")

	text, code := n.run(t.Context(), backupSaveCmd{From: []string{list}})
	want(t, text, code, exitOK, "2 new", "left out", "1 link left out")
	text, code = n.run(t.Context(), backupSaveCmd{From: []string{n.dir}})
	want(t, text, code, exitOK, "2 unchanged")
}

func TestBackupKeepsSecretsOutOfTheDirectory(t *testing.T) {
	n := newNotesBackup(t)
	n.instance.Set("one", "One")
	text, code := n.run(t.Context(), backupSaveCmd{secretFlags: secretFlags{Password: true, User: "ada"}}, "/n/one?key=secret-key")
	want(t, text, code, exitOK, "1 new")
	for _, dir := range []string{n.dir, n.home} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(filepath.Join(dir, path))
			if bytes.Contains(data, []byte("secret-")) {
				t.Errorf("a secret is in %s", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	secrets, err := openSecrets(filepath.Join(n.home, "backup")).get(n.address + "/n/one")
	if err != nil || secrets.Password.Reveal() != "secret-password" || secrets.User != "ada" || !strings.Contains(secrets.Address.Reveal(), "secret-key") {
		t.Errorf("got %+v %v", secrets, err)
	}
	if other, err := openSecrets(filepath.Join(n.home, "backup")).get(n.address + "/n/two"); err != nil || other != (source.Secrets{}) {
		t.Errorf("got %+v %v", other, err)
	}
}

func TestBackupSaysWhatIsWrongWithTheCommandLine(t *testing.T) {
	n := newNotesBackup(t)
	for _, c := range []struct {
		command   backupSaveCmd
		addresses []string
		part      string
	}{
		{backupSaveCmd{}, nil, "nothing is saved in"},
		{backupSaveCmd{}, []string{"/about?x=secret"}, "/about: that is no address of a pad"},
		{backupSaveCmd{}, []string{"notes"}, "notes: that is no address"},
	} {
		text, code := n.run(t.Context(), c.command, c.addresses...)
		want(t, text, code, exitUsage, c.part)
	}
	if _, err := os.Stat(n.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the directory was made")
	}
	_, _, err := (&backupSaveCmd{Args: []string{"https://a.example/n/x"}}).split()
	if err == nil || !strings.Contains(err.Error(), "the directory is missing") {
		t.Error(err)
	}
}

func TestBackupFollows(t *testing.T) {
	n := newNotesBackup(t)
	n.instance.Set("one", "One")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, code := n.run(ctx, backupSaveCmd{Live: true}, "/n/one")
		want(t, text, code, exitOK, "new          One", "changed      One")
	}()
	until(t, func() bool {
		data, err := os.ReadFile(filepath.Join(n.dir, "One.txt"))
		return err == nil && string(data) == "One"
	})
	n.instance.Set("one", "One\nmore")
	until(t, func() bool { return n.read("One.txt") == "One\nmore" })
	// Nobody else works on the directory meanwhile.
	text, code := n.run(t.Context(), backupSaveCmd{})
	want(t, text, code, exitFailed, "another havre is working on")
	cancel()
	<-done
	want(t, n.read("index.html"), 0, 0, "One")
}

// until waits for something.
func until(t *testing.T, is func() bool) {
	t.Helper()
	for !is() {
		select {
		case <-t.Context().Done():
			t.Fatal("it did not happen")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
