package framadate

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/framadate/framadatetest"
)

// pages are those of a server in several versions, as seeds.
func pages(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, version := range []framadatetest.Version{framadatetest.V0_9, framadatetest.V1_0, framadatetest.V1_1_19} {
		server := framadatetest.New(f, framadatetest.Options{Version: version})
		for _, p := range []*framadatetest.Poll{server.Add(framadatetest.SampleDates()), server.Add(framadatetest.SampleChoices())} {
			for _, address := range []string{server.Poll(p), server.Administration(p), server.Edit(p, p.Votes[0].Uniq), server.URL + "/nothing", server.URL + "/maintenance.php"} {
				rec := httptest.NewRecorder()
				server.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, address, nil))
				all = append(all, rec.Body.Bytes())
			}
		}
	}
	return all
}

// FuzzPage: no page does harm, and what is read of one survives being written and read again.
func FuzzPage(f *testing.F) {
	for _, data := range pages(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePage(data)
		if err != nil || p.kind != pagePoll {
			return
		}
		p.resolve(nil)
		q := &p.poll
		q.clean()
		q.finish()
		for _, file := range Files(q) {
			r, err := file.Open()
			if err != nil {
				t.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, r); err != nil || n != file.Size {
				t.Fatalf("%s: %d bytes of %d, %v", file.Ext, n, file.Size, err)
			}
		}
		again, err := ReadPoll(bytes.NewReader(q.JSON()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.JSON(), q.JSON()) {
			t.Errorf("read again it is another:\n%s\n%s", q.JSON(), again.JSON())
		}
		s := newState(p)
		if back, err := readState(s.json()); err != nil || suspicion(back, s, q) != "" {
			t.Errorf("it is suspicious of itself: %v", err)
		}
	})
}

// FuzzSheet: the CSV of an instance.
func FuzzSheet(f *testing.F) {
	names, err := filepath.Glob("testdata/framadate-1.1.19/*.csv")
	if err != nil || len(names) == 0 {
		f.Fatal("no samples", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, true)
		f.Add(data, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, dates bool) {
		kind := Choices
		if dates {
			kind = Dates
		}
		s, err := parseSheet(data, kind)
		if err != nil {
			return
		}
		if len(s.names) != len(s.cells) || len(s.dates) != len(s.moments) {
			t.Errorf("%d names, %d lines; %d dates, %d moments", len(s.names), len(s.cells), len(s.dates), len(s.moments))
		}
	})
}

// FuzzPoll: the JSON of a file that someone may have changed.
func FuzzPoll(f *testing.F) {
	for _, name := range []string{"dates", "choices", "hidden"} {
		data, err := os.ReadFile("testdata/golden/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ReadPoll(bytes.NewReader(data))
		if err != nil {
			return
		}
		Files(p)
		again, err := ReadPoll(bytes.NewReader(p.JSON()))
		if err != nil || !bytes.Equal(again.JSON(), p.JSON()) {
			t.Errorf("read again it is another (%v):\n%s\n%s", err, p.JSON(), again.JSON())
		}
	})
}

// FuzzAddress: what is recognised can be asked for, and its secrets are nowhere in what is shown.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"https://framadate.org/AbCdEfGhIjKlMnOp", "https://framadate.org/AbCdEfGhIjKlMnOpQrStUvWx/admin", "https://framadate.org/mon-sondage-perso",
		"https://x.example/date/studs.php?poll=abc&vote=ABCDEFGHIJKLMNOP", "https://x.example/adminstuds.php?poll=AbCdEfGhIjKlMnOpQrStUvWx", "http://u:p@date.example:80/A/vote/ABCDEFGHIJKLMNOP#edit",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		r := New().Recognise(u)
		if r.Likelihood == source.Unlikely {
			return
		}
		again, err := url.Parse(r.Address.URL)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", text, r.Address.URL, err)
		}
		if p, ok := takeApart(again); !ok || p.root != r.Address.Instance || p.id != r.Address.Name {
			t.Errorf("%q becomes %+v, which is %+v", text, r.Address, p)
		}
	})
}
