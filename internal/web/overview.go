package web

import (
	"time"

	"github.com/havre-cloud/havre/internal/hub"
)

// overviewRoutes are the first page of the administration.
func (s *Server) overviewRoutes() []route {
	return []route{
		{pattern: "GET /admin", need: needAdmin, handle: s.showOverview},
	}
}

// overviewFolders is how many folders the overview shows, and maxMarks how many devices of each.
const (
	overviewFolders = 8
	maxMarks        = 24
)

// overviewPage is what overview/page shows.
type overviewPage struct {
	Seen    string // the version of what is shown
	Today   string
	Needs   []adminNeed
	Folders []adminFolder
	All     int // folders
	Recent  *hub.Recent
	Bars    []bar
	Hours   []bar
	Ticks   []tick
	Commits int64 // in 24 hours
	Health  *hub.Health
	Used    int64 // percent of the disk
	Up      string
	Version string
	Cert    time.Time
	In, Out int64 // bytes of the last hour, -1 if nobody counts
}

// bar is one of a time line, in units of its picture.
type bar struct {
	X, Y, H float64
	Title   string
}

// tick is a word below a time line.
type tick struct {
	X    float64
	Text string
	End  bool
}

// showOverview says what needs somebody, and how everything else is.
func (s *Server) showOverview(x *exchange) error {
	p := overviewPage{Version: s.opts.Version, Cert: s.opts.CertificateEnd, In: -1}
	states, seen, err := x.statesNow()
	if err != nil {
		return err
	}
	p.Seen = seen
	if p.Needs, err = x.adminNeeds(); err != nil {
		return err
	}
	rows := x.folderRows(states)
	sortWorst(rows)
	for _, r := range rows {
		if r.Archived {
			continue
		}
		p.All++
		if len(p.Folders) < overviewFolders {
			p.Folders = append(p.Folders, r)
		}
	}
	if p.Recent, err = x.hub.Recent(x.ctx(), x.zone); err != nil {
		return err
	}
	if p.Health, err = x.hub.Health(x.ctx()); err != nil {
		return err
	}
	if p.Health.Disk > 0 {
		p.Used = (p.Health.Disk - p.Health.Free) * 100 / p.Health.Disk
	}
	if s.opts.Traffic != nil {
		p.In, p.Out = s.opts.Traffic()
	}
	p.Up = x.span(x.now.Sub(p.Health.Started))
	day := x.now.In(x.zone)
	p.Today = x.longDay(day)
	p.draw(x, day)
	return x.page("overview/page", page{Title: x.t("core.nav.overview"), Nav: navAdmin, At: "overview", Data: p})
}

// draw makes the bars: days in a picture 460 wide and 130 high, hours in one of the same width.
func (p *overviewPage) draw(x *exchange, today time.Time) {
	const width, height = 460.0, 110.0
	days := p.Recent.Days[:]
	step := width / float64(len(days))
	for i, n := range days {
		day := today.AddDate(0, 0, i-len(days)+1)
		b := bar{X: float64(i)*step + 2, H: barHeight(n, days, height), Title: x.day(day) + ": " + x.t("admin.changes", "n", n)}
		b.Y = height - b.H
		p.Bars = append(p.Bars, b)
		if i%10 == 0 {
			p.Ticks = append(p.Ticks, tick{X: b.X, Text: x.day(day)})
		}
	}
	p.Ticks = append(p.Ticks, tick{X: width, Text: x.t("admin.now"), End: true})
	const low = 36.0
	hours := p.Recent.Hours[:]
	step = width / float64(len(hours))
	for i, n := range hours {
		p.Commits += n
		b := bar{X: float64(i)*step + 2, H: barHeight(n, hours, low), Title: x.t("admin.hour", "n", n, "h", len(hours)-1-i)}
		b.Y = low - b.H
		p.Hours = append(p.Hours, b)
	}
}
