package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

func TestBackupKeepsTheKeyThatWorks(t *testing.T) {
	fake := etherpadtest.StartFake(t, etherpadtest.FakeOptions{Version: "2.5.3"})
	fake.CreatePad(t, "one", "One\n")
	temp := t.TempDir()
	run := func(key string, addresses ...string) (string, int) {
		c := backupSaveCmd{Args: append(addresses, filepath.Join(temp, "Pads"))}
		c.Home, c.AllowPrivate = filepath.Join(temp, "home"), true
		if key != "" {
			c.APIKeyFile = filepath.Join(temp, "key")
			if err := os.WriteFile(c.APIKeyFile, []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		con := &console{in: strings.NewReader(""), out: &out, err: &out, log: slog.New(slog.DiscardHandler)}
		if err := c.run(t.Context(), con, source.NewRegistry(providers()...)); err != nil {
			return out.String() + err.Error(), exitCode(err)
		}
		return out.String(), exitOK
	}
	if text, code := run("wrong", fake.URL()); code == exitOK {
		t.Errorf("a wrong key: %s", text)
	}
	if text, code := run(fake.APIKey(), fake.URL()); code != exitOK || !strings.Contains(text, "1 new") {
		t.Errorf("the right key: exit code %d: %s", code, text)
	}
	if text, code := run("wrong", fake.URL()); code == exitOK {
		t.Errorf("a wrong key: %s", text)
	}
	fake.CreatePad(t, "two", "Two\n")
	if text, code := run(""); code != exitOK || !strings.Contains(text, "1 new") {
		t.Errorf("the key that worked: exit code %d: %s", code, text)
	}
}

func TestGivenSecrets(t *testing.T) {
	right, wrong := source.Secrets{User: "ada", APIKey: "right"}, source.Secrets{APIKey: "wrong"}
	for name, c := range map[string]struct {
		old, given source.Secrets
		outcome    source.Outcome
		want       source.Secrets
	}{
		"what worked replaces":                    {wrong, right, source.OutcomeNew, right},
		"and leaves what was not given":           {right, source.Secrets{APIKey: "other"}, source.OutcomeUnchanged, source.Secrets{User: "ada", APIKey: "other"}},
		"what was refused does not":               {right, wrong, source.OutcomePrivate, right},
		"nor is it kept":                          {source.Secrets{}, wrong, source.OutcomePrivate, source.Secrets{}},
		"nothing is known of who does not answer": {right, wrong, source.OutcomeUnreachable, right},
		"what is the first is kept then":          {source.Secrets{}, right, source.OutcomeUnreachable, right},
	} {
		t.Run(name, func(t *testing.T) {
			store := openSecrets(t.TempDir())
			if err := store.put("address", c.old); err != nil {
				t.Fatal(err)
			}
			g := newGivenSecrets(store)
			g.give("address", c.given)
			if got, err := g.get("address"); err != nil || got != over(c.given, c.old) {
				t.Errorf("tried with %+v %v", got, err)
			}
			if err := g.tried("address", c.outcome); err != nil {
				t.Fatal(err)
			}
			if got, err := store.get("address"); err != nil || got != c.want {
				t.Errorf("stored: got %+v %v", got, err)
			}
		})
	}
}
