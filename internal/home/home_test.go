package home_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/home"
)

func open(t *testing.T, dir string) *home.Home {
	t.Helper()
	h, err := home.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestConfigRoundTrip(t *testing.T) {
	h := open(t, filepath.Join(t.TempDir(), "new", "home"))
	if _, err := h.Joined(); err == nil {
		t.Fatal("a new home has an identity")
	} else if _, ok := errors.AsType[*home.NotJoinedError](err); !ok {
		t.Fatalf("got %v, want a *NotJoinedError", err)
	}
	want := &home.Config{
		Version:  1,
		Identity: &home.Identity{Server: "example.org:7411", Fingerprint: "ab", Token: "secret", Device: "d1", DeviceName: "laptop"},
		Replicas: []home.Replica{{ID: "r1", Folder: "f1", FolderName: "Team", Path: "a/b", Dir: "/home/ada/Team"}},
	}
	for range 2 { // the second time replaces
		if err := h.Save(want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.Joined()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, want := got.Replicas[0].Name(), "Team/a/b"; got != want {
		t.Errorf("got name %q, want %q", got, want)
	}
	entries, err := os.ReadDir(h.Dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != "client.json" {
			t.Errorf("left behind: %s", e.Name())
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: others may read it: %v", e.Name(), info.Mode())
		}
	}
}

func TestConfigThatCannotBeRead(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"not JSON", "{", "join again"},
		{"empty, as after a crash of others", "", "join again"},
		{"from a newer program", `{"version": 99}`, "update the program"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t, t.TempDir())
			if err := os.WriteFile(filepath.Join(h.Dir(), "client.json"), []byte(tt.data), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Config(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something with %q", err, tt.want)
			}
		})
	}
}

func TestLock(t *testing.T) {
	h := open(t, t.TempDir())
	first, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(t, h.Dir()).Lock()
	if _, ok := errors.AsType[*home.RunningError](err); !ok {
		t.Errorf("second lock: got %v, want a *RunningError", err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := h.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestForgetKeepsTrash(t *testing.T) {
	h := open(t, t.TempDir())
	r := home.Replica{ID: "r1"}
	state, err := h.StatePath(r)
	if err != nil {
		t.Fatal(err)
	}
	trash := filepath.Join(h.AsideDir(r), "trash")
	if err := os.MkdirAll(trash, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{state, state + "-wal", filepath.Join(trash, "mine")} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Forget(r); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(state + "*"); err != nil || len(left) > 0 {
		t.Errorf("left of the state: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(trash, "mine")); err != nil {
		t.Error(err)
	}
}
