package ethercalc

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/source"
)

const recorded = "socialcalc:version:1.0\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=SocialCalcSpreadsheetControlSave\n" +
	"--SocialCalcSpreadsheetControlSave\nContent-type: text/plain; charset=UTF-8\n\n# SocialCalc Spreadsheet Control Save\nversion:1.0\npart:sheet\npart:edit\npart:audit\n" +
	"--SocialCalcSpreadsheetControlSave\nContent-type: text/plain; charset=UTF-8\n\nversion:1.5\n" +
	"cell:A1:t:a\ncell:A2:v:1\ncell:B2:vtf:n:2:A2*2\ncell:A4:v:43831:ntvf:1\ncell:A6:t:a\\cb\\bc\\nd:f:1\ncell:AA10:vtc:nd:43831:1/1/2020\ncell:C1:f:2\n" +
	"sheet:c:2:r:6:tvf:2\nvalueformat:1:d-mmm-yyyy\nvalueformat:2:text-wiki\n" +
	"--SocialCalcSpreadsheetControlSave\nContent-type: text/plain; charset=UTF-8\n\nversion:1.0\nrowpane:0:1:1\ncolpane:0:1:1\necell:A1\n" +
	"--SocialCalcSpreadsheetControlSave\nContent-type: text/plain; charset=UTF-8\n\n--SocialCalcSpreadsheetControlSave--\n"

func TestSave(t *testing.T) {
	s, err := parseSave(recorded)
	if err != nil {
		t.Fatal(err)
	}
	want := []cell{
		{column: 1, row: 1, value: "a"},
		{column: 1, row: 2, number: true, value: "1"},
		{column: 2, row: 2, number: true, value: "2", formula: "A2*2"},
		{column: 1, row: 4, number: true, value: "43831", format: "d-mmm-yyyy"},
		{column: 1, row: 6, value: "a:b\\c\nd"},
		{column: 27, row: 10, number: true, value: "43831"},
	}
	if diff := cmp.Diff(want, s.cells, cmp.AllowUnexported(cell{})); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	for i := range len(recorded) - 2 {
		if _, err := parseSave(recorded[:i]); err == nil {
			t.Fatalf("the first %d bytes are taken for a whole sheet", i)
		}
	}
	moved, err := parseSave(recorded[:len(recorded)-250] + recorded[len(recorded)-250:])
	if err != nil || moved.content() != s.content() {
		t.Error("the same is another")
	}
	list, err := parseSave(textSheet([][]string{{"#url", "#title"}, {"/a.1", "One: \\ two"}, {"/a.2", "x"}, {"/a.1", "again"}, {"nothing else", ""}}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]listed{{"a.1", "One: \\ two"}, {"a.2", "x"}, {"nothing else", ""}}, list.list(), cmp.AllowUnexported(listed{})); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestRecognise(t *testing.T) {
	for given, want := range map[string]struct {
		likelihood     source.Likelihood
		instance, name string
		secret         string
	}{
		"https://lite.framacalc.org/9abc-budget":         {source.Certain, "https://lite.framacalc.org", "9abc-budget", ""},
		"https://lite.framacalc.org/=annee/":             {source.Certain, "https://lite.framacalc.org", "=annee", ""},
		"https://ethercalc.net/x.csv":                    {source.Certain, "https://ethercalc.net", "x", ""},
		"https://ethercalc.net/_/x/csv.json":             {source.Certain, "https://ethercalc.net", "x", ""},
		"https://ethercalc.net/x?auth=abc":               {source.Certain, "https://ethercalc.net", "x", "https://ethercalc.net/x?auth=abc"},
		"https://ethercalc.net/x/view":                   {source.Certain, "https://ethercalc.net", "x", ""},
		"https://calc.example.org/a%20b":                 {source.Possible, "https://calc.example.org", "a b", ""},
		"https://example.org/ethercalc/budget":           {source.Possible, "https://example.org/ethercalc", "budget", ""},
		"https://example.org/=budget":                    {source.Possible, "https://example.org", "=budget", ""},
		"https://example.org/budget":                     {},
		"https://lite.framacalc.org/":                    {},
		"https://lite.framacalc.org/_new":                {},
		"https://lite.framacalc.org/static/ethercalc.js": {},
		"mailto:a@example.org":                           {},
	} {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		r := New().Recognise(u)
		if r.Likelihood != want.likelihood || r.Address.Instance != want.instance || r.Address.Name != want.name || r.Secrets.Address.Reveal() != want.secret {
			t.Errorf("%s:\n got %d %+v %q\nwant %+v", given, r.Likelihood, r.Address, r.Secrets.Address.Reveal(), want)
		}
	}
}

// FuzzSave: no save does harm, and every file can be made of it.
func FuzzSave(f *testing.F) {
	f.Add(recorded)
	f.Add(textSheet([][]string{{"#url", "#title"}, {"/a.1", "x"}}))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSave(text)
		if err != nil {
			return
		}
		s.list()
		r := &room{name: "x", save: s, rows: [][]string{{"a", "1"}, {"=b"}}}
		r.agrees()
		if len(s.cells) > 200 {
			return
		}
		if _, err := files(&book{name: "x", rooms: []*room{r}}); err != nil {
			t.Fatal(err)
		}
		again, err := parseSave(s.text)
		if err != nil || again.content() != s.content() {
			t.Errorf("read again it is another: %v", err)
		}
	})
}

func TestAt(t *testing.T) {
	for given, want := range map[string][2]string{
		"https://calc.example.org":               {"https://calc.example.org", ""},
		"https://calc.example.org/":              {"https://calc.example.org", ""},
		"https://Example.org/ethercalc":          {"https://example.org/ethercalc", ""},
		"https://example.org/sheets-of-us/":      {"https://example.org/sheets-of-us", ""},
		"https://calc.example.org/budget":        {"https://calc.example.org", "budget"},
		"https://example.org/ethercalc/=year":    {"https://example.org/ethercalc", "=year"},
		"https://example.org/ethercalc/a%20room": {"https://example.org/ethercalc", "a room"},
	} {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := At(u); !ok || r.Address.Instance != want[0] || r.Address.Name != want[1] {
			t.Errorf("%s is %+v, %v, want %q", given, r.Address, ok, want)
		}
	}
}
