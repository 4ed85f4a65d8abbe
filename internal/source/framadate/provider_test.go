package framadate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/internal/source/framadate"
	"github.com/havre-cloud/havre/internal/source/framadate/framadatetest"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func client(t *testing.T) *source.Client {
	t.Helper()
	c := source.NewClient(source.ClientOptions{AllowPrivate: true, PerSecond: -1, Backoff: time.Millisecond})
	t.Cleanup(c.CloseIdle)
	return c
}

func instance(t *testing.T, options framadatetest.Options) *framadatetest.Server {
	t.Helper()
	options.Now = func() time.Time { return now }
	return framadatetest.New(t, options)
}

// recognised takes an address apart that must be one. The host of a test says nothing by itself.
func recognised(t *testing.T, address string) source.Recognised {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r := framadate.New().Recognise(u)
	if r.Likelihood == source.Unlikely {
		t.Fatalf("%s is not recognised", address)
	}
	return r
}

func document(t *testing.T, address string) source.Document {
	t.Helper()
	r := recognised(t, address)
	return source.Document{Address: r.Address, Secrets: r.Secrets}
}

func fetch(t *testing.T, c *source.Client, d source.Document) *source.Copy {
	t.Helper()
	got, err := framadate.New().Fetch(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { got.Close() })
	return got
}

// read returns a file of a copy.
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

func poll(t *testing.T, c *source.Copy) *framadate.Poll {
	t.Helper()
	p, err := framadate.ReadPoll(bytes.NewReader(read(t, c, ".json")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reason fails unless an error has one.
func reason(t *testing.T, err error, want source.Reason) {
	t.Helper()
	var known *source.Error
	if !errors.As(err, &known) || known.Reason != want {
		t.Fatalf("the error is %v, want one of reason %q", err, want)
	}
}

// expected is what should be known of a poll's votes.
func expected(p *framadatetest.Poll, columns int, version framadatetest.Version) []framadate.Voter {
	voters := []framadate.Voter{}
	for _, v := range p.Votes {
		voter := framadate.Voter{Name: v.Name}
		for i := range columns {
			answer := framadate.Unanswered
			if i < len(v.Choices) {
				answer = map[byte]framadate.Answer{'2': framadate.Yes, '1': framadate.IfNeedBe, '0': framadate.No, ' ': framadate.Unanswered}[v.Choices[i]]
				if v.Choices[i] == ' ' && version == framadatetest.V0_9 {
					answer = framadate.No
				}
			}
			voter.Answers = append(voter.Answers, answer)
		}
		voters = append(voters, voter)
	}
	return voters
}

// TestEveryVersion reads both kinds of polls, publicly and as their author, from every version, in languages that are
// not ours, with clean and script addresses.
func TestEveryVersion(t *testing.T) {
	t.Parallel()
	c := client(t)
	for _, version := range framadatetest.Versions {
		for i, only := range []string{"", "fr", "de", "es"} {
			options := framadatetest.Options{Version: version, Zone: paris(t), Scripts: i%2 == 1, PHP7: i == 2, Path: []string{"", "/framadate"}[i%2]}
			if only != "" {
				options.Only, options.Language = []string{only}, only
			}
			t.Run(version.String()+only, func(t *testing.T) {
				t.Parallel()
				server := instance(t, options)
				dates := framadatetest.SampleDates()
				if version == framadatetest.V0_9 {
					dates.Votes[4].Choices += " "
				}
				server.Add(dates)
				choices := server.Add(framadatetest.SampleChoices())
				for _, admin := range []bool{false, true} {
					for _, p := range []*framadatetest.Poll{dates, choices} {
						address := server.Poll(p)
						if admin {
							address = server.Administration(p)
						}
						got := poll(t, fetch(t, c, document(t, address)))
						if got.Title != p.Title || got.Author != p.Author || got.ID != p.ID || got.URL != server.Poll(p) {
							t.Errorf("it is %q by %q, %s, %s", got.Title, got.Author, got.ID, got.URL)
						}
						if diff := cmp.Diff(expected(p, len(got.Options), version), got.Voters); diff != "" {
							t.Errorf("votes (-want +got):\n%s", diff)
						}
						if p == dates {
							checkDates(t, got, version, admin)
						} else {
							checkChoices(t, got, version, admin)
						}
					}
				}
			})
		}
	}
}

func checkDates(t *testing.T, got *framadate.Poll, version framadatetest.Version, admin bool) {
	t.Helper()
	zone := ""
	if admin {
		zone = "+01:00"
	}
	want := []framadate.Option{
		{Date: "2026-12-14", Moment: "9h", Start: "2026-12-14T09:00:00" + zone},
		{Date: "2026-12-14", Moment: "14h30", Start: "2026-12-14T14:30:00" + zone},
		{Date: "2026-12-14", Moment: "soir"},
		{Date: "2026-12-14", Moment: " tard"},
		{Date: "2026-12-15", Moment: "9h", Start: "2026-12-15T09:00:00" + zone},
		{Date: "2026-12-31", Moment: "10:00-12:00", Start: "2026-12-31T10:00:00" + zone, End: "2026-12-31T12:00:00" + zone},
		{Date: "2026-12-31", Moment: "8pm", Start: "2026-12-31T20:00:00" + zone},
		{Date: "2027-01-04"},
	}
	for i := range want {
		want[i].Offset = zone
	}
	if diff := cmp.Diff(want, got.Options, cmpopts.IgnoreFields(framadate.Option{}, "Totals", "Best", "Label")); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	comments := []framadate.Comment{
		{Date: "2026-11-20T13:05", Author: "Zoé Müller", Text: "Je peux aussi\nle 16 <b>au soir</b>"},
		{Date: "2026-11-21T08:00", Author: `O'Brien "Bob"`, Text: "=1+1"},
	}
	if version == framadatetest.V0_9 {
		comments[0].Date, comments[1].Date = "", ""
	}
	if diff := cmp.Diff(comments, got.Comments, cmpopts.IgnoreFields(framadate.Comment{}, "Number")); diff != "" {
		t.Errorf("comments (-want +got):\n%s", diff)
	}
	if numbered := got.Comments[0].Number != 0; numbered != (admin || version >= framadatetest.V1_1_18) {
		t.Errorf("a comment has a number: %v", numbered)
	}
	if text := got.Description.Plain; !strings.HasPrefix(text, "Bonjour à tous,\nvoir ") || !strings.Contains(text, "- un\n- deux") || !strings.Contains(text, "<script>x</script>") {
		t.Errorf("the description is %q", text)
	}
	if strings.Contains(got.Description.HTML, "<script") {
		t.Errorf("the description runs: %s", got.Description.HTML)
	}
	if raw := strings.Contains(got.Description.Markdown, "[le site](https://example.org/a_b)"); raw != (admin && version >= framadatetest.V1_1) {
		t.Errorf("the description as it was written: %q", got.Description.Markdown)
	}
	if admin && got.Status.Expires != "2027-05-21" {
		t.Errorf("it expires on %q", got.Status.Expires)
	}
}

func checkChoices(t *testing.T, got *framadate.Poll, version framadatetest.Version, admin bool) {
	t.Helper()
	want := []framadate.Option{
		{Label: "Pizza, chez Luigi", HTML: "Pizza, chez Luigi", Markdown: "Pizza, chez Luigi"},
		{Label: "Le resto", HTML: `<a href="https://example.org/resto" rel="noreferrer">Le resto</a>`, Markdown: "[Le resto](https://example.org/resto)"},
		{Label: "image: a.png", HTML: `<a href="https://example.org/a.png" rel="noreferrer">image: a.png</a>`, Markdown: "![](https://example.org/a.png)"},
		{Label: "image: b.png", HTML: `<a href="https://example.org/b" rel="noreferrer">image: b.png</a>`, Markdown: "[![](https://example.org/b.png)](https://example.org/b)"},
		{Label: `Say "hi" & go`, HTML: `Say &#34;hi&#34; &amp; go`, Markdown: `Say "hi" & go`},
		{Label: "Gras code", HTML: "<strong>Gras</strong> <code>code</code>", Markdown: " **Gras** `code`"},
	}
	if version < framadatetest.V1_1 { // only links and images mean something
		want[5].Label, want[5].HTML = "**Gras** `code`", "**Gras** `code`"
	}
	if !admin {
		for i := range want {
			want[i].Markdown = ""
		}
	}
	if diff := cmp.Diff(want, got.Options, cmpopts.IgnoreFields(framadate.Option{}, "Totals", "Best")); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if got.Options[0].Totals.Yes != 3 || !got.Options[0].Best || got.Options[1].Best {
		t.Errorf("totals: %+v", got.Options[0].Totals)
	}
}

// TestNothingIsChanged asks for the page of the author in every state, and looks at every request.
func TestNothingIsChanged(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	p := server.Add(framadatetest.SampleDates())
	var before string
	server.Look(p.ID, func(p *framadatetest.Poll) { before = fmt.Sprintf("%+v", *p) })
	fetch(t, c, document(t, server.Administration(p)))
	server.Look(p.ID, func(p *framadatetest.Poll) {
		if after := fmt.Sprintf("%+v", *p); after != before {
			t.Errorf("the poll was changed:\n%s\n%s", before, after)
		}
	})
	want := []string{"GET /adminstuds.php?poll=" + p.Admin, "GET /exportcsv.php?admin=" + p.Admin}
	if diff := cmp.Diff(want, server.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestUnchanged takes one request, and files are the same to the byte.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	p := server.Add(framadatetest.SampleDates())
	d := document(t, server.Poll(p))
	first := fetch(t, c, d)
	second := fetch(t, c, d)
	for _, f := range first.Files {
		if !bytes.Equal(read(t, first, f.Ext), read(t, second, f.Ext)) {
			t.Errorf("%s differs between two copies of the same", f.Ext)
		}
	}
	server.Requests()
	d.State = first.State
	again := fetch(t, c, d)
	if !again.Unchanged || len(again.Files) != 0 || again.Title != p.Title {
		t.Errorf("it changed: %+v", again)
	}
	if requests := server.Requests(); len(requests) != 1 {
		t.Errorf("an unchanged poll takes %q", requests)
	}
	server.Change(p.ID, func(p *framadatetest.Poll) {
		p.Votes = append(p.Votes, &framadatetest.Vote{Name: "Nora", Choices: "22222222", Uniq: "abcdefghijklmnop"})
	})
	changed := fetch(t, c, d)
	if changed.Unchanged || changed.Suspect != "" || !cmp.Equal(changed.Authors, []string{"Nora"}) || changed.Summary != "8 options, 6 votes, 2 comments" {
		t.Errorf("a vote more: %+v", changed)
	}
}

// TestPasswords: nothing without it, everything with it, even where the page does not ask.
func TestPasswords(t *testing.T) {
	t.Parallel()
	c := client(t)
	for _, version := range framadatetest.Versions[1:] {
		server := instance(t, framadatetest.Options{Version: version})
		for name, change := range map[string]func(*framadatetest.Poll){
			"open": func(*framadatetest.Poll) {}, "expired": func(p *framadatetest.Poll) { p.Expires = now.AddDate(0, 0, -3) }, "locked": func(p *framadatetest.Poll) { p.Locked = true },
		} {
			p := framadatetest.SampleDates()
			p.Password = "sésame"
			change(p)
			server.Add(p)
			d := document(t, server.Poll(p))
			_, err := framadate.New().Fetch(t.Context(), c, d)
			reason(t, err, source.ReasonPassword)
			d.Secrets.Password = "wrong"
			_, err = framadate.New().Fetch(t.Context(), c, d)
			reason(t, err, source.ReasonPassword)
			if got, err := framadate.New().Probe(t.Context(), c, recognised(t, server.Poll(p))); err != nil || got.Likelihood != source.Certain {
				t.Errorf("%v %s: probing found %+v, %v", version, name, got, err)
			}
			d.Secrets.Password = "sésame"
			got := fetch(t, c, d)
			if votes := poll(t, got).Voters; len(votes) != 5 {
				t.Errorf("%v %s: with the password there are %d votes", version, name, len(votes))
			}
			if bytes.Contains(got.State, []byte("sésame")) {
				t.Error("the password is in the state")
			}
			d = document(t, server.Administration(p))
			if votes := poll(t, fetch(t, c, d)).Voters; len(votes) != 5 {
				t.Errorf("%v %s: the author sees %d votes", version, name, len(votes))
			}
		}
		public := framadatetest.SampleDates()
		public.Password, public.ResultsPublic = "sésame", true
		server.Add(public)
		got := poll(t, fetch(t, c, document(t, server.Poll(public))))
		if len(got.Voters) != 5 || !got.Status.Password || len(got.Comments) != 2 || got.Options[0].Date != "2026-12-14" {
			t.Errorf("%v: a password only for voting: %+v", version, got.Status)
		}
	}
}

// TestHidden: the reduced poll with a note, everything for its author, one line by its own address; and a copy with votes
// is not replaced by one without.
func TestHidden(t *testing.T) {
	t.Parallel()
	c := client(t)
	for _, version := range framadatetest.Versions {
		server := instance(t, framadatetest.Options{Version: version})
		p := server.Add(framadatetest.SampleDates())
		d := document(t, server.Poll(p))
		open := fetch(t, c, d)
		server.Change(p.ID, func(p *framadatetest.Poll) { p.Hidden = true })
		hidden := fetch(t, c, d)
		got := poll(t, hidden)
		if got.Voters != nil || !got.Status.Hidden || len(got.Comments) != 2 || got.Options[7].Date != "2027-01-04" || len(hidden.Notes) != 1 || hidden.Notes[0].Code != "hidden-results" {
			t.Errorf("%v: hidden results: %+v, notes %v", version, got, hidden.Notes)
		}
		d.State = open.State
		_, err := framadate.New().Fetch(t.Context(), c, d)
		reason(t, err, source.ReasonHidden)
		if all := poll(t, fetch(t, c, document(t, server.Administration(p)))); len(all.Voters) != 5 || !all.Status.Hidden {
			t.Errorf("%v: the author sees %+v", version, all)
		}
		line := fetch(t, c, document(t, server.Edit(p, p.Votes[1].Uniq)))
		if own := poll(t, line); len(own.Voters) != 1 || own.Voters[0].Name != "Dupont, Jean" || own.Voters[0].Answers[3] != framadate.Yes {
			t.Errorf("%v: one's own line: %+v", version, own.Voters)
		}
	}
}

// TestExpiry: what an expired poll does not show any more is remembered.
func TestExpiry(t *testing.T) {
	t.Parallel()
	c := client(t)
	for _, only := range []string{"en", "fr", "de", "es"} {
		for _, version := range framadatetest.Versions {
			server := instance(t, framadatetest.Options{Version: version, Only: []string{only}, Language: only, Zone: paris(t)})
			p := server.Add(framadatetest.SampleDates())
			d := document(t, server.Administration(p))
			first := fetch(t, c, d)
			server.Change(p.ID, func(p *framadatetest.Poll) { p.Expires = now.AddDate(0, 0, -3) })
			d.State = first.State
			second := fetch(t, c, d)
			before, after := poll(t, first), poll(t, second)
			if !after.Status.Expired || after.Status.Deletion != "2027-01-17" || second.Suspect != "" ||
				!second.Ends.Equal(time.Date(2027, 1, 18, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%v %s: expired: %+v, ends %v, %q", version, only, after.Status, second.Ends, second.Suspect)
			}
			if after.Description != before.Description || after.Options[0].Offset != "+01:00" || len(after.Voters) != 5 {
				t.Errorf("%v %s: what was known is lost: %+v", version, only, after.Description)
			}
			public := poll(t, fetch(t, c, document(t, server.Poll(p))))
			if !public.Status.Expired || public.Status.Deletion != "2027-01-17" || len(public.Voters) != 5 {
				t.Errorf("%v %s: expired, publicly: %+v", version, only, public.Status)
			}
			server.Change(p.ID, func(p *framadatetest.Poll) { p.Expires, p.Locked = now.AddDate(0, 1, 0), true })
			if locked := poll(t, fetch(t, c, document(t, server.Poll(p)))); !locked.Status.Locked || locked.Status.Expired {
				t.Errorf("%v %s: locked: %+v", version, only, locked.Status)
			}
		}
	}
}

// TestRefusals: each bad answer is told apart from a poll.
func TestRefusals(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	p := server.Add(framadatetest.SampleDates())
	d := document(t, server.Poll(p))
	good := fetch(t, c, d)
	d.State = good.State
	_, whole := get(t, server.Poll(p))
	answer := func(status int, kind, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	for name, test := range map[string]struct {
		intercept func(http.ResponseWriter, *http.Request) bool
		want      source.Reason
	}{
		"a captive portal":     {answer(200, "text/html", "<html><body><form><input name=password id=user></form>Welcome to the hotel</body></html>"), source.ReasonForeign},
		"another program":      {answer(200, "application/json", "{}"), source.ReasonForeign},
		"half a page":          {answer(200, "text/html; charset=UTF-8", whole[:len(whole)*2/3]), source.ReasonDamaged},
		"an error":             {answer(502, "text/html", "<html>bad gateway</html>"), source.ReasonDown},
		"too many":             {answer(429, "text/html", ""), source.ReasonLimited},
		"forbidden":            {answer(403, "text/html", "<html></html>"), source.ReasonPrivate},
		"nothing":              {answer(200, "text/html", ""), source.ReasonForeign},
		"the server's own 404": {answer(404, "text/html; charset=iso-8859-1", "<html>Not Found</html>"), source.ReasonForeign},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://portal.example/", http.StatusFound)
			return true
		}, source.ReasonForeign},
		"in a circle": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
			return true
		}, source.ReasonForeign},
	} {
		server.Intercept(test.intercept)
		_, err := framadate.New().Fetch(t.Context(), client(t), d)
		var known *source.Error
		if !errors.As(err, &known) || known.Reason != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	server.Intercept(nil)
	server.SetDown(true)
	_, err := framadate.New().Fetch(t.Context(), client(t), d)
	reason(t, err, source.ReasonDown)
	maintenance := document(t, server.URL+"/studs.php?poll=x")
	server.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/maintenance.php" { // a front server that follows redirections by itself
			r.URL.Path = "/maintenance.php"
			server.Intercept(nil)
			server.ServeHTTP(w, r)
			return true
		}
		return false
	})
	_, err = framadate.New().Fetch(t.Context(), client(t), maintenance)
	reason(t, err, source.ReasonDown)
	server.SetDown(false)
	server.Change(p.ID, nil)
	_, err = framadate.New().Fetch(t.Context(), client(t), d)
	reason(t, err, source.ReasonGone)
	wrong := document(t, server.URL+"/abcdefghijklmnopqrstuvwx/admin")
	_, err = framadate.New().Fetch(t.Context(), client(t), wrong)
	reason(t, err, source.ReasonGone)
}

func get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestContradiction: a CSV that says something else is not believed, and neither is the page.
func TestContradiction(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	p := server.Add(framadatetest.SampleDates())
	asked := 0
	server.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/exportcsv.php" {
			return false
		}
		asked++
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		_, _ = io.WriteString(w, ",\"2026-12-14\",\r\n,\"9h\",\r\n")
		return true
	})
	_, err := framadate.New().Fetch(t.Context(), c, document(t, server.Poll(p)))
	reason(t, err, source.ReasonDamaged)
	if asked != 2 {
		t.Errorf("the CSV was asked for %d times", asked)
	}
}

// TestSuspicion: another poll under the same name, and votes that are gone.
func TestSuspicion(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	chosen := framadatetest.SampleDates()
	chosen.ID = "mon-sondage-perso"
	server.Add(chosen)
	d := document(t, server.URL+"/studs.php?poll=mon-sondage-perso")
	d.State = fetch(t, c, d).State
	server.Change(chosen.ID, func(p *framadatetest.Poll) { p.Votes = p.Votes[:3] })
	if got := fetch(t, c, d); got.Suspect != "" {
		t.Errorf("two votes less are suspicious: %s", got.Suspect)
	}
	server.Change(chosen.ID, func(p *framadatetest.Poll) { p.Votes = nil })
	if got := fetch(t, c, d); !strings.Contains(got.Suspect, "5 votes are gone") {
		t.Errorf("all votes gone: %q", got.Suspect)
	}
	server.Change(chosen.ID, nil)
	server.Add(&framadatetest.Poll{ID: "mon-sondage-perso", Title: "Barbecue", Author: "X", Slots: []framadatetest.Slot{{Day: now}}, Votes: []*framadatetest.Vote{{Name: "Y", Choices: "2"}}})
	if got := fetch(t, c, d); !strings.Contains(got.Suspect, "another poll") {
		t.Errorf("someone else's poll: %q", got.Suspect)
	}
}

// TestSecrets: nothing of them is in any file or state.
func TestSecrets(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19, Mail: true})
	p := framadatetest.SampleDates()
	p.ID, p.Editable = "reunion", framadatetest.EditAll
	server.Add(p)
	got := fetch(t, c, document(t, server.Administration(p)))
	for _, secret := range []string{p.Admin, p.Admin[:16], p.Mail, p.Votes[0].Uniq} {
		for _, f := range got.Files {
			if bytes.Contains(read(t, got, f.Ext), []byte(secret)) {
				t.Errorf("%s tells %q", f.Ext, secret)
			}
		}
		if bytes.Contains(got.State, []byte(secret)) {
			t.Errorf("the state tells %q", secret)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", recognised(t, server.Administration(p)).Secrets, document(t, server.Administration(p)).Secrets, document(t, server.Administration(p)).Secrets); strings.Contains(text, p.Admin) {
		t.Error("a secret is printed")
	}
	if data, err := json.Marshal(recognised(t, server.Administration(p)).Secrets); err != nil || strings.Contains(string(data), p.Admin) {
		t.Errorf("a secret is JSON: %s", data)
	}
}

// TestMaximum: a column that takes no further yes.
func TestMaximum(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	p := framadatetest.SampleChoices()
	p.Max = 3
	server.Add(p)
	if got := poll(t, fetch(t, c, document(t, server.Poll(p)))); !cmp.Equal(got.Status.Full, []int{0}) {
		t.Errorf("full: %v", got.Status.Full)
	}
}

// TestMoved: an instance that answers on https only now, and one without its scripts' addresses.
func TestMoved(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19, Zone: paris(t)})
	p := server.Add(framadatetest.SampleDates())
	server.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("moved") == "" && strings.HasSuffix(r.URL.Path, ".php") {
			http.Redirect(w, r, r.URL.String()+"&moved=1", http.StatusMovedPermanently)
			return true
		}
		return false
	})
	if got := poll(t, fetch(t, c, document(t, server.Administration(p)))); got.Options[0].Offset != "+01:00" || len(got.Voters) != 5 {
		t.Errorf("after a redirection: %+v", got)
	}
	server.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, ".php") {
			http.NotFound(w, r)
			return true
		}
		return false
	})
	for _, address := range []string{server.Poll(p), server.Administration(p)} {
		if got := poll(t, fetch(t, c, document(t, address))); got.Options[0].Date != "2026-12-14" || len(got.Voters) != 5 {
			t.Errorf("without scripts: %+v", got)
		}
	}
}

// TestOwnLineChanges: the page is the same, but the line that only its own address shows is another.
func TestOwnLineChanges(t *testing.T) {
	t.Parallel()
	c, server := client(t), instance(t, framadatetest.Options{Version: framadatetest.V1_1_19})
	p := framadatetest.SampleDates()
	p.Hidden = true
	server.Add(p)
	d := document(t, server.Edit(p, p.Votes[1].Uniq))
	d.State = fetch(t, c, d).State
	if again := fetch(t, c, d); !again.Unchanged {
		t.Errorf("it changed: %+v", again)
	}
	server.Change(p.ID, func(p *framadatetest.Poll) { p.Votes[1].Choices = "22222222" })
	if got := fetch(t, c, d); got.Unchanged || poll(t, got).Voters[0].Answers[0] != framadate.Yes {
		t.Errorf("the line changed: %+v", got)
	}
}
