package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

func get(t testing.TB, ctx context.Context, c *source.Client, address string) (*http.Response, error) { //nolint:revive // t comes first in helpers of tests
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

func reason(err error) source.Reason {
	if e, ok := errors.AsType[*source.Error](err); ok {
		return e.Reason
	}
	return ""
}

// inBubble runs f with a network in memory and a fake clock.
func inBubble(t *testing.T, f func(t *testing.T, n *sourcetest.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := sourcetest.NewNetwork(t)
		f(t, n)
	})
}

// window is an Etherpad's limit: so many requests in a fixed window.
type window struct {
	mu       sync.Mutex
	limit    int
	length   time.Duration
	start    time.Time
	used     int
	exceeded int
	hang     bool // like 2.x, which does not answer any more
}

func (w *window) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	now := time.Now()
	if now.Sub(w.start) >= w.length {
		w.start, w.used = now, 0
	}
	w.used++
	over := w.used > w.limit
	rw.Header().Set("X-RateLimit-Limit", strconv.Itoa(w.limit))
	rw.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(w.limit-w.used, 0)))
	rw.Header().Set("X-RateLimit-Reset", strconv.FormatInt(w.start.Add(w.length).Add(time.Second-1).Unix(), 10))
	if over {
		w.exceeded++
	}
	w.mu.Unlock()
	if over && w.hang {
		<-r.Context().Done()
		return
	}
	if over {
		rw.Header().Set("Retry-After", "90")
		rw.WriteHeader(http.StatusTooManyRequests)
		return
	}
	fmt.Fprint(rw, "text")
}

func TestClientNeverExceedsTheInstancesLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		w := &window{limit: 10, length: 90 * time.Second}
		n.Serve("pads.example.org", w)
		c := n.Client(source.ClientOptions{MaxWait: time.Hour})
		defer c.CloseIdle()
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 10 {
					resp, err := get(t, t.Context(), c, "http://pads.example.org/p/x/export/txt")
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := source.ReadAll(resp, 100); err != nil {
						t.Error(err)
					}
				}
			})
		}
		begun := time.Now()
		group.Wait()
		if w.exceeded != 0 {
			t.Errorf("the limit was exceeded %d times", w.exceeded)
		}
		if took := time.Since(begun); took < 8*90*time.Second || took > 10*95*time.Second {
			t.Errorf("80 requests at 9 in 90 s took %v", took)
		}
	})
}

func TestClientReadsSilenceAsTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		w := &window{limit: 10, length: 90 * time.Second, hang: true}
		n.Serve("pads.example.org", w)
		c := n.Client(source.ClientOptions{HeaderTimeout: 20 * time.Second, MaxWait: time.Second})
		defer c.CloseIdle()
		for range 6 {
			resp, err := get(t, t.Context(), c, "http://pads.example.org/a")
			if err != nil {
				t.Fatal(err)
			}
			source.Drain(resp.Body)
		}
		w.mu.Lock()
		w.used = 10 // by someone else behind the same address
		w.mu.Unlock()
		_, err := get(t, t.Context(), c, "http://pads.example.org/a")
		if reason(err) != source.ReasonLimited {
			t.Fatalf("got %v, want limited", err)
		}
		e, _ := errors.AsType[*source.Error](err)
		if wait := time.Until(e.Until); wait < 60*time.Second || wait > 95*time.Second {
			t.Errorf("asked again after %v", wait)
		}
		if ready := c.Ready("http://pads.example.org"); !ready.Equal(e.Until) {
			t.Errorf("ready at %v, want %v", ready, e.Until)
		}
		time.Sleep(time.Until(e.Until))
		resp, err := get(t, t.Context(), c, "http://pads.example.org/a")
		if err != nil {
			t.Fatal(err)
		}
		source.Drain(resp.Body)
	})
}

func TestClientHonoursRetryAfter(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *sourcetest.Network) {
				defer n.Close()
				asked := 0
				n.Serve("a.example", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					asked++
					w.Header().Set("Retry-After", "600")
					w.WriteHeader(status)
				}))
				c := n.Client(source.ClientOptions{})
				defer c.CloseIdle()
				resp, err := get(t, t.Context(), c, "http://a.example/")
				if err != nil || resp.StatusCode != status {
					t.Fatal(resp, err)
				}
				source.Drain(resp.Body)
				_, err = get(t, t.Context(), c, "http://a.example/")
				e, ok := errors.AsType[*source.Error](err)
				if !ok || e.Reason != source.ReasonLimited || time.Until(e.Until) < 600*time.Second || asked != 1 {
					t.Errorf("got %v, asked %d times", err, asked)
				}
				// A new process knows it, too.
				again := n.Client(source.ClientOptions{Budgets: c.Budgets()})
				if _, err := get(t, t.Context(), again, "http://a.example/"); reason(err) != source.ReasonLimited {
					t.Errorf("after a restart: %v", err)
				}
			})
		})
	}
}

func TestClientBacksOffFromWhatDoesNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		attempts := 0
		for begun := time.Now(); time.Since(begun) < 24*time.Hour; {
			_, err := get(t, t.Context(), c, "http://down.example/")
			e, ok := errors.AsType[*source.Error](err)
			if !ok || e.Reason != source.ReasonDown || !time.Now().Before(e.Until) {
				t.Fatalf("got %#v", err)
			}
			attempts++
			time.Sleep(time.Until(e.Until))
		}
		if attempts < 6 || attempts > 14 {
			t.Errorf("%d attempts in a day", attempts)
		}
		n.Serve("down.example", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		resp, err := get(t, t.Context(), c, "http://down.example/")
		if err != nil {
			t.Fatal(err)
		}
		source.Drain(resp.Body)
		if len(c.Budgets()) != 0 {
			t.Errorf("it answered, yet %v", c.Budgets())
		}
	})
}

func TestClientBoundsConcurrencyAndRate(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		var now, most, count atomic.Int64
		n.Serve("a.example", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(100 * time.Millisecond)
			now.Add(-1)
			count.Add(1)
		}))
		c := n.Client(source.ClientOptions{PerSecond: 4, Burst: 4, Concurrent: 3})
		defer c.CloseIdle()
		begun := time.Now()
		var group sync.WaitGroup
		for range 44 {
			group.Go(func() {
				resp, err := get(t, t.Context(), c, "http://a.example/")
				if err != nil {
					t.Error(err)
					return
				}
				source.Drain(resp.Body)
			})
		}
		group.Wait()
		if most.Load() > 3 || count.Load() != 44 {
			t.Errorf("%d at once, %d in all", most.Load(), count.Load())
		}
		if took := time.Since(begun); took < 10*time.Second || took > 18*time.Second {
			t.Errorf("44 requests at 4 in a second took %v", took)
		}
	})
}

func TestClientEndsAnswersThatStall(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		n.Serve("a.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "beginning")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		resp, err := get(t, t.Context(), c, "http://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.ReadAll(resp, 1000); reason(err) != source.ReasonDown {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		resp, err = get(t, ctx, c, "http://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.ReadAll(resp, 1000); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestClientIntroducesItself(t *testing.T) {
	agents := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { agents <- r.UserAgent() }))
	defer server.Close()
	c := source.NewClient(source.ClientOptions{AllowPrivate: true, Version: "1.2", Contact: "ada@example.org\r\nX: y (z)"})
	defer c.CloseIdle()
	resp, err := get(t, t.Context(), c, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	source.Drain(resp.Body)
	if got, want := <-agents, "havre/1.2 (+ada@example.orgX: y z)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGuard(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	c := source.NewClient(source.ClientOptions{})
	for _, address := range []string{
		server.URL, "http://localhost" + port, "http://[::1]" + port, "http://[::ffff:127.0.0.1]" + port, "http://10.0.0.1/",
		"http://192.168.1.1/", "http://169.254.169.254/latest/meta-data", "http://100.64.1.1/", "http://224.0.0.1/", "http://0.0.0.0" + port,
		"http://[fe80::1]/", "http://[fd00::1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[::127.0.0.1]/",
		"http://2130706433" + port, "http://203.0.113.7/", "http://example.org:22/", "http://example.org:6379/", "http://[2001:0:1::1]/",
	} {
		resp, err := get(t, t.Context(), c, address)
		if err == nil {
			resp.Body.Close()
		}
		r := reason(err)
		if odd := strings.Contains(address, "2130706433"); r != source.ReasonForbidden && (!odd || r != source.ReasonDown) {
			t.Errorf("%s: %v", address, err)
		}
		u, _ := url.Parse(address)
		if conn, err := c.DialContext(t.Context(), "tcp", u.Host); err == nil {
			conn.Close()
			t.Errorf("a connection to %s", address)
		}
	}
	for _, address := range []string{"ftp://example.org/", "file:///etc/passwd", "http:///x", "http://example.org:99999/"} {
		if _, err := get(t, t.Context(), c, address); reason(err) != source.ReasonAddress {
			t.Errorf("%s: %v", address, err)
		}
	}
	allowed := source.NewClient(source.ClientOptions{AllowHosts: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	defer allowed.CloseIdle()
	resp, err := get(t, t.Context(), allowed, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	source.Drain(resp.Body)
}

func TestClientFollowsOnlyWhatIsAllowed(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		n.Serve("a.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/loop":
				http.Redirect(w, r, "/loop", http.StatusFound)
			case "/away":
				http.Redirect(w, r, "http://b.example/there", http.StatusFound)
			case "/inside":
				http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			}
		}))
		n.Serve("b.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Cookie"))
		}))
		c := n.Client(source.ClientOptions{})
		defer c.CloseIdle()
		follow := func(address string, allowed func(*url.URL) bool) (*http.Response, error) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
			req.Header.Set("Authorization", "secret")
			req.Header.Set("Cookie", "a=secret")
			return c.DoFollowing(req, allowed)
		}
		all := func(*url.URL) bool { return true }
		resp, err := follow("http://a.example/away", all)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := source.ReadAll(resp, 100); string(body) != "/there" || err != nil {
			t.Errorf("got %q %v", body, err)
		}
		resp, err = follow("http://a.example/loop", all)
		if err != nil || resp.StatusCode != http.StatusFound {
			t.Fatal(resp, err)
		}
		source.Drain(resp.Body)
		if _, err := follow("http://a.example/inside", all); reason(err) != source.ReasonForbidden {
			t.Errorf("got %v", err)
		}
		resp, err = follow("http://a.example/away", func(u *url.URL) bool { return u.Host == "a.example" })
		if err != nil || resp.StatusCode != http.StatusFound {
			t.Fatal(resp, err)
		}
		source.Drain(resp.Body)
	})
}

func TestBodiesAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		n.Serve("a.example", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/cut":
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, "short")
			default:
				io.CopyN(w, zeros{}, 1<<20)
			}
		}))
		dir := t.TempDir()
		c := n.Client(source.ClientOptions{TempDir: dir})
		defer c.CloseIdle()
		for path, want := range map[string]source.Reason{"/cut": source.ReasonDamaged, "/large": source.ReasonTooLarge} {
			resp, err := get(t, t.Context(), c, "http://a.example"+path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := source.ReadAll(resp, 100_000); reason(err) != want {
				t.Errorf("%s: %v", path, err)
			}
			resp, err = get(t, t.Context(), c, "http://a.example"+path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Spool(resp, 100_000); reason(err) != want {
				t.Errorf("%s: %v", path, err)
			}
		}
		resp, err := get(t, t.Context(), c, "http://a.example/large")
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Spool(resp, 1<<20)
		if err != nil || s.Size() != 1<<20 {
			t.Fatal(s, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
