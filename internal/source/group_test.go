package source_test

import (
	"testing"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/ethercalc"
	"github.com/havre-cloud/havre/internal/source/etherpad"
	"github.com/havre-cloud/havre/internal/source/framadate"
)

// TestCandidates: what an address is given with tells of collections, and nothing else becomes one.
func TestCandidates(t *testing.T) {
	registry := source.NewRegistry(etherpad.New(), framadate.New(), ethercalc.New())
	key, account := source.Secrets{APIKey: "k"}, source.Secrets{User: "ada", Password: "p"}
	const group = "g.PgvxU8l9cDg0XkSk"
	for _, c := range []struct {
		text, group      string
		secrets          source.Secrets
		collection, root string
	}{
		{"https://pads.example.org/sub/p/" + group, "", key, "group " + group, "https://pads.example.org/sub"},
		{"pads.example.org/sub/p/" + group + "/", "", key, "group " + group, "https://pads.example.org/sub"},
		{"https://pads.example.org/p/" + group + "$minutes", "", key, "group " + group, "https://pads.example.org"},
		{"https://pads.example.org/p/" + group + "%24minutes", "", key, "group " + group, "https://pads.example.org"},
		{"https://pads.example.org/", "", key, "all", "https://pads.example.org"},
		{"https://example.org/etherpad", "", key, "all", "https://example.org/etherpad"},
		{"https://example.org/etherpad/", group, key, "group " + group, "https://example.org/etherpad"},
		{"pads.example.org", "", account, "mypads", "https://pads.example.org"},
		{"https://pads.example.org/mypads/", "", account, "mypads", "https://pads.example.org"},
		{"pads.example.org", "team-7aq", account, "mypads team-7aq", "https://pads.example.org"},
		{"https://pads.example.org/p/minutes", "", key, "", "https://pads.example.org"},
		{"https://framadate.org/aBcDeFgH12345678", "", account, "", "https://framadate.org"},
	} {
		got := registry.Candidates(c.text, c.group, c.secrets)
		if len(got) == 0 || got[0].Address.Collection != c.collection || got[0].Address.Instance != c.root {
			t.Errorf("%s %s: got %+v", c.text, c.group, got)
			continue
		}
		// The address alone says the same, with what opens it.
		if again := registry.Candidates(got[0].Address.URL, "", c.secrets); len(again) == 0 || again[0].Address != got[0].Address {
			t.Errorf("%s: got %+v", got[0].Address.URL, again)
		}
	}
	for _, c := range []struct {
		text, group string
		secrets     source.Secrets
	}{
		{"https://pads.example.org/", "", source.Secrets{}},
		{"https://pads.example.org/", "team", key},
		{"https://pads.example.org/", "a/../b", account},
		{"not an address", group, key},
		{"https://pads.example.org/?x", "", key},
	} {
		for _, got := range registry.Candidates(c.text, c.group, c.secrets) {
			if got.Address.Collection != "" {
				t.Errorf("%s %s: got %+v", c.text, c.group, got)
			}
		}
	}
}
