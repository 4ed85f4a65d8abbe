package source

import "testing"

func TestGroup(t *testing.T) {
	key := Secrets{APIKey: "k"}
	for _, text := range []string{
		"https://pads.example.org/sub/p/g.PgvxU8l9cDg0XkSk", "pads.example.org/sub/p/g.PgvxU8l9cDg0XkSk/",
		"https://pads.example.org/sub/p/g.PgvxU8l9cDg0XkSk$minutes", "https://pads.example.org/sub/p/g.PgvxU8l9cDg0XkSk%24minutes",
	} {
		got := Group(text, key)
		want := Address{
			Kind: KindEtherpad, Instance: "https://pads.example.org/sub", Collection: "group g.PgvxU8l9cDg0XkSk",
			URL: "https://pads.example.org/sub/p/g.PgvxU8l9cDg0XkSk",
		}
		if len(got) != 1 || got[0].Address != want {
			t.Errorf("%s: got %+v", text, got)
		}
		if Group(text, Secrets{}) != nil {
			t.Errorf("%s without a key is a group", text)
		}
	}
	for _, text := range []string{"https://x.org/p/demo", "https://x.org/", "https://x.org/p/g.short", "https://x.org/g.PgvxU8l9cDg0XkSk"} {
		if Group(text, key) != nil {
			t.Errorf("%s is a group", text)
		}
	}
}
