package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func networks(t testing.TB, list ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// TestBehindProxies: only a trusted proxy is believed, and only about the last address that is not one.
func TestBehindProxies(t *testing.T) {
	trusted := networks(t, "10.0.0.0/8", "fd00::/8", "127.0.0.1/32")
	for _, test := range []struct{ name, peer, headers, want string }{
		{"no proxy", "198.51.100.9:4000", "", "198.51.100.9:4000"},
		{"a stranger says otherwise", "198.51.100.9:4000", "X-Forwarded-For: 203.0.113.7", "198.51.100.9:4000"},
		{"a stranger says otherwise, by the RFC", "198.51.100.9:4000", "Forwarded: for=203.0.113.7", "198.51.100.9:4000"},
		{"a proxy", "10.0.0.2:4000", "X-Forwarded-For: 203.0.113.7", "203.0.113.7:0"},
		{"a proxy that says nothing", "10.0.0.2:4000", "", "10.0.0.2:4000"},
		{"a way with invented steps", "10.0.0.2:4000", "X-Forwarded-For: 192.0.2.1, 203.0.113.7", "203.0.113.7:0"},
		{"two proxies", "10.0.0.2:4000", "X-Forwarded-For: 192.0.2.1, 203.0.113.7, 10.9.9.9", "203.0.113.7:0"},
		{"several lines", "10.0.0.2:4000", "X-Forwarded-For: 192.0.2.1|X-Forwarded-For: 203.0.113.7:55", "203.0.113.7:0"},
		{"nonsense before a proxy", "10.0.0.2:4000", "X-Forwarded-For: 203.0.113.7, unknown, 10.9.9.9", "10.9.9.9:0"},
		{"nonsense", "10.0.0.2:4000", "X-Forwarded-For: <script>", "10.0.0.2:4000"},
		{"all within", "10.0.0.2:4000", "X-Forwarded-For: 10.1.1.1", "10.1.1.1:0"},
		{"IPv6 by the RFC", "[fd00::2]:4000", `Forwarded: for="[2001:db8::7]:443";proto=https;by=10.0.0.2`, "[2001:db8::7]:0"},
		{"a comma in quotation marks", "127.0.0.1:4000", `Forwarded: for=192.0.2.1;host="a,for=192.0.2.9", For=203.0.113.7`, "203.0.113.7:0"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.2]:4000", "X-Forwarded-For: ::ffff:203.0.113.7", "203.0.113.7:0"},
		{"both agree", "10.0.0.2:4000", "X-Forwarded-For: 203.0.113.7|Forwarded: for=203.0.113.7", "203.0.113.7:0"},
		{"they contradict each other", "10.0.0.2:4000", "X-Forwarded-For: 203.0.113.7|Forwarded: for=192.0.2.1", "10.0.0.2:4000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://havre.test/signin", nil)
			r.RemoteAddr = test.peer
			for line := range strings.SplitSeq(test.headers, "|") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					r.Header.Add(name, value)
				}
			}
			got := ""
			behindProxies(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = r.RemoteAddr
				if r.Header.Get("Forwarded")+r.Header.Get("X-Forwarded-For") != "" {
					t.Error("the headers are passed on")
				}
			}), trusted).ServeHTTP(httptest.NewRecorder(), r)
			if got != test.want {
				t.Errorf("from %s, want %s", got, test.want)
			}
		})
	}
}

// TestPlainBeforeTheProxy: a page asked for over plain HTTP is sent on, a form is not sent twice.
func TestPlainBeforeTheProxy(t *testing.T) {
	served := func(method, peer, name, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://havre.test/f/A%2FB?x=1", nil)
		r.RemoteAddr = peer
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		behindProxies(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }), networks(t, "10.0.0.0/8")).ServeHTTP(w, r)
		return w
	}
	for _, header := range [][2]string{{"X-Forwarded-Proto", "https, http"}, {"Forwarded", "for=192.0.2.1;proto=HTTP"}} {
		w := served(http.MethodGet, "10.0.0.1:1", header[0], header[1])
		if at := w.Header().Get("Location"); w.Code != http.StatusPermanentRedirect || at != "https://havre.test/f/A%2FB?x=1" {
			t.Errorf("%v leads to %q, %d", header, at, w.Code)
		}
	}
	for _, test := range [][4]string{
		{http.MethodPost, "10.0.0.1:1", "X-Forwarded-Proto", "http"},
		{http.MethodGet, "10.0.0.1:1", "X-Forwarded-Proto", "https"},
		{http.MethodGet, "192.0.2.1:1", "X-Forwarded-Proto", "http"},
		{http.MethodGet, "10.0.0.1:1", "Forwarded", "proto=https"},
	} {
		if w := served(test[0], test[1], test[2], test[3]); w.Code != http.StatusTeapot {
			t.Errorf("%v: %d", test, w.Code)
		}
	}
}

// FuzzForwarded: whatever a header says, the address is a valid one, that of the proxy or one that is named.
func FuzzForwarded(f *testing.F) {
	f.Add("203.0.113.7, 10.0.0.1", `for="[2001:db8::7]:443";proto=https, for=unknown`)
	f.Add(",,,", `for=;;=,"`)
	f.Add("::ffff:1.2.3.4", `for="_hidden\"x", For=192.0.2.60`)
	trusted := networks(f, "10.0.0.0/8")
	peer := netip.MustParseAddr("10.0.0.2")
	f.Fuzz(func(t *testing.T, xff, fwd string) {
		h := http.Header{}
		if xff != "" {
			h.Set("X-Forwarded-For", xff)
		}
		if fwd != "" {
			h.Set("Forwarded", fwd)
		}
		plainBefore(h)
		at := origin(h, peer, trusted)
		if !at.IsValid() || at.Zone() != "" {
			t.Fatalf("from %v", at)
		}
		named := append(forwardedFor([]string{xff}), forwarded([]string{fwd})...)
		found := at == peer
		for _, a := range named {
			found = found || a == at
		}
		if !found {
			t.Fatalf("%v is named nowhere", at)
		}
	})
}
