package web

import (
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/svn"
)

// backupView is what the page of one document shows.
type backupView struct {
	Seen      int64 // the version of what is shown
	Here      string
	Address   string // of the page, without the moment
	Action    string // where its forms go
	Title     string
	Crumbs    []crumb
	Unit      string // "pad", "poll" or "sheet"
	Sheet     bool
	URL       string // on the instance; "" if it is not to be followed
	Shown     string // the same as it is written
	File      string // page of the main file
	Write     bool
	Paused    bool
	State     string
	Verdict   string
	Rest      string
	Warnings  []backupWarning
	Waiting   bool // the history is being read
	Size      int64
	Broken    string
	Replay    *replayView
	Copies    []backupCopy
	Main      string // page of the file with the history
	More      int
	Formats   []backupFormat
	Place     string
	PlaceLink string
	Schedules []scheduleChoice
	NextRun   string
	AddedBy   string
	Added     time.Time
	Ends      string
	Kept      string
	Command   string
	Strip     template.HTML
	Runs      []backupRun
	Remove    bool // ask
}

// backupWarning is what somebody should know of the document.
type backupWarning struct {
	Class, Icon string
	Title, Text string
	Field       string // a secret that is asked for
	Suspect     bool
	Files       []choiceOption // of a suspect copy
}

// backupCopy is a version in the folder.
type backupCopy struct {
	Address string
	Number  int
	Time    time.Time
}

type backupFormat struct {
	Label, Value string
	Download     bool
}

type scheduleChoice struct {
	Value, Label string
	Current      bool
}

// backupRun is one look at the source, or several that came out alike.
type backupRun struct {
	Start time.Time
	Glyph string
	Words string
	Times int // 0 for one
}

// formats of files that are offered, in this order.
var backupFormats = []string{".txt", ".html", ".etherpad", ".md", ".csv", ".xlsx", ".ics", ".json"}

// document returns the source of the address.
func (s *Server) document(x *exchange) (*hub.Source, error) {
	return s.hub.Source(x.ctx(), x.caller(), hub.SourceID(x.r.PathValue("source")))
}

// backupPage shows one document, now or at ?at=.
func (s *Server) backupPage(x *exchange) error {
	seen, err := s.hub.WaitSources(x.ctx(), -1)
	if err != nil {
		return err
	}
	d, err := s.document(x)
	if err != nil {
		return err
	}
	v := x.backupView(d)
	v.Seen, v.Remove = seen, v.Write && x.r.URL.Query().Has("remove")
	replay, err := s.sourceReplay(x, d, v)
	if err != nil {
		return err
	}
	if replay != nil && x.r.FormValue("part") == "moment" {
		return x.fragment("backups/page", "replay-parts", replay)
	}
	v.Replay = replay
	x.backupAnswer(d, v)
	if err := s.backupRuns(x, d, v); err != nil {
		return err
	}
	return x.page("backups/page", page{Title: v.Title, Nav: navFiles, At: "backups", Crumbs: v.Crumbs, Data: v})
}

// backupView fills in what the source says.
func (x *exchange) backupView(d *hub.Source) *backupView {
	id, unit := "/backups/"+url.PathEscape(string(d.ID)), sourceUnit(d.Kind)
	if d.Address.Collection != "" {
		unit = "collection"
	}
	v := &backupView{
		Here: x.r.URL.RequestURI(), Address: id, Action: id, Title: x.sourceTitle(d), Unit: unit, Sheet: unit == "sheet",
		Shown: d.Address.URL, Write: d.Right >= havre.RightWrite, Paused: d.State == hub.SourcePaused,
		Place: placeWords(d.Folder, string(d.Path)), PlaceLink: folderAddress(d.Folder, string(d.Path)), AddedBy: x.authorName(d.AddedBy), Added: d.Added,
		Strip: x.sourceDays(&d.Days),
	}
	if x.r.Method != http.MethodGet {
		v.Here = id
	}
	v.Crumbs = []crumb{{x.t("backups.title"), "/backups"}, {hostOf(d.Address.Instance), "/backups?instance=" + url.QueryEscape(hostOf(d.Address.Instance))}}
	if u, err := url.Parse(d.Address.URL); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && d.State != hub.SourceGone {
		// Opening the address of a pad that is gone would make a new one.
		v.URL = d.Address.URL
	}
	for _, ext := range backupFormats {
		i := slices.IndexFunc(d.Files, func(f hub.SourceFile) bool { return f.Ext == ext })
		if i < 0 {
			continue
		}
		address := folderAddress(d.Folder, string(d.Files[i].Path))
		if v.File == "" {
			v.File = address
		}
		label := ext
		switch ext {
		case ".etherpad", ".json":
		default:
			label = x.t("backups.format." + ext[1:])
		}
		v.Formats = append(v.Formats, backupFormat{label, address + "?download", true})
	}
	x.backupTimes(d, v)
	v.Kept = x.secretWords(d.Secrets)
	v.Warnings = x.backupWarnings(d)
	v.Command = restoreCommand(d)
	return v
}

// restoreCommand is what brings the document back on another instance.
func restoreCommand(d *hub.Source) string {
	for _, f := range d.Files {
		switch f.Ext {
		case ".etherpad":
			return "havre pad restore " + shellWord(path.Base(string(f.Path))) + " https://pad.example.org/p/" + shellWord(url.PathEscape(d.Address.Name))
		case ".json":
			if d.Kind == source.KindFramadate {
				return "havre poll restore " + shellWord(path.Base(string(f.Path))) + " https://framadate.org"
			}
		}
	}
	return ""
}

// shellWord quotes a word for a shell where it has to be.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-%") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(visible(s), "'", `'\''`) + "'"
}

// secretWords names what is kept secret.
func (x *exchange) secretWords(kinds []string) string {
	var list []string
	for _, k := range kinds {
		switch k {
		case "address", "password", "session", "key":
			list = append(list, x.t("backups.secret."+k))
		}
	}
	return x.series(list)
}

// backupTimes says when the source is looked at, and until when there is something to look at.
func (x *exchange) backupTimes(d *hub.Source, v *backupView) {
	current := scheduleValue(d.Live, d.Schedule)
	values := []string{"auto", "live", "1h", "24h", "168h"}
	if d.Kind == source.KindFramadate || d.Address.Collection != "" {
		values = slices.DeleteFunc(values, func(s string) bool { return s == "live" })
	}
	if !slices.Contains(values, current) {
		values = append(values, current)
	}
	for _, value := range values {
		v.Schedules = append(v.Schedules, scheduleChoice{value, x.scheduleWords(value), value == current})
	}
	switch {
	case d.State == hub.SourcePaused:
		v.NextRun = x.t("backups.next.none")
	case d.State == hub.SourceLive:
		v.NextRun = x.t("backups.next.live")
	case d.State == hub.SourceRunning:
		v.NextRun = x.t("backups.next.running")
	case d.Next.Sub(x.now) < time.Minute:
		v.NextRun = x.t("backups.next.now")
	default:
		v.NextRun = x.t("backups.next.in", "span", x.span(d.Next.Sub(x.now)))
	}
	switch {
	case !d.Closes.IsZero() && d.Closes.Before(x.now):
		v.Ends = x.t("backups.ends.closed", "day", x.day(d.Closes))
	case !d.Closes.IsZero():
		v.Ends = x.t("backups.ends.closes", "day", x.day(d.Closes))
	case d.Ends.After(x.now):
		v.Ends = x.t("backups.ends.ends", "day", x.day(d.Ends))
	}
}

// scheduleValue is a schedule in a form: "auto", "live", or a duration in hours.
func scheduleValue(live bool, every time.Duration) string {
	switch {
	case live:
		return "live"
	case every == 0:
		return "auto"
	}
	return strconv.Itoa(max(int(every/time.Hour), 1)) + "h"
}

// parseSchedule reads what scheduleValue wrote.
func (x *exchange) parseSchedule(value string) (live bool, every time.Duration, err error) {
	switch value {
	case "", "auto":
		return false, 0, nil
	case "live":
		return true, 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(value, "h"))
	if err != nil || n < 1 || n > 24*366 {
		return false, 0, &havre.Error{Code: havre.CodeInvalid, Text: x.t("backups.schedule.none")}
	}
	return false, time.Duration(n) * time.Hour, nil
}

func (x *exchange) scheduleWords(value string) string {
	switch value {
	case "auto", "live":
		return x.t("backups.schedule." + value)
	case "1h":
		return x.t("backups.schedule.hour")
	case "24h":
		return x.t("backups.schedule.day")
	case "168h":
		return x.t("backups.schedule.week")
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(value, "h")) // scheduleValue wrote it
	return x.t("backups.schedule.hours", "n", n)
}

// backupAnswer says whether the copy is fresh and whole.
func (x *exchange) backupAnswer(d *hub.Source, v *backupView) {
	if v.Rest = x.replaySum(v); v.Unit == "collection" {
		v.Rest = x.t("backups.holds", "n", d.Documents) + "."
	}
	w := x.sourceWords(d)
	v.State = w.State
	switch {
	case d.State == hub.SourceLive && !d.LastGood.IsZero():
		v.Verdict = x.t("backups.answer.live", "when", x.within(d.LastGood))
	case d.State == hub.SourceOK && w.State == "ok" && !d.LastGood.IsZero():
		v.Verdict = x.t("backups.answer.ok", "when", x.within(d.LastGood))
	default:
		v.Verdict = x.t("backups.answer.other", "words", w.Words)
	}
}

// replaySum says how much history there is.
func (x *exchange) replaySum(v *backupView) string {
	if v.Replay == nil {
		return ""
	}
	var parts []string
	switch r := v.Replay; v.Unit {
	case "pad":
		parts = append(parts, x.t("backups.rev", "n", r.Head), x.t("backups.author", "n", r.People))
		if r.Messages > 0 {
			parts = append(parts, x.t("backups.message", "n", r.Messages))
		}
		return x.t("backups.whole", "list", strings.Join(parts, ", "))
	case "poll":
		if p := r.Last; p != nil {
			parts = append(parts, x.t("backups.answers", "n", p.Answers))
			if p.Remarks > 0 {
				parts = append(parts, x.t("backups.comments", "n", p.Remarks))
			}
		}
		parts = append(parts, x.t("backups.copies.n", "n", r.Head+1))
		return x.t("backups.whole.poll", "list", strings.Join(parts, ", "))
	}
	return ""
}

// backupWarnings lists what somebody should know or do.
func (x *exchange) backupWarnings(d *hub.Source) []backupWarning {
	var list []backupWarning
	w := x.sourceWords(d)
	kept := x.t("backups.warn.no.copy")
	if !d.LastGood.IsZero() {
		kept = x.t("backups.warn.kept", "when", x.within(d.LastGood))
	}
	switch {
	case d.Suspect != nil:
		n := backupWarning{Class: "warn", Icon: "triangle-alert", Title: x.t("backups.is.suspect") + ".", Text: x.t("backups.why.suspect"), Suspect: true}
		for _, f := range d.Suspect.Files {
			n.Files = append(n.Files, choiceOption{folderAddress(d.Folder, string(f.Path)), f.Ext})
		}
		list = append(list, n)
	case d.State == hub.SourcePassword:
		field := "password"
		if slices.Contains(d.Secrets, "key") {
			field = "key"
		}
		list = append(list, backupWarning{Class: "warn", Icon: "key-round", Text: w.Why, Field: field})
	case d.State == hub.SourceHidden:
		list = append(list, backupWarning{Class: "warn", Icon: "key-round", Text: w.Why, Field: "address"})
	case d.State.Problem() || d.State == hub.SourceLimited || d.State == hub.SourcePaused && d.Reason != "":
		class := "warn"
		if w.State == "stopped" {
			class = "bad"
		}
		list = append(list, backupWarning{Class: class, Icon: "triangle-alert", Text: x.sourceTold(d.Reason, d.Text) + " " + kept})
	case w.State == "behind":
		list = append(list, backupWarning{Class: "warn", Icon: "hourglass", Text: w.Why})
	}
	for _, n := range d.Notes {
		switch n.Code {
		case "no-history", "dates-unknown":
			list = append(list, backupWarning{Icon: "info", Text: x.t("backups.note." + n.Code)})
		case "hidden-results", "own-line", "admin-refused": // the poll's administration shows more
			list = append(list, backupWarning{Icon: "key-round", Text: x.t("backups.note." + n.Code), Field: "address"})
		default: // of another version of the program: there are no words for it
		}
	}
	return list
}

// maxRuns is how many runs are read for the page; those that came out alike are one line.
const maxRuns = 200

// backupRuns lists what was done last, and the copies in the folder.
func (s *Server) backupRuns(x *exchange, d *hub.Source, v *backupView) error {
	runs, err := s.hub.SourceRuns(x.ctx(), x.caller(), d.ID, 0, maxRuns)
	if err != nil {
		return err
	}
	for i := range runs {
		r := &runs[i]
		n := backupRun{Start: r.Start}
		switch r.Outcome {
		case source.OutcomeUnchanged:
			n.Glyph, n.Words = "ok", x.t("backups.run.same")
		case source.OutcomeNew, source.OutcomeChanged:
			n.Glyph, n.Words = "ok", x.t("backups.run.version")
			if r.Live {
				n.Words = x.t("backups.run.version.live")
			}
		case source.OutcomeSuspect:
			n.Glyph, n.Words = "waits", x.t("backups.run.suspect")
		default:
			n.Glyph, n.Words = "stopped", x.sourceTold(r.Reason, r.Text)
		}
		if k := len(v.Runs); k > 0 && v.Runs[k-1].Words == n.Words && v.Runs[k-1].Glyph == n.Glyph {
			v.Runs[k-1].Times = max(v.Runs[k-1].Times, 1) + 1
			continue
		}
		if len(v.Runs) == 8 {
			break
		}
		v.Runs = append(v.Runs, n)
	}
	if len(d.Files) == 0 {
		return nil
	}
	main := d.Files[0]
	for _, f := range d.Files {
		if f.Ext == ".etherpad" || f.Ext == ".json" {
			main = f
		}
	}
	at, err := s.hub.Spot(x.ctx(), x.caller(), d.Folder, main.Path, svn.InvalidRevnum)
	if havre.CodeOf(err) == havre.CodeNotFound {
		return nil // it was deleted; the next run brings it back
	}
	if err != nil {
		return err
	}
	versions, _, err := s.hub.Versions(x.ctx(), at)
	if err != nil {
		return err
	}
	v.Main = folderAddress(d.Folder, string(main.Path))
	for _, n := range versions[:min(2, len(versions))] {
		v.Copies = append(v.Copies, backupCopy{v.Main + "?v=" + strconv.Itoa(n.Number), n.Number, n.Time})
	}
	v.More = len(versions) - len(v.Copies)
	return nil
}
