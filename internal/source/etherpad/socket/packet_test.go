package socket

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePacket(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     Packet
		bad      bool
	}{
		{name: "connected by an old server", in: `0`, want: Packet{Type: Connect, Namespace: "/", Number: -1}},
		{name: "connected", in: `0{"sid":"x"}`, want: Packet{Type: Connect, Namespace: "/", Number: -1, Data: []byte(`{"sid":"x"}`)}},
		{name: "another namespace", in: `0/settings`, want: Packet{Type: Connect, Namespace: "/settings", Number: -1}},
		{name: "event", in: `2["message",{"a":1}]`, want: Packet{Type: Event, Namespace: "/", Number: -1, Data: []byte(`["message",{"a":1}]`)}},
		{name: "event that wants an answer", in: `2/a,12["x"]`, want: Packet{Type: Event, Namespace: "/a", Number: 12, Data: []byte(`["x"]`)}},
		{name: "answer", in: `31[null,1]`, want: Packet{Type: Answer, Namespace: "/", Number: 1, Data: []byte(`[null,1]`)}},
		{name: "refused", in: `4{"message":"no"}`, want: Packet{Type: ConnectError, Namespace: "/", Number: -1, Data: []byte(`{"message":"no"}`)}},
		{name: "nothing", in: ``, bad: true},
		{name: "binary", in: `51-["x",{"_placeholder":true,"num":0}]`, bad: true},
		{name: "event without content", in: `2`, bad: true},
		{name: "event that is no array", in: `2{"a":1}`, bad: true},
		{name: "cut", in: `2["message",{"a"`, bad: true},
		{name: "large number", in: `299999999999999999999["x"]`, bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParsePacket([]byte(tc.in))
			if (err != nil) != tc.bad {
				t.Fatalf("error %v, want one: %v", err, tc.bad)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVersionOf(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     int
	}{
		{"etherpad 1.8.14", `97:0{"sid":"-0KlISDDRitZGUtJAAAR","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}2:40`, 3},
		{"etherpad 2.5.3", `0{"sid":"yGDcTxhKmmbt0DMyAAAi","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":50000}`, 4},
		{"a version that is not spoken", `{"code":5,"message":"Unsupported protocol version"}`, 0},
		{"a page", `<!doctype html><title>x:0{</title>`, 0},
		{"a heartbeat in every microsecond", `0{"sid":"x","pingInterval":0,"pingTimeout":0}`, 0},
		{"nothing", ``, 0},
		{"a length beyond the end", `9999:0{"sid":"x"}`, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := versionOf([]byte(tc.in)); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}

func FuzzPacket(f *testing.F) {
	for _, s := range []string{`0`, `0{"sid":"x"}`, `2["message",{"type":"CLIENT_VARS"}]`, `2/a,12["x"]`, `31[null]`, `4{"message":"no"}`, `1/x`, `2007["a"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		p, err := ParsePacket(s)
		if err != nil {
			return
		}
		out := p.Append(nil)
		again, err := ParsePacket(out)
		if err != nil {
			t.Fatalf("%q was read, but not what was written of it, %q: %v", s, out, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatal(diff)
		}
		if p.Type == Event || p.Type == Answer {
			if _, err := p.Args(); err != nil {
				t.Fatalf("%q: %v", s, err)
			}
		}
	})
}

func FuzzVersionOf(f *testing.F) {
	f.Add([]byte(`97:0{"sid":"-0KlISDDRitZGUtJAAAR","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}2:40`))
	f.Add([]byte(`0{"sid":"x","pingInterval":25000,"pingTimeout":20000,"maxPayload":50000}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if v := versionOf(body); v != 0 && !bytes.Contains(body, []byte("0{")) {
			t.Fatalf("version %d of %q", v, body)
		}
	})
}
