package etherpad

import (
	"net/url"
	"strings"
	"testing"

	"github.com/havre-cloud/havre/internal/source"
)

func TestRecognise(t *testing.T) {
	const (
		no       = source.Unlikely
		possible = source.Possible
		certain  = source.Certain
		hex      = "r.147db530583decd176cce1e8a8626e80"
		group    = "g.PgvxU8l9cDg0XkSk"
	)
	for _, test := range []struct {
		address, instance, name, collection, canonical string
		likelihood                                     source.Likelihood
	}{
		{"https://pads.example.org/p/demo", "https://pads.example.org", "demo", "", "https://pads.example.org/p/demo", possible},
		{"HTTPS://Pads.Example.ORG:8443/p/Demo?showChat=false#L3", "https://pads.example.org:8443", "Demo", "", "https://pads.example.org:8443/p/Demo", possible},
		{"http://example.org/etherpad/lite/p/a%20b%3A:c/", "http://example.org/etherpad/lite", "a_b_c", "", "http://example.org/etherpad/lite/p/a_b_c", possible},
		{"https://x.org/p/a%2Fb", "https://x.org", "a/b", "", "https://x.org/p/a%2Fb", possible},
		{"https://x.org/p/%C3%A9t%C3%A9", "https://x.org", "été", "", "https://x.org/p/%C3%A9t%C3%A9", possible},
		{"https://x.org/p/demo/timeslider#12", "https://x.org", "demo", "", "https://x.org/p/demo", certain},
		{"https://x.org/p/demo/export/txt", "https://x.org", "demo", "", "https://x.org/p/demo", certain},
		{"https://x.org/p/demo/12/export/html", "https://x.org", "demo", "", "https://x.org/p/demo", certain},
		{"https://x.org/p/" + hex, "https://x.org", hex, "", "https://x.org/p/" + hex, certain},
		{"https://x.org/p/" + group + "$my%20pad", "https://x.org", group + "$my_pad", "", "https://x.org/p/" + group + "$my_pad", certain},
		{"https://x.org/p/" + group + "%24pad", "https://x.org", group + "$pad", "", "https://x.org/p/" + group + "$pad", certain},
		{"https://x.org/p/" + group, "https://x.org", "", "group " + group, "https://x.org/p/" + group, certain},
		{"https://annuel2.framapad.org/p/reunion", "https://annuel2.framapad.org", "reunion", "", "https://annuel2.framapad.org/p/reunion", certain},
		{"https://x.org/mypads/?/mypads/group/abc-12/pad/view/notes-x1y2", "https://x.org", "notes-x1y2", "", "https://x.org/p/notes-x1y2", certain},
		{"https://x.org/sub/mypads/index.html?%2Fmypads%2Fgroup%2Fabc%2Fpad%2Fview%2Fnotes=", "https://x.org/sub", "notes", "", "https://x.org/sub/p/notes", certain},
		{"https://x.org/mypads/?/mypads/group/abc-12/view", "https://x.org", "", "mypads abc-12", "https://x.org/mypads/?/mypads/group/abc-12/view", certain},
		{"https://x.org/mypads/", "https://x.org", "", "mypads", "https://x.org/mypads/", certain},
		{"https://x.org/auth_session?sessionID=s.0123456789abcdef&padName=" + group + "$pad", "https://x.org", group + "$pad", "", "https://x.org/p/" + group + "$pad", certain},

		{"https://x.org/", "", "", "", "", no},
		{"https://x.org/p/", "", "", "", "", no},
		{"https://x.org/p", "", "", "", "", no},
		{"https://x.org/p/demo/other", "", "", "", "", no},
		{"https://x.org/p/demo/12/13", "", "", "", "", no},
		{"https://x.org/p/a$b", "", "", "", "", no},
		{"https://x.org/p/" + strings.Repeat("x", 51), "", "", "", "", no},
		{"https://x.org/p/" + strings.Repeat("%F0%9F%8E%89", 26), "", "", "", "", no},
		{"https://x.org/p/%ff", "", "", "", "", no},
		{"https://x.org/p/a%00", "", "", "", "", no},
		{"ftp://x.org/p/demo", "", "", "", "", no},
		{"mailto:p@x.org", "", "", "", "", no},
	} {
		u, err := url.Parse(test.address)
		if err != nil {
			t.Fatal(err)
		}
		r := New().Recognise(u)
		a := r.Address
		if r.Likelihood != test.likelihood || a.Instance != test.instance || a.Name != test.name || a.Collection != test.collection || a.URL != test.canonical {
			t.Errorf("%s is %+v, %d", test.address, a, r.Likelihood)
		}
		if r.Likelihood > no && a.Name != "" {
			again, err := url.Parse(a.URL)
			if err != nil {
				t.Fatal(err)
			}
			if b := New().Recognise(again).Address; b != a {
				t.Errorf("%s is %+v, and its own address is %+v", test.address, a, b)
			}
		}
	}
}

func TestRecogniseSecrets(t *testing.T) {
	for _, test := range []struct{ address, user, password, session string }{
		{"https://zo%C3%A9:secret@x.org/p/demo", "zoé", "secret", ""},
		{"https://x.org/p/demo?&mypadspassword=c8OpY3JldA%3D%3D", "", "sécret", ""},
		{"https://x.org/p/g.PgvxU8l9cDg0XkSk$pad?sessionID=s.0123456789abcdef", "", "", "s.0123456789abcdef"},
		{"https://x.org/p/demo?sessionID=s.x%0d%0aSet-Cookie", "", "", ""},
	} {
		u, err := url.Parse(test.address)
		if err != nil {
			t.Fatal(err)
		}
		r := New().Recognise(u)
		s := r.Secrets
		if s.User != test.user || s.Password.Reveal() != test.password || s.Session.Reveal() != test.session {
			t.Errorf("%s has %q %q %q", test.address, s.User, s.Password.Reveal(), s.Session.Reveal())
		}
		for _, secret := range []string{"secret", "sécret", "c8Op", "s.0123"} {
			if strings.Contains(r.Address.URL+r.Address.Instance+r.Address.Name, secret) {
				t.Errorf("%s is in the address %+v", secret, r.Address)
			}
		}
	}
}

func FuzzRecognise(f *testing.F) {
	for _, s := range []string{
		"https://x.org/p/demo", "https://x.org/sub/p/a%2Fb/12/export/txt", "https://u:p@x.org/p/g.PgvxU8l9cDg0XkSk$pad?sessionID=s.0123456789abcdef",
		"https://x.org/mypads/?/mypads/group/abc/pad/view/notes", "https://x.org/mypads/#!/mypads/group/abc/view", "https://x.org/auth_session?padName=a%20b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		r := New().Recognise(u)
		if r.Likelihood == source.Unlikely {
			return
		}
		if (r.Address.Name == "") == (r.Address.Collection == "") {
			t.Fatalf("%q is %+v", s, r.Address)
		}
		if r.Address.Name == "" {
			return
		}
		if SanitiseName(r.Address.Name) != r.Address.Name || !validName(r.Address.Name) {
			t.Fatalf("%q has the name %q", s, r.Address.Name)
		}
		again, err := url.Parse(r.Address.URL)
		if err != nil {
			t.Fatal(err)
		}
		if b := New().Recognise(again).Address; b.Name != r.Address.Name {
			t.Fatalf("%q is %+v, and its own address %+v", s, r.Address, b)
		}
	})
}
