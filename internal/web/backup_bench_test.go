package web

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad"
)

// BenchmarkReplay shows moments of a pad of 100,000 revisions: the text, and the time line with its bars.
func BenchmarkReplay(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	p := newPad(b, "large", time.Now().Add(-300*24*time.Hour))
	authors := []string{padMaelle, padYannick, padAicha, padUnnamed}
	for _, a := range authors {
		p.author(a, "")
	}
	for p.head < 100_000 {
		p.now = p.now.Add(time.Duration(200+r.IntN(3000)) * time.Millisecond)
		if r.IntN(500) == 0 {
			p.now = p.now.Add(20 * time.Hour)
		}
		at := r.IntN(len(p.plain))
		if len(p.plain) > 60_000 {
			p.remove(authors[r.IntN(4)], min(at, len(p.plain)-60), 40)
			continue
		}
		p.insert(authors[r.IntN(4)], at, "mot ")
	}
	file := p.file()
	start := time.Now()
	doc, err := etherpad.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		b.Fatal(err)
	}
	tr := padTrack(doc)
	opened := time.Since(start)
	all, err := loadTexts(content)
	if err != nil {
		b.Fatal(err)
	}
	x := &exchange{s: &Server{texts: all}, lang: "fr", zone: time.UTC, now: time.Now(), r: httptest.NewRequest(http.MethodGet, "/", nil)}
	for b.Loop() {
		rev := r.IntN(doc.Head())
		x.newReplayLine(tr, rev)
		m, err := padMomentOf(doc, rev)
		if err != nil {
			b.Fatal(err)
		}
		padTextOf(m, func(string) (string, string) { return "au au1", "x" }, "")
	}
	b.ReportMetric(opened.Seconds(), "s/open")
}
