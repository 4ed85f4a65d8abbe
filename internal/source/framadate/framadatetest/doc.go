// Package framadatetest is a Framadate server for tests: one that behaves as the real ones of versions 0.9 to 1.1.19
// were measured to, with what surprises in each of them.
//
// Nearly everything is 200 and text/html, entities are named even in addresses, links of the administration
// page delete when they are requested, the CSV loses what it does not escape, and the pages are in the visitor's
// language. It keeps polls in memory. A Server is safe for concurrent use.
package framadatetest

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Version is a version of Framadate, those between which an answer differs.
type Version int

// The versions.
const (
	V0_9    Version = iota // 0.9.6: no passwords, comments without a date, ISO dates in English, else dd/mm/yyyy
	V1_0                   // 1.0.3: passwords, chosen ids, unanswered choices, dates of comments
	V1_1                   // 1.1.0 to 1.1.16: markdown, a maximum of votes, the hidden label beside names
	V1_1_17                // iCal
	V1_1_18                // numbers of comments on public pages, dates of expiry in the language's form
	V1_1_19
)

// Versions are all of them, the oldest first.
var Versions = []Version{V0_9, V1_0, V1_1, V1_1_17, V1_1_18, V1_1_19}

// String returns it as it is known.
func (v Version) String() string {
	return [...]string{"0.9", "1.0", "1.1", "1.1.17", "1.1.18", "1.1.19"}[v]
}

// Options say what kind of instance it is.
type Options struct {
	Version  Version
	Language string         // when the visitor asks for none that there is; "" is "fr"
	Only     []string       // the languages there are; empty for all
	Scripts  bool           // no rewriting: only script addresses
	Zone     *time.Location // PHP's; nil is UTC
	Database *time.Location // of the times of comments; nil is UTC
	Now      func() time.Time
	Purge    int    // days between expiry and deletion; 0 is 60
	Mail     bool   // it sends mail, and wants the author's address
	PHP7     bool   // a blank choice is "No" in the CSV
	Path     string // the sub-path it lives below, "/framadate"
	Name     string // of the instance
}

// Rights say who may edit votes, as the program numbers them.
type Rights int

// The rights.
const (
	EditNone Rights = iota
	EditAll
	EditOwn
)

// Slot is a day with its moments, or a choice of a classic poll.
type Slot struct {
	Day     time.Time // any instant of that day in PHP's zone
	Moments []string  // of a day: none is one without a name. A comma splits one in two
	Title   string    // of a classic poll, markdown
	number  int
}

// Vote is one voter's line.
type Vote struct {
	Number  int
	Uniq    string
	Name    string
	Choices string // one character for a column: 2 yes, 1 if need be, 0 no, blank unanswered
}

// Comment is one.
type Comment struct {
	Number int
	Name   string
	Text   string
	Date   time.Time
}

// Poll is one, of dates unless it is Classic.
type Poll struct {
	ID, Admin     string
	Title         string
	Author        string
	Mail          string
	Description   string // markdown
	Classic       bool
	Slots         []Slot
	Votes         []*Vote
	Comments      []*Comment
	Hidden        bool
	Password      string
	ResultsPublic bool // with a password
	Locked        bool
	Editable      Rights
	Expires       time.Time
	Max           int // yes votes for a column; 0 is without limit
}

// Server is an instance.
type Server struct {
	*httptest.Server
	options Options

	mu        sync.Mutex // guards everything below
	polls     map[string]*Poll
	sessions  map[string]*session
	requests  []string
	down      bool
	number    int
	intercept func(http.ResponseWriter, *http.Request) bool
}

// session is what PHP keeps of a visitor.
type session struct {
	language  string
	passwords map[string]string
	own       map[string]string // by poll: the vote that the visitor may edit
	form      *Poll             // the poll that is being created
}

// New starts an instance that ends with the test.
func New(tb testing.TB, options Options) *Server {
	tb.Helper()
	options.Language = cmp.Or(options.Language, "fr")
	options.Zone = cmp.Or(options.Zone, time.UTC)
	options.Database = cmp.Or(options.Database, time.UTC)
	options.Purge = cmp.Or(options.Purge, 60)
	options.Name = cmp.Or(options.Name, "Framadate")
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{options: options, polls: map[string]*Poll{}, sessions: map[string]*session{}}
	s.Server = httptest.NewServer(s)
	tb.Cleanup(s.Close)
	return s
}

// Add stores a poll and returns it with the ids that it did not have. The server owns it from then on: change it with
// Change.
func (s *Server) Add(p *Poll) *Poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(p)
	return p
}

func (s *Server) add(p *Poll) {
	if p.ID == "" {
		p.ID = s.token(16)
		p.Admin = cmp.Or(p.Admin, p.ID+s.token(8))
	}
	p.Admin = cmp.Or(p.Admin, s.token(24))
	if p.Expires.IsZero() {
		p.Expires = s.options.Now().AddDate(0, 6, 0)
	}
	for i := range p.Slots {
		s.number++
		p.Slots[i].number = s.number
		if len(p.Slots[i].Moments) == 0 {
			p.Slots[i].Moments = []string{""}
		}
		// They are stored joined by commas.
		p.Slots[i].Moments = strings.Split(strings.Join(p.Slots[i].Moments, ","), ",")
	}
	if !p.Classic {
		slices.SortStableFunc(p.Slots, func(a, b Slot) int { return a.Day.Compare(b.Day) })
	}
	for _, v := range p.Votes {
		s.number++
		v.Number = s.number
		v.Uniq = cmp.Or(v.Uniq, s.token(16))
	}
	for _, c := range p.Comments {
		s.number++
		c.Number = s.number
	}
	s.polls[strings.ToLower(p.ID)] = p
}

// token returns the next id of a length; the same ones in every run.
func (s *Server) token(length int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	s.number++
	sum := md5.Sum(fmt.Appendf(nil, "%d", s.number))
	token := make([]byte, length)
	for i := range token {
		token[i] = letters[(int(sum[i%16])+i*7)%len(letters)]
	}
	return string(token)
}

// Change lets f change a poll; a nil f deletes it.
func (s *Server) Change(id string, f func(*Poll)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f == nil {
		delete(s.polls, strings.ToLower(id))
		return
	}
	f(s.polls[strings.ToLower(id)])
}

// Look lets f look at a poll, nil if there is none.
func (s *Server) Look(id string, f func(*Poll)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.polls[strings.ToLower(id)])
}

// IDs returns those of all polls, sorted.
func (s *Server) IDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, p := range s.polls {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

// SetDown takes the database away, or gives it back.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Intercept lets f answer instead, when it returns true: a front server, a captive portal.
func (s *Server) Intercept(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// Requests returns "METHOD URI" of what was asked since the last call.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := s.requests
	s.requests = nil
	return requests
}

// root is the instance's address with a slash at the end, as the program knows it.
func (s *Server) root() string { return s.URL + s.options.Path + "/" }

// Poll returns the public address of a poll.
func (s *Server) Poll(p *Poll) string { return s.address(p.ID, false, "", "", "") }

// Administration returns the secret one.
func (s *Server) Administration(p *Poll) string { return s.address(p.Admin, true, "", "", "") }

// Edit returns the address by which one line is edited.
func (s *Server) Edit(p *Poll, uniq string) string { return s.address(p.ID, false, uniq, "", "") }

func (s *Server) address(id string, admin bool, vote, action, value string) string {
	if s.options.Scripts {
		address := s.root() + "studs.php?poll=" + id
		if admin {
			address = s.root() + "adminstuds.php?poll=" + id
		}
		switch {
		case vote != "":
			return address + "&vote=" + vote + "#edit"
		case action != "":
			return address + "&" + action + "=" + base64url(value)
		}
		return address
	}
	address := s.root() + id
	if admin {
		address += "/admin"
	}
	switch {
	case vote != "":
		return address + "/vote/" + vote + "#edit"
	case action != "" && value == "":
		return address + "/action/" + action
	case action != "":
		return address + "/action/" + action + "/" + base64url(value)
	}
	return address
}

// columns is how many cells a vote should have.
func (p *Poll) columns() int {
	if p.Classic {
		return len(p.Slots)
	}
	count := 0
	for _, slot := range p.Slots {
		count += len(slot.Moments)
	}
	return count
}

// control is the program's hash of the columns.
func (p *Poll) control() string {
	var text strings.Builder
	for _, slot := range p.Slots {
		fmt.Fprintf(&text, "%d@%s;", slot.number, strings.Join(slot.Moments, ","))
	}
	sum := md5.Sum([]byte(text.String()))
	return hex.EncodeToString(sum[:])
}

// count returns how many said yes and if need be to each column that a vote has a cell for.
func (p *Poll) count() (yes, inb []int) {
	yes, inb = make([]int, p.columns()), make([]int, p.columns())
	for _, v := range p.Votes {
		for i := 0; i < len(v.Choices) && i < len(yes); i++ {
			switch v.Choices[i] {
			case '2':
				yes[i]++
			case '1':
				inb[i]++
			}
		}
	}
	return yes, inb
}
