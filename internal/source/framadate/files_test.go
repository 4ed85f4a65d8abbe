package framadate_test

import (
	"bytes"
	"encoding/csv"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source/framadate"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string) *framadate.Poll {
	t.Helper()
	data, err := os.ReadFile("testdata/golden/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := framadate.ReadPoll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestGolden makes all files of the JSON alone, the same to the byte as ever. A difference that is meant needs a new
// renderVersion, and -update.
func TestGolden(t *testing.T) {
	for _, name := range []string{"dates", "choices", "hidden"} {
		for _, f := range framadate.Files(golden(t, name)) {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			path := "testdata/golden/" + name + f.Ext
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s differs (-want +got):\n%s", path, diff)
			}
		}
	}
}

// TestSheet reads the CSV as a spreadsheet does.
func TestSheet(t *testing.T) {
	data := golden(t, "dates").CSV()
	text, marked := strings.CutPrefix(string(data), "\ufeff")
	if !marked {
		t.Error("spreadsheets will not know that it is UTF-8")
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 6 || records[2][0] != "Dupont, Jean" || records[5][0] != "'=SUM(A1) 日本" || records[2][5] != "unanswered" || records[0][6] != "2026-12-31 10:00-12:00" {
		t.Errorf("%q", records)
	}
	for _, record := range records {
		for _, field := range record {
			if field != "" && strings.ContainsRune("=+-@", rune(field[0])) {
				t.Errorf("%q is a formula", field)
			}
		}
	}
}

// TestCalendar reads the events back.
func TestCalendar(t *testing.T) {
	p := golden(t, "dates")
	calendar, err := ics.ParseCalendar(bytes.NewReader(p.Calendar()))
	if err != nil {
		t.Fatal(err)
	}
	events := calendar.Events()
	if len(events) != 8 {
		t.Fatalf("%d events", len(events))
	}
	at := func(text string) time.Time {
		t.Helper()
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for i, want := range map[int][2]string{
		0: {"2026-12-14T09:00:00+01:00", "2026-12-14T10:00:00+01:00"}, 5: {"2026-12-31T10:00:00+01:00", "2026-12-31T12:00:00+01:00"}, 6: {"2026-12-31T20:00:00+01:00", "2026-12-31T21:00:00+01:00"},
	} {
		start, errStart := events[i].GetStartAt()
		end, errEnd := events[i].GetEndAt()
		if errStart != nil || errEnd != nil || !start.Equal(at(want[0])) || !end.Equal(at(want[1])) {
			t.Errorf("event %d is from %v to %v, want %v", i, start, end, want)
		}
	}
	for i, all := range []bool{2: true, 3: true, 7: true} {
		if day := events[i].GetProperty(ics.ComponentPropertyDtStart).ICalParameters["VALUE"]; (len(day) == 1 && day[0] == "DATE") != all {
			t.Errorf("event %d is a whole day: %v", i, day)
		}
	}
	best := 0
	for _, event := range events {
		if event.GetProperty(ics.ComponentPropertyCategories) != nil {
			best++
		}
	}
	if best != 3 {
		t.Errorf("%d events are the best", best)
	}

	// Where the zone is not known, times float.
	for i := range p.Options {
		p.Options[i].Offset = ""
	}
	if text := string(p.Calendar()); !strings.Contains(text, "DTSTART:20261214T090000\r\n") {
		t.Error("a time without a zone is not written as one")
	}
	// An evening that ends after midnight.
	p.Options[0].Moment = "22h-2h"
	if text := string(p.Calendar()); !strings.Contains(text, "DTSTART:20261214T220000\r\nDTEND:20261215T020000\r\n") {
		t.Errorf("a night:\n%s", text)
	}
}

// TestHarmless reads a poll whose every text is an attack.
func TestHarmless(t *testing.T) {
	evil := `<script>alert(1)</script><img src=x onerror=alert(1)>"' javascript:alert(1)` + "\u0000\u0007"
	p := &framadate.Poll{
		Format: framadate.Format, Kind: framadate.Choices, URL: "javascript:alert(1)", ID: evil, Title: evil, Author: evil,
		Description: framadate.Text{HTML: evil + `<a href="javascript:alert(1)" onclick="x">a</a><style>x</style><iframe src="https://example.org"></iframe>`, Markdown: evil},
		Options:     []framadate.Option{{Label: evil, HTML: evil}},
		Voters:      []framadate.Voter{{Name: evil, Answers: []framadate.Answer{framadate.Yes}}},
		Comments:    []framadate.Comment{{Author: evil, Text: evil + "\n" + evil, Date: evil}},
	}
	p, err := framadate.ReadPoll(bytes.NewReader(p.JSON()))
	if err != nil {
		t.Fatal(err)
	}
	page := string(p.HTML())
	for _, bad := range []string{"<script", "<img", "onerror=alert(1)>\"' javascript", "<iframe", "onclick", "href=\"javascript", "<style>x"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if strings.Count(page, "<style") != 1 || !strings.Contains(page, "default-src 'none'") {
		t.Error("the page is not as it was meant")
	}
	if md := string(p.Markdown()); strings.Contains(md, "<script>") || strings.Contains(md, "](javascript") {
		t.Errorf("the Markdown runs:\n%s", md)
	}
}
