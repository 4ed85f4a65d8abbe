package etherpad

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
)

func collection(root, name string, s source.Secrets) source.Document {
	return source.Document{Address: source.Address{Kind: source.KindEtherpad, Instance: root, Collection: name, URL: root}, Secrets: s}
}

func names(list []source.Recognised) []string {
	var all []string
	for _, r := range list {
		all = append(all, r.Address.Name)
	}
	return all
}

func TestList(t *testing.T) {
	o := etherpadtest.FakeOptions{
		OAuth: "app:geheim%", MyPads: map[string]string{"zoe": "été"}, MyPadsPads: map[string][]string{"zoe": {"pad-b", "pad-a"}},
	}
	bubble(t, "2.5.3", o, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
		listed(t, s, c)
		for _, tc := range []struct {
			name string
			d    source.Document
			want []string
			why  source.Reason
		}{
			{name: "all, by OAuth", d: collection(s.URL(), "all", source.Secrets{APIKey: "app:geheim%"}), want: s.Pads()},
			{name: "wrong secret", d: collection(s.URL(), "all", source.Secrets{APIKey: "app:x"}), why: source.ReasonPassword},
			{name: "MyPads", d: collection(s.URL(), "mypads", source.Secrets{User: "zoe", Password: "été"}), want: []string{"pad-a", "pad-b"}},
			{name: "one group of MyPads", d: collection(s.URL(), "mypads group-1", source.Secrets{User: "zoe", Password: "été"}), want: []string{"pad-a", "pad-b"}},
			{name: "another one", d: collection(s.URL(), "mypads group-2", source.Secrets{User: "zoe", Password: "été"})},
			{name: "MyPads, wrong password", d: collection(s.URL(), "mypads", source.Secrets{User: "zoe", Password: "x"}), why: source.ReasonPassword},
			{name: "MyPads, no password", d: collection(s.URL(), "mypads", source.Secrets{User: "zoe"}), why: source.ReasonPassword},
			{name: "one pad", d: padAt(s.URL(), "a"), why: source.ReasonAddress},
		} {
			got, err := New().List(t.Context(), c, tc.d)
			if tc.why != "" {
				if why := reason(t, err); why != tc.why {
					t.Errorf("%s: %v, want %v", tc.name, err, tc.why)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			if diff := cmp.Diff(tc.want, names(got)); diff != "" {
				t.Errorf("%s: %s", tc.name, diff)
			}
		}
	})
	bubble(t, "1.8.14", etherpadtest.FakeOptions{}, func(t *testing.T, s *etherpadtest.Fake, c *source.Client) {
		listed(t, s, c)
		d := collection(s.URL(), "mypads", source.Secrets{User: "zoe", Password: "x"})
		if _, err := New().List(t.Context(), c, d); reason(t, err) != source.ReasonForeign {
			t.Errorf("an instance without MyPads: %v", err)
		}
		if _, err := New().List(t.Context(), c, collection(s.URL(), "all", source.Secrets{APIKey: "app:x"})); reason(t, err) != source.ReasonForeign {
			t.Errorf("an instance without OAuth: %v", err)
		}
	})
}

// listed is the story of a group and of all pads, with the API's key.
func listed(t *testing.T, s etherpadtest.Server, c *source.Client) {
	t.Helper()
	p := New()
	s.CreatePad(t, "libre", "à tous\n")
	group := field(t, s.API(t, "createGroup"), "groupID")
	for _, name := range []string{"deux", "un"} {
		s.API(t, "createGroupPad", "groupID", group, "padName", name, "text", "texte de "+name+"\n")
	}
	key := source.Secrets{APIKey: source.Secret(s.APIKey())}
	got, err := p.List(t.Context(), c, collection(s.URL(), "group "+group, key))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{group + "$deux", group + "$un"}, names(got)); diff != "" {
		t.Error(diff)
	}
	for _, r := range got {
		status, body := export(t, c, source.Document{Address: r.Address, Secrets: r.Secrets}, "txt")
		if status != 200 || body != "texte de "+title(r.Address.Name)+"\n\n" {
			t.Errorf("%s: %d %q", r.Address.Name, status, body)
		}
	}
	again, err := p.List(t.Context(), c, collection(s.URL(), "all", key))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(names(again), "libre") || !slices.Contains(names(again), group+"$un") {
		t.Errorf("all pads are %q", names(again))
	}
	for _, r := range again {
		if r.Address.Name == group+"$un" && r.Secrets.Session != got[1].Secrets.Session {
			t.Errorf("another session was made for the same group")
		}
	}
	for name, secrets := range map[string]source.Secrets{"no key": {}, "a wrong key": {APIKey: "x"}} {
		if _, err := p.List(t.Context(), c, collection(s.URL(), "all", secrets)); reason(t, err) != source.ReasonPassword {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.List(t.Context(), c, collection(s.URL(), "group g.aaaaaaaaaaaaaaaa", key)); reason(t, err) != source.ReasonGone {
		t.Errorf("no such group: %v", err)
	}
}
