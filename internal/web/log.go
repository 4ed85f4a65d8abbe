package web

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/store"
)

// logRoutes are the audit log.
func (s *Server) logRoutes() []route {
	return []route{
		{pattern: "GET /admin/log", need: needAdmin, handle: s.showLog},
		{pattern: "GET /admin/log/export", need: needAdmin, handle: s.exportLog},
	}
}

// logRows is how many lines a page of the log has, and exportRows how many are read at a time for a file.
const (
	logRows    = 100
	exportRows = 500
)

// logKinds are the kinds of lines that the filter offers: the beginnings of actions.
var logKinds = []string{"session", "user", "group", "grant", "folder", "device", "held", "source", "setting"}

// logPage is what log/list shows.
type logPage struct {
	Person, Kind, Text, From, Until string
	People, Kinds                   []string
	Days                            []logDay
	Older                           string // address of the next page
	Newest                          string // address of the first, when this is another one
	CSV, JSON                       string
	Filtered                        bool
}

// logDay is the lines of one day.
type logDay struct {
	Day  string
	Rows []logRow
}

// logRow is one line.
type logRow struct {
	store.AuditEntry
	Words string // what was done, in words; the action itself if there are none
	Who   string
}

// logFilter reads the filter from the address.
func (x *exchange) logFilter() store.AuditFilter {
	q := x.r.URL.Query()
	f := store.AuditFilter{Actor: q.Get("person"), Text: strings.TrimSpace(q.Get("q"))}
	if k := q.Get("kind"); slices.Contains(logKinds, k) {
		f.Kind = k + "."
	}
	if t, err := time.ParseInLocation(time.DateOnly, q.Get("from"), x.zone); err == nil {
		f.From = t
	}
	if t, err := time.ParseInLocation(time.DateOnly, q.Get("until"), x.zone); err == nil {
		f.Until = t.AddDate(0, 0, 1)
	}
	if n, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil && n > 0 {
		f.Before = n
	}
	return f
}

func (s *Server) showLog(x *exchange) error {
	q := x.r.URL.Query()
	f := x.logFilter()
	p := logPage{
		Person: f.Actor, Kind: strings.TrimSuffix(f.Kind, "."), Text: f.Text, From: q.Get("from"), Until: q.Get("until"), Kinds: logKinds,
	}
	p.Filtered = f.Actor != "" || f.Kind != "" || f.Text != "" || !f.From.IsZero() || !f.Until.IsZero()
	var err error
	if p.People, err = x.admin().AuditActors(x.ctx()); err != nil {
		return err
	}
	rows, err := x.admin().FindAudit(x.ctx(), f, logRows+1)
	if err != nil {
		return err
	}
	users, err := x.admin().Users(x.ctx())
	if err != nil {
		return err
	}
	names := map[string]string{}
	for i := range users {
		names[users[i].Name] = users[i].DisplayName
	}
	q.Del("before")
	if f.Before > 0 {
		p.Newest = "/admin/log?" + q.Encode()
	}
	if len(rows) > logRows {
		rows = rows[:logRows]
		next := maps.Clone(q)
		next.Set("before", strconv.FormatInt(rows[logRows-1].ID, 10))
		p.Older = "/admin/log?" + next.Encode()
	}
	for _, e := range rows {
		day := x.longDay(e.At.In(x.zone))
		if n := len(p.Days); n == 0 || p.Days[n-1].Day != day {
			p.Days = append(p.Days, logDay{Day: day})
		}
		who := names[e.Actor]
		if who == "" {
			who = e.Actor
		}
		if e.Actor == store.Console.Name {
			who = x.t("admin.log.console")
		}
		d := &p.Days[len(p.Days)-1]
		e.Detail = x.detail(e.Action, e.Detail)
		d.Rows = append(d.Rows, logRow{AuditEntry: e, Words: x.action(e.Action), Who: who})
	}
	export := maps.Clone(q)
	export.Set("as", "csv")
	p.CSV = "/admin/log/export?" + export.Encode()
	export.Set("as", "json")
	p.JSON = "/admin/log/export?" + export.Encode()
	return x.page("log/list", page{Title: x.t("core.nav.log"), Nav: navAdmin, At: "log", Data: p})
}

// action returns what was done in words.
func (x *exchange) action(action string) string {
	key := "admin.action." + action
	if words := x.t(key); words != key {
		return words
	}
	return action
}

// longDay is a date in full: "Friday 20 November 2026".
func (x *exchange) longDay(t time.Time) string {
	return upperFirst(longDays[x.lang][t.Weekday()]) + " " + strconv.Itoa(t.Day()) + " " + longMonths[x.lang][t.Month()-1] + " " + strconv.Itoa(t.Year())
}

// logLine is a line in a JSON file.
type logLine struct {
	ID      int64  `json:"id"`
	At      string `json:"at"` // RFC 3339, UTC
	Actor   string `json:"actor"`
	Device  string `json:"device,omitempty"`
	Address string `json:"address,omitempty"`
	Action  string `json:"action"`
	Subject string `json:"subject"`
	Detail  string `json:"detail,omitempty"`
}

// exportLog streams all lines that the filter chooses, the newest first.
func (s *Server) exportLog(x *exchange) error {
	f := x.logFilter()
	name := "havre-log-" + x.now.In(x.zone).Format(time.DateOnly)
	rows, err := x.admin().FindAudit(x.ctx(), f, exportRows)
	if err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Cache-Control", "no-store")
	write, finish := s.logCSV(x), func() error { return nil }
	if x.r.URL.Query().Get("as") == "json" {
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+name+`.json"`)
		write, finish = s.logJSON(x)
	} else {
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	}
	x.w.WriteHeader(http.StatusOK)
	for len(rows) > 0 {
		if err := write(rows); err != nil {
			return nil //nolint:nilerr // nobody listens any more
		}
		if len(rows) < exportRows {
			break
		}
		f.Before = rows[len(rows)-1].ID
		if rows, err = x.admin().FindAudit(x.ctx(), f, exportRows); err != nil {
			panic(http.ErrAbortHandler) // a file that ends early must not look whole
		}
	}
	_ = finish() // nobody listens any more
	return nil
}

func line(e *store.AuditEntry) logLine {
	return logLine{
		ID: e.ID, At: e.At.UTC().Format(time.RFC3339), Actor: e.Actor, Device: string(e.Device), Address: e.Address,
		Action: e.Action, Subject: e.Subject, Detail: e.Detail,
	}
}

// logCSV returns what writes lines as CSV that a spreadsheet can open without danger.
func (s *Server) logCSV(x *exchange) func([]store.AuditEntry) error {
	w := csv.NewWriter(x.w)
	first := true
	return func(rows []store.AuditEntry) error {
		if first {
			first = false
			if err := w.Write([]string{"id", "at", "actor", "device", "address", "action", "subject", "detail"}); err != nil {
				return err
			}
		}
		for i := range rows {
			l := line(&rows[i])
			cells := []string{strconv.FormatInt(l.ID, 10), l.At, l.Actor, l.Device, l.Address, l.Action, l.Subject, l.Detail}
			for i := range cells {
				cells[i] = safeCell(cells[i])
			}
			if err := w.Write(cells); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	}
}

// logJSON returns what writes lines as one JSON array, and its end.
func (s *Server) logJSON(x *exchange) (write func([]store.AuditEntry) error, finish func() error) {
	begin := "[\n"
	write = func(rows []store.AuditEntry) error {
		for i := range rows {
			b, err := json.Marshal(line(&rows[i]))
			if err != nil {
				return err
			}
			if _, err := x.w.Write(append([]byte(begin), b...)); err != nil {
				return err
			}
			begin = ",\n"
		}
		return nil
	}
	finish = func() error {
		end := "\n]\n"
		if begin == "[\n" {
			end = "[]\n"
		}
		_, err := x.w.Write([]byte(end))
		return err
	}
	return write, finish
}
