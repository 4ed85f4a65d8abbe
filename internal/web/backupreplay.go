package web

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/source"
	"github.com/havre-cloud/havre/svn"
)

// replayView is the replay of a pad or poll at one moment.
type replayView struct {
	Address  string         // of the page
	Hidden   []choiceOption // what its form sends besides the moment: label is the value
	Param    string         // what names the moment in addresses
	Min, Max int            // of the moment as people count it
	Shown    int
	Unit     string
	Head, At int
	Line     *replayLine
	Tick     int // where the marks below the line end
	Label    int // and their texts are
	Now      int
	Days     string // the first moment of each day
	Speeds   []int
	Speed    int
	Previous string
	Next     string
	Moment   string
	What     string
	Spoken   string
	To       int   // what is played next,
	Wait     int64 // after so many milliseconds

	Text     *padText
	Poll     *pollView
	Last     *pollView // the newest copy of a poll
	People   int
	Messages int
	Authors  []replayAuthor
	Chat     []replayMessage
	ChatMore int
	Action   string // where an author is named
	Here     string
}

type replayAuthor struct {
	ID, Name, Given string
	Class           string
	Share           string
	Form            bool
}

type replayMessage struct{ Name, Clock, Text string }

// shownMessages is how many messages of the chat stand beside the text.
const shownMessages = 5

// sourceReplay makes the replay of a source; nil where there is none, and then v says why.
func (s *Server) sourceReplay(x *exchange, d *hub.Source, v *backupView) (*replayView, error) {
	ext := ".etherpad"
	if d.Kind == source.KindFramadate {
		ext = ".json"
	}
	i := slices.IndexFunc(d.Files, func(f hub.SourceFile) bool { return f.Ext == ext })
	if i < 0 || d.Kind == source.KindEtherCalc {
		return nil, nil
	}
	at, err := s.hub.Spot(x.ctx(), x.caller(), d.Folder, d.Files[i].Path, svn.InvalidRevnum)
	if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
		return nil, nil //nolint:nilerr // somebody deleted the file: the next run brings it back
	}
	if err != nil {
		return nil, err
	}
	v.Size = at.Node.Size
	r := &replayView{Address: v.Address, Param: "at", Unit: v.Unit, Here: v.Here}
	if d.Right >= havre.RightWrite {
		r.Action = v.Action
	}
	if ext == ".json" {
		ok, err := s.pollReplay(x, at, r)
		if err != nil || !ok {
			v.Broken = x.t("backups.broken")
			return nil, err
		}
		return r, nil
	}
	return s.padReplay(x, at, r, d.Authors, v)
}

// padReplay makes the replay of the pad in a file.
func (s *Server) padReplay(x *exchange, at *hub.Spot, r *replayView, given map[string]string, v *backupView) (*replayView, error) {
	pad, release, err := s.replays.get(x.ctx(), s.hub, at)
	switch {
	case errors.Is(err, errNoPad):
		v.Broken = x.t("backups.broken")
		return nil, nil
	case err != nil:
		return nil, err
	case pad == nil:
		v.Waiting = true
		return nil, nil
	}
	defer release()
	tr := pad.track
	r.place(x, tr)
	m, err := padMomentOf(pad.doc, r.At)
	if err != nil {
		v.Broken = x.t("backups.broken")
		return nil, nil // the page says that the file is damaged
	}
	style, named := map[string]string{}, map[string]string{}
	for i, a := range tr.authors {
		style[a.ID] = authorClass(i)
		named[a.ID] = a.Name
		if a.Name == "" {
			named[a.ID] = given[a.ID]
		}
	}
	who := ""
	if w := tr.who[r.At]; w >= 0 {
		who = named[tr.authors[w].ID]
	}
	r.what(x, m, who)
	removed := x.t("backups.removed.unnamed")
	if who != "" {
		removed = x.t("backups.removed.by", "name", who)
	}
	r.Text = padTextOf(m, func(id string) (class, name string) {
		if id == "" {
			return "", ""
		}
		name = named[id]
		if name == "" {
			name = x.t("backups.unnamed")
		}
		if c := style[id]; c != "" {
			return c, name
		}
		return "au au0", name
	}, removed)
	r.beside(x, pad, m, given)
	return r, nil
}

// what says who did what at the moment.
func (r *replayView) what(x *exchange, m *padMoment, who string) {
	r.What = x.t("backups.at.pad", "n", r.At, "of", r.Head)
	act := ""
	switch {
	case m.caret >= 0:
		act = "writes"
	case len(m.gone) > 0:
		act = "removes"
	}
	switch {
	case act != "" && who != "":
		r.What += " · " + x.t("backups."+act, "name", who)
	case act != "":
		r.What += " · " + x.t("backups."+act+".unnamed")
	}
	r.Spoken = r.Moment + ", " + r.What
}

// place chooses the moment of the request and draws the line.
func (r *replayView) place(x *exchange, tr *track) {
	r.Head, r.At, r.Speeds, r.Speed = tr.head(), tr.head(), []int{1, 8, 60}, 8
	r.Max = r.Head + r.Min
	if n, err := strconv.Atoi(x.r.FormValue(r.Param)); err == nil {
		r.At = min(max(n-r.Min, 0), r.Head)
	}
	r.Shown = r.At + r.Min
	r.Line = x.newReplayLine(tr, r.At)
	r.Tick, r.Label, r.Now = r.Line.Height-15, r.Line.Height-4, r.Line.Width-4
	t := tr.time(r.At).In(x.zone)
	r.Moment = days[x.lang][t.Weekday()] + " " + x.day(t) + ", " + t.Format("15:04:05")
	if x.lang == "en" {
		r.Moment = upperFirst(r.Moment)
	}
	if r.At > 0 {
		r.Previous = r.address(r.Shown - 1)
	}
	if r.At < r.Head {
		r.Next = r.address(r.Shown + 1)
	}
	speed, _ := strconv.Atoi(x.r.FormValue("speed")) // 8 unless it is one
	if speed < 1 || speed > maxSpeed {
		speed = 8
	}
	to, wait := tr.next(r.At, speed, x.r.FormValue("skip") != "")
	r.To, r.Wait = to, wait.Milliseconds()
	r.Days = x.dayStarts(tr, r.Line)
}

// address returns the address of a moment as people count it.
func (r *replayView) address(n int) string {
	q := url.Values{r.Param: {strconv.Itoa(n)}}
	for _, h := range r.Hidden {
		q.Set(h.Value, h.Label)
	}
	return r.Address + "?" + q.Encode()
}

// maxDays is how many days the keys for pages know.
const maxDays = 400

// dayStarts lists the first moment of each day, or of each piece of the line where all is of one day.
func (x *exchange) dayStarts(tr *track, l *replayLine) string {
	var list []string
	next := int64(0)
	for i, ms := range tr.times {
		if ms < next {
			continue
		}
		t := time.UnixMilli(ms).In(x.zone)
		next = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, x.zone).UnixMilli()
		if list = append(list, strconv.Itoa(i)); len(list) == maxDays {
			break
		}
	}
	if len(list) == 1 {
		list = list[:0]
		for _, s := range l.spans {
			list = append(list, strconv.Itoa(s.first))
		}
	}
	return strings.Join(list, " ")
}

// beside lists authors and messages.
func (r *replayView) beside(x *exchange, pad *padReplay, m *padMoment, given map[string]string) {
	tr := pad.track
	r.People, r.Messages = len(tr.authors), pad.doc.ChatHead()+1
	all := 0
	for id, n := range m.counts {
		if id != "" {
			all += n
		}
	}
	for i, a := range tr.authors {
		if a.First > r.At {
			continue
		}
		if len(r.Authors) == 40 {
			break
		}
		n := replayAuthor{ID: a.ID, Name: a.Name, Class: authorClass(i)}
		if a.Name == "" {
			n.Given = given[a.ID]
			n.Name, n.Form = n.Given, r.Action != ""
		}
		if all > 0 {
			n.Share = x.t("backups.percent", "n", (100*m.counts[a.ID]+all/2)/all)
		}
		r.Authors = append(r.Authors, n)
	}
	t := tr.time(r.At)
	last := len(pad.chat)
	if r.At < r.Head {
		for last > 0 && pad.chat[last-1].Time.After(t) {
			last--
		}
	}
	first := max(0, last-shownMessages)
	r.ChatMore = first
	for _, c := range pad.chat[first:last] {
		name := c.Name
		if name == "" {
			name = given[c.Author]
		}
		at := c.Time.In(x.zone)
		clock := at.Format("15:04")
		if daysBetween(at, t.In(x.zone)) != 0 {
			clock = x.day(at) + ", " + clock
		}
		r.Chat = append(r.Chat, replayMessage{name, clock, shorten(c.Text, 2000)})
	}
}
