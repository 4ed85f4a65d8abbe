package socket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/havre-cloud/havre/internal/source/etherpad/etherpadtest"
	"github.com/havre-cloud/havre/internal/source/etherpad/socket"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

// A bubble fails when a goroutine is left behind, so that every test here is one for leaks.
func bubble(t *testing.T, test func(t *testing.T, n *sourcetest.Network, o socket.Options)) {
	synctest.Test(t, func(t *testing.T) {
		n := sourcetest.NewNetwork(t)
		defer n.Close()
		root, err := url.Parse("http://pads.example.org/sub")
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DialContext: n.Dial}}
		defer client.CloseIdleConnections()
		test(t, n, socket.Options{Root: root, Do: client.Do, Client: client})
	})
}

// below serves a fake Etherpad below a path.
func below(n *sourcetest.Network) etherpadtest.Network { return prefixed{n} }

type prefixed struct{ *sourcetest.Network }

func (p prefixed) Serve(host string, h http.Handler) {
	p.Network.Serve(host, http.StripPrefix("/sub", h))
}

func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		version   string
		noPolling bool
		engine    int
	}{{"1.8.14", false, 3}, {"1.8.14", true, 3}, {"2.5.3", false, 4}, {"2.5.3", true, 4}} {
		t.Run(fmt.Sprint(tc.version, " without polling: ", tc.noPolling), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *sourcetest.Network, o socket.Options) {
				s := etherpadtest.NewFakeOn(below(n), "pads.example.org", etherpadtest.FakeOptions{Version: tc.version, NoPolling: tc.noPolling})
				defer s.Kill()
				c, err := socket.Dial(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if c.Engine() != tc.engine {
					t.Errorf("engine.io %d, want %d", c.Engine(), tc.engine)
				}
				time.Sleep(time.Hour) // the heartbeats go on, of both sides
				if err := c.Err(); err != nil {
					t.Fatal(err)
				}
				ready := map[string]any{"component": "pad", "type": "CLIENT_READY", "padId": "x", "token": "t.abcdefghijklmnopqrst", "protocolVersion": 2}
				if err := c.Emit(t.Context(), 7, "message", ready); err != nil {
					t.Fatal(err)
				}
				first := <-c.Events()
				if first.Type != socket.Event || !strings.Contains(string(first.Data), "CLIENT_VARS") {
					t.Errorf("the answer is %c %s", first.Type, first.Data)
				}
				if tc.engine == 4 { // older servers answer no numbers
					if got := <-c.Events(); got.Type != socket.Answer || got.Number != 7 {
						t.Errorf("the answer to the number is %+v", got)
					}
				}
			})
		})
	}
}

// script is a server that sends packets, and then either ends or is silent.
func script(end bool, packets ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		read := make(chan struct{})
		go func() { // the network of these tests keeps nothing: each side has to read while it writes
			defer close(read)
			for {
				if _, _, err := ws.Read(context.Background()); err != nil {
					return
				}
			}
		}()
		defer func() {
			ws.CloseNow()
			<-read
		}()
		for _, p := range packets {
			if ws.Write(context.Background(), websocket.MessageText, []byte(p)) != nil {
				return
			}
		}
		if !end {
			<-read
		}
	})
}

const (
	open4 = `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}`
	open3 = `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`
)

func TestEnds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		version int
		server  http.Handler
		dial    bool // it fails before it is open
		want    error
	}{
		{name: "silent, of engine 4", version: 4, server: script(false, open4, "40"), want: socket.ErrSilent},
		{name: "silent, of engine 3", version: 3, server: script(false, open3, "40"), want: socket.ErrSilent},
		{name: "closes", version: 4, server: script(false, open4, "40", "1"), want: io.EOF},
		{name: "leaves the namespace", version: 4, server: script(false, open4, "40", "41"), want: io.EOF},
		{name: "ends", version: 4, server: script(true, open4, "40")},
		{name: "an unknown packet", version: 4, server: script(false, open4, "40", "9")},
		{name: "a damaged event", version: 4, server: script(false, open4, "40", `42["message",{`)},
		{name: "more than the limit", version: 4, server: script(false, open4, "40", `42["`+strings.Repeat("x", 5000)+`"]`)},
		{name: "refuses the namespace", version: 4, server: script(false, open4, `44{"message":"no"}`), dial: true},
		{name: "opens nothing", version: 4, server: script(false, `{"code":5}`), dial: true},
		{name: "says nothing", version: 4, server: script(false), dial: true},
		{name: "no WebSocket", version: 4, server: http.NotFoundHandler(), dial: true},
		{name: "no engine.io", server: http.NotFoundHandler(), dial: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *sourcetest.Network, o socket.Options) {
				n.Serve("pads.example.org", tc.server)
				o.Version, o.MaxMessage = tc.version, 4096
				c, err := socket.Dial(t.Context(), o)
				if tc.dial {
					if err == nil {
						t.Error("it opened")
						c.Close()
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				for range c.Events() {
					t.Error("an event came")
				}
				if err := c.Err(); err == nil || tc.want != nil && !errors.Is(err, tc.want) {
					t.Errorf("it ended with %v, want %v", err, tc.want)
				}
				if d := time.Since(begun); d > time.Minute {
					t.Errorf("it ended after %v", d)
				}
				if err := c.Emit(t.Context(), -1, "message"); err == nil {
					t.Error("it takes messages still")
				}
				c.Close()
			})
		})
	}
}

// A server says how much it takes; more would end the connection.
func TestEmitTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T, n *sourcetest.Network, o socket.Options) {
		n.Serve("pads.example.org", script(false, open4, "40"))
		o.Version = 4
		c, err := socket.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Emit(t.Context(), -1, "message", strings.Repeat("x", 100)); err == nil {
			t.Error("it was sent")
		}
		if err := c.Emit(t.Context(), -1, "message", "x"); err != nil {
			t.Error(err)
		}
	})
}

// Nobody has to take the events before the connection is closed.
func TestCloseWithEvents(t *testing.T) {
	bubble(t, func(t *testing.T, n *sourcetest.Network, o socket.Options) {
		packets := []string{open4, "40"}
		for range 500 {
			packets = append(packets, `42["message",1]`)
		}
		n.Serve("pads.example.org", script(false, packets...))
		o.Version = 4
		c, err := socket.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.Close()
		if err := c.Err(); !errors.Is(err, socket.ErrClosed) {
			t.Errorf("it ended with %v", err)
		}
	})
}
