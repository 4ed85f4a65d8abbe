package source_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/sourcetest"
)

// What the simulation is made of.
const (
	simInstances = 10
	simNotes     = 100 // of each
	simEvery     = 8 * time.Hour
	simLength    = 32 * time.Hour
)

// memoryTarget keeps the text of the last good copy of each document, and checks that it was the document's at some time.
type memoryTarget struct {
	t  *testing.T
	mu sync.Mutex // guards what follows
	// texts are by address.
	texts map[string]string
	kept  int
}

func (m *memoryTarget) Complete(*source.Item) bool { return true }

func (m *memoryTarget) Save(_ context.Context, item *source.Item, c *source.Copy) (source.Saved, error) {
	r, err := c.Files[0].Open()
	if err != nil {
		return source.Saved{}, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return source.Saved{}, err
	}
	if !strings.HasPrefix(string(text), item.Address.Name+"\n") || !strings.HasSuffix(string(text), "\nend") {
		m.t.Errorf("saved for %s: %q", item.Address.URL, text)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	written := m.texts[item.Address.URL] != string(text)
	m.texts[item.Address.URL] = string(text)
	return source.Saved{Name: item.Address.Name, Written: written}, nil
}

func (m *memoryTarget) Keep(context.Context, *source.Item, *source.Copy) (source.Saved, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept++
	return source.Saved{}, nil
}

// simulation is the queue of all notes.
type simulation struct {
	source.JobList
	t      *testing.T
	client *source.Client
	target *memoryTarget

	mu      sync.Mutex // guards what follows, and items of jobs that are not taken
	items   map[string]*source.Item
	checks  map[string]int
	longest map[string]time.Duration // between two results, by instance
}

func (s *simulation) Work(ctx context.Context, job source.Job) error {
	s.mu.Lock()
	item := s.items[job.ID]
	before := item.History.Checked
	s.mu.Unlock()
	_, err := source.Check(ctx, s.client, sourcetest.Provider{}, source.Secrets{}, s.target, item)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks[job.ID]++
	if !before.IsZero() {
		s.longest[job.Instance] = max(s.longest[job.Instance], time.Since(before))
	}
	s.Put(job, source.Next(item.History, time.Now(), job.ID))
	return nil
}

// simInstance is an instance that misbehaves in its own way.
type simInstance struct {
	*sourcetest.Instance
	host   string
	random *rand.Rand
	window *window // its limit, or nil

	healed    atomic.Bool
	now, most atomic.Int64
	mu        sync.Mutex // guards random
}

func (i *simInstance) chance(p float64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.random.Float64() < p
}

func (i *simInstance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.most.Store(max(i.most.Load(), i.now.Add(1)))
	defer i.now.Add(-1)
	if i.window != nil {
		answer := &recorder{header: http.Header{}}
		i.window.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.header)
		if answer.status != 0 {
			w.WriteHeader(answer.status)
			return
		}
		if r.Context().Err() != nil {
			return // it hung until the client gave up
		}
	}
	i.Instance.ServeHTTP(w, r)
}

// recorder keeps a status and headers.
type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }

// misbehaviours are what instances do, one each.
var misbehaviours = map[int]func(i *simInstance) func(w http.ResponseWriter, r *http.Request) bool{
	// 0 and 1 are well.
	2: func(*simInstance) func(http.ResponseWriter, *http.Request) bool { // slow
		return func(http.ResponseWriter, *http.Request) bool { time.Sleep(20 * time.Second); return false }
	},
	3: func(i *simInstance) func(http.ResponseWriter, *http.Request) bool { // 10 in 90 s, then 429
		i.window = &window{limit: 10, length: 90 * time.Second}
		return nil
	},
	4: func(i *simInstance) func(http.ResponseWriter, *http.Request) bool { // 10 in 90 s, then silence
		i.window = &window{limit: 10, length: 90 * time.Second, hang: true}
		return nil
	},
	5: func(i *simInstance) func(http.ResponseWriter, *http.Request) bool { // error pages with status 200, emptied notes
		return func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case i.chance(0.2):
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, "<h1>Maintenance</h1>")
			case r.Header.Get("If-None-Match") != "" && i.chance(0.1): // there is a copy
				w.Header().Set("Content-Type", "text/plain")
			default:
				return false
			}
			return true
		}
	},
	6: func(i *simInstance) func(http.ResponseWriter, *http.Request) bool { // cut answers
		return func(w http.ResponseWriter, r *http.Request) bool {
			if i.chance(0.3) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, strings.TrimPrefix(r.URL.Path, "/n/")+"\ncut")
				return true
			}
			return false
		}
	},
	7: func(i *simInstance) func(http.ResponseWriter, *http.Request) bool { // often 502
		return func(w http.ResponseWriter, _ *http.Request) bool {
			if i.chance(0.3) {
				w.WriteHeader(http.StatusBadGateway)
				return true
			}
			return false
		}
	},
	8: func(i *simInstance) func(http.ResponseWriter, *http.Request) bool { // asks for pauses
		return func(w http.ResponseWriter, _ *http.Request) bool {
			if i.chance(0.05) {
				w.Header().Set("Retry-After", "300")
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
	},
	// 9 goes away for a day.
}

// TestSimulation looks after a thousand documents on ten instances, of which eight misbehave, for 32 hours: budgets are
// kept, nothing is starved, nothing lost.
func TestSimulation(t *testing.T) {
	inBubble(t, func(t *testing.T, n *sourcetest.Network) {
		defer n.Close()
		random := rand.New(rand.NewPCG(4, 2026))
		c := n.Client(source.ClientOptions{PerSecond: 2})
		defer c.CloseIdle()
		s := &simulation{
			t: t, client: c, target: &memoryTarget{t: t, texts: map[string]string{}},
			items: map[string]*source.Item{}, checks: map[string]int{}, longest: map[string]time.Duration{},
		}
		var instances []*simInstance
		text := map[string]string{}
		write := func(i *simInstance, name string) {
			text[i.host+name] = fmt.Sprintf("%s\n%d\nend", name, random.Int())
			i.Set(name, text[i.host+name])
		}
		now := time.Now()
		for k := range simInstances {
			i := &simInstance{Instance: sourcetest.NewInstance(), host: fmt.Sprintf("i%d.example", k), random: rand.New(rand.NewPCG(1, uint64(k)))}
			if f := misbehaviours[k]; f != nil {
				if before := f(i); before != nil {
					i.Before = func(w http.ResponseWriter, r *http.Request) bool { return !i.healed.Load() && before(w, r) }
				}
			}
			instances = append(instances, i)
			n.Serve(i.host, i)
			for j := range simNotes {
				name := fmt.Sprintf("n%d", j)
				write(i, name)
				item := note(i.host, name)
				item.History.Every = simEvery
				s.items[item.Address.URL] = item
				s.Put(source.Job{ID: item.Address.URL, Instance: item.Address.Instance}, now)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var scheduler sync.WaitGroup
		scheduler.Go(func() {
			if err := source.NewScheduler(s, c, source.SchedulerOptions{}).Run(ctx); err != nil {
				t.Error(err)
			}
		})
		away := instances[9]
		for hour := range int(simLength / time.Hour) {
			time.Sleep(time.Hour)
			if hour == 6 {
				n.Remove(away.host)
			}
			if hour == 20 {
				n.Serve(away.host, away)
			}
			for range 40 {
				write(instances[random.IntN(simInstances)], fmt.Sprintf("n%d", random.IntN(simNotes)))
			}
		}
		s.fair(instances)
		// Nobody writes any more, and all are well again.
		for _, i := range instances {
			i.healed.Store(true)
		}
		time.Sleep(28 * time.Hour)
		stop()
		scheduler.Wait()
		for _, i := range instances {
			for j := range simNotes {
				name := fmt.Sprintf("n%d", j)
				url := "http://" + i.host + "/n/" + name
				if got, want := s.target.texts[url], text[i.host+name]; got != want {
					t.Errorf("%s: saved is %q, and it is %q; %+v", url, got, want, s.items[url].Last)
				}
			}
			if i.most.Load() > 2 {
				t.Errorf("%s had %d requests at once", i.host, i.most.Load())
			}
			if i.window != nil && i.window.exceeded > 0 {
				t.Errorf("%s: its limit was exceeded %d times", i.host, i.window.exceeded)
			}
		}
		if s.target.kept == 0 {
			t.Error("no emptied note was kept apart")
		}
	})
}

// fair checks that no document waited for those of others.
func (s *simulation) fair(instances []*simInstance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, i := range instances {
		url := "http://" + i.host
		fewest := 1 << 30
		for id, item := range s.items {
			if item.Address.Instance == url {
				fewest = min(fewest, s.checks[id])
			}
		}
		// 32 hours are four checks, of which one may just be due; an instance that was away is tried less and less.
		if least := map[bool]int{true: 4, false: 2}[k != 9]; fewest < least {
			s.t.Errorf("%s: a document was looked at %d times only", i.host, fewest)
		}
		if k != 9 && s.longest[url] > simEvery*3/2 {
			s.t.Errorf("%s: a document waited for %v", i.host, s.longest[url])
		}
		s.t.Logf("%s: at least %d checks, %d requests, longest pause %v", i.host, fewest, i.Requests.Load(), s.longest[url].Round(time.Minute))
	}
}
