package ethercalc_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/ethercalc"
	"github.com/havre-cloud/havre/internal/source/ethercalc/ethercalctest"
)

func client(t *testing.T) *source.Client {
	t.Helper()
	c := source.NewClient(source.ClientOptions{AllowPrivate: true, PerSecond: -1, Backoff: time.Millisecond})
	t.Cleanup(c.CloseIdle)
	return c
}

func document(root, name string) source.Document {
	return source.Document{Address: source.Address{Kind: source.KindEtherCalc, Instance: root, Name: name, URL: root + "/" + name}}
}

func fetch(t *testing.T, c *source.Client, d source.Document) *source.Copy {
	t.Helper()
	got, err := ethercalc.New().Fetch(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func read(t *testing.T, c *source.Copy, ext string) []byte {
	t.Helper()
	for _, f := range c.Files {
		if f.Ext == ext {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			data, err := io.ReadAll(r)
			if err != nil || int64(len(data)) != f.Size {
				t.Fatalf("%s: %d bytes, %d said, %v", ext, len(data), f.Size, err)
			}
			return data
		}
	}
	t.Fatalf("the copy has no %s", ext)
	return nil
}

func reason(t *testing.T, err error, want source.Reason) {
	t.Helper()
	var known *source.Error
	if !errors.As(err, &known) || known.Reason != want {
		t.Fatalf("the error is %v, want one of reason %q", err, want)
	}
}

// TestReal saves, watches, loses and brings back sheets and a book of a real EtherCalc.
func TestReal(t *testing.T) {
	c, server := client(t), ethercalctest.Start(t)
	t.Run("sheet", func(t *testing.T) { sheet(t, c, server) })
	t.Run("book", func(t *testing.T) { aBook(t, c, server) })
	t.Run("missing", func(t *testing.T) { missing(t, c, server) })
	if !server.Alive() {
		t.Error("the instance is dead")
	}
}

func sheet(t *testing.T, c *source.Client, server *ethercalctest.Server) {
	server.Put(t, "budget", "what,how much\npaper,12\nink,30\n")
	server.Command(t, "budget", "set B4 formula SUM(B2:B3)", "set A4 text t =cmd|calc", "set A5 text t \u00e9t\u00e9: a,b\\\\b", "set B5 value n 46000", "set B5 nontextvalueformat d-mmm-yyyy", "set B6 value n -5")
	d := document(server.URL, "budget")
	first := fetch(t, c, d)
	if csv := string(read(t, first, ".csv")); !strings.Contains(csv, "ink,30\r\n'=cmd|calc,42\r\n") || !strings.Contains(csv, ",-5") || !strings.Contains(csv, "9-Dec-2025") || !strings.HasPrefix(csv, "\ufeffwhat") {
		t.Errorf("CSV:\n%q", csv)
	}
	if page := string(read(t, first, ".html")); !strings.Contains(page, `<td class="n" title="=SUM(B2:B3)">42</td>`) || !strings.Contains(page, "été: a,b") {
		t.Errorf("HTML:\n%s", page)
	}
	f, err := excelize.OpenReader(bytes.NewReader(read(t, first, ".xlsx")))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at, want := range map[string]string{"A1": "what", "B3": "30", "B4": "42", "A4": "=cmd|calc", "B5": "9-Dec-2025", "B6": "-5"} {
		if got, err := f.GetCellValue("Sheet1", at); err != nil || got != want {
			t.Errorf("XLSX %s is %q, %v, want %q", at, got, err, want)
		}
		if formula, err := f.GetCellFormula("Sheet1", at); err != nil || formula != "" {
			t.Errorf("XLSX %s has the formula %q, %v", at, formula, err)
		}
	}
	second := fetch(t, c, d)
	for _, f := range first.Files {
		if !bytes.Equal(read(t, first, f.Ext), read(t, second, f.Ext)) {
			t.Errorf("%s differs between two copies of the same", f.Ext)
		}
	}
	d.State = first.State
	if again := fetch(t, c, d); !again.Unchanged || again.Summary != "11 cells" {
		t.Errorf("it changed: %v, %s", again.Unchanged, again.Summary)
	}
	server.Command(t, "budget", "set B2 value n 13")
	if changed := fetch(t, c, d); changed.Unchanged || changed.Suspect != "" {
		t.Errorf("a number more: %+v", changed)
	}
	server.Kill()
	_, err = ethercalc.New().Fetch(t.Context(), client(t), d)
	reason(t, err, source.ReasonDown)
	server.Restart(t)
	if back := fetch(t, client(t), d); back.Suspect != "" {
		t.Errorf("after a restart: %+v", back)
	}

	restored, err := ethercalc.New().Restore(t.Context(), c, at(t, server.URL+"/"), bytes.NewReader(read(t, first, ".socialcalc")), int64(len(read(t, first, ".socialcalc"))))
	if err != nil {
		t.Fatal(err)
	}
	if got := fetch(t, c, document(server.URL, restored.Address.Name)); !bytes.Equal(read(t, got, ".csv"), read(t, first, ".csv")) || !bytes.Equal(read(t, got, ".xlsx"), read(t, first, ".xlsx")) {
		t.Errorf("restored to %+v it differs:\n%s", restored, read(t, got, ".csv"))
	}
	_, err = ethercalc.New().Restore(t.Context(), c, at(t, server.URL+"/budget"), bytes.NewReader(read(t, first, ".socialcalc")), 1<<20)
	reason(t, err, source.ReasonExists)

	server.Command(t, "budget", "erase A1:C9 all")
	if empty := fetch(t, c, d); !strings.Contains(empty.Suspect, "11 cells are empty") {
		t.Errorf("emptied: %q", empty.Suspect)
	}
}

func aBook(t *testing.T, c *source.Client, server *ethercalctest.Server) {
	server.Put(t, "year", "#url,#title\n/year.1,Plan\n/year.2,It's: done\n/year.3,Empty\n")
	server.Put(t, "year.1", "task,days\nsail,3\n")
	server.Put(t, "year.2", "task\nmoor\n")
	server.Command(t, "year.2", "set B2 formula 'year.1'!B2*2")
	server.Await(t, "year.2", func(save string) bool { return strings.Contains(save, ":6:'year.1'!B2*2") })
	d := document(server.URL, "=year")
	first := fetch(t, c, d)
	if first.Title != "year" || first.Summary != "2 sheets, 7 cells" {
		t.Errorf("%+v", first)
	}
	f, err := excelize.OpenReader(bytes.NewReader(read(t, first, ".xlsx")))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names := f.GetSheetList(); len(names) != 2 || names[0] != "Plan" || names[1] != "It s  done" {
		t.Errorf("sheets %q", names)
	}
	if csv := string(read(t, first, ".2.csv")); !strings.HasPrefix(csv, "\ufefftask,\r\nmoor,") {
		t.Errorf("the second sheet is %q", csv)
	}
	d.State = first.State
	if again := fetch(t, c, d); !again.Unchanged {
		t.Errorf("it changed: %v, %s", again.Unchanged, again.Summary)
	}
	data := read(t, first, ".ethercalc")
	restored, err := ethercalc.New().Restore(t.Context(), c, at(t, server.URL+"/=next"), bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	got := fetch(t, c, document(server.URL, restored.Address.Name))
	if restored.Address.URL != server.URL+"/=next" || !bytes.Equal(read(t, got, ".1.csv"), read(t, first, ".1.csv")) || !strings.Contains(string(read(t, got, ".ethercalc")), `'next.1'!B2*2`) {
		t.Errorf("restored to %+v:\n%s", restored, read(t, got, ".ethercalc"))
	}
	_, err = ethercalc.New().Restore(t.Context(), c, at(t, server.URL+"/"), bytes.NewReader(data), int64(len(data)))
	reason(t, err, source.ReasonExists)
}

func missing(t *testing.T, c *source.Client, server *ethercalctest.Server) {
	before := server.Rooms(t)
	for _, name := range []string{"nothing", "=nothing", "=budget-of-none"} {
		_, err := ethercalc.New().Fetch(t.Context(), c, document(server.URL, name))
		reason(t, err, source.ReasonGone)
		_, err = ethercalc.New().Probe(t.Context(), c, source.Recognised{Address: document(server.URL, name).Address})
		reason(t, err, source.ReasonGone)
	}
	if r, err := ethercalc.New().Probe(t.Context(), c, source.Recognised{Address: document(server.URL, "budget").Address}); err != nil || r.Likelihood != source.Certain {
		t.Errorf("%+v, %v", r, err)
	}
	if after := server.Rooms(t); after != before {
		t.Errorf("rooms were made: %s, %s", before, after)
	}
}

func at(t *testing.T, address string) source.Recognised {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := ethercalc.At(u)
	if !ok {
		t.Fatalf("%s is no address of an instance", address)
	}
	return r
}

// TestRefusals: each bad answer is told apart from a sheet.
func TestRefusals(t *testing.T) {
	const good = "socialcalc:version:1.5\nContent-Type: multipart/mixed; boundary=X\n--X\n\npart:sheet\n--X\n\ncell:A1:t:a\n--X--"
	for name, test := range map[string]struct {
		status     int
		kind, body string
		want       source.Reason
	}{
		"a captive portal": {200, "text/html", "<html>hotel</html>", source.ReasonForeign},
		"another program":  {200, "text/plain", "hello", source.ReasonDamaged},
		"half a sheet":     {200, "text/plain", good[:len(good)-20], source.ReasonDamaged},
		"an error":         {503, "text/html", "", source.ReasonDown},
		"a limit":          {429, "text/html", "", source.ReasonLimited},
		"no such thing":    {404, "text/html", "<html>not found</html>", source.ReasonForeign},
		"elsewhere":        {302, "text/html", "", source.ReasonForeign},
		"forbidden":        {403, "text/html", "", source.ReasonPrivate},
		"another CSV":      {200, "text/plain", good, source.ReasonDamaged}, // the CSV is the same answer
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", test.kind)
			w.Header().Set("Location", "https://portal.example/")
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		}))
		_, err := ethercalc.New().Fetch(t.Context(), client(t), document(server.URL, "x"))
		var known *source.Error
		if !errors.As(err, &known) || known.Reason != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		server.Close()
	}
}

// TestXLSXHasNothingElse: no macros, no links to other files.
func TestXLSXHasNothingElse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/csv") {
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			_, _ = io.WriteString(w, "=cmd,1\n")
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "socialcalc:version:1.5\nContent-Type: multipart/mixed; boundary=X\n--X\n\npart:sheet\n--X\n\ncell:A1:t:=cmd\ncell:B1:vtf:n:1:WEBSERVICE(\"http\\c//x\")\n--X--")
	}))
	defer server.Close()
	data := read(t, fetch(t, client(t), document(server.URL, "x")), ".xlsx")
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(f.Name, "vba") || strings.Contains(f.Name, "external") || bytes.Contains(content, []byte("WEBSERVICE")) || bytes.Contains(content, []byte("<f>")) {
			t.Errorf("%s: %s", f.Name, content)
		}
	}
}
