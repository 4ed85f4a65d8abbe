package framadatetest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	validID    = regexp.MustCompile(`^[A-Za-z0-9-]*$`)
	validAdmin = regexp.MustCompile(`^[A-Za-z0-9]{24}$`)
	cleanPoll  = regexp.MustCompile(`^([A-Za-z0-9-]+)(?:/(vote)/([A-Za-z0-9]{16})|/action/([A-Za-z_-]+)/(.+))?$`)
	cleanAdmin = regexp.MustCompile(`^([A-Za-z0-9-]{24})/admin(?:/(vote)/([A-Za-z0-9]{16})|/action/([A-Za-z_-]+)(?:/(.+))?)?$`)
)

// visit is one request.
type visit struct {
	*Server
	w       http.ResponseWriter
	r       *http.Request
	session *session
	code    string // of the language
	lang    language
	query   url.Values
	form    url.Values // what a POST sent
}

// ServeHTTP answers as the program with its rewriting rules does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	intercept := s.intercept
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path, inside := strings.CutPrefix(r.URL.Path, s.options.Path+"/")
	if !inside {
		notFound(w)
		return
	}
	v := &visit{Server: s, w: w, r: r, query: r.URL.Query()}
	if path == "maintenance.php" {
		v.begin(false)
		v.maintenance()
		return
	}
	script := v.rewrite(path)
	if script == "" {
		notFound(w)
		return
	}
	if s.down {
		w.Header().Set("Location", s.root()+"maintenance.php")
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusFound)
		return
	}
	v.begin(true)
	v.run(script)
}

// notFound is the web server's own page.
func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=iso-8859-1")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>404 Not Found</title>\n</head><body>\n<h1>Not Found</h1>\n</body></html>\n"))
}

// rewrite turns a clean address into a script and its query, as the web server's rules do. The query that was there is
// lost.
func (v *visit) rewrite(path string) string {
	switch path {
	case "", "index.php", "studs.php", "adminstuds.php", "exportcsv.php", "create_poll.php", "create_date_poll.php",
		"create_classic_poll.php", "action/add_comment.php":
		return path
	}
	if v.options.Scripts {
		return ""
	}
	script, match := "studs.php", cleanPoll.FindStringSubmatch(path)
	if m := cleanAdmin.FindStringSubmatch(path); m != nil {
		script, match = "adminstuds.php", m
	}
	if match == nil {
		return ""
	}
	if v.options.Version == V0_9 && script == "studs.php" && len(match[1]) != 16 {
		return ""
	}
	v.query = url.Values{"poll": {match[1]}}
	if match[2] != "" {
		v.query.Set("vote", match[3])
	}
	if match[4] != "" {
		v.query.Set(match[4], match[5])
	}
	return script
}

// begin opens the session and finds the language: query, session, header in written order, default.
func (v *visit) begin(database bool) {
	_ = v.r.ParseForm()
	v.form = v.r.PostForm //nolint:forbidigo // the request's
	key := ""
	if cookie, err := v.r.Cookie("PHPSESSID"); err == nil {
		key = cookie.Value
	}
	if v.sessions[key] == nil {
		key = v.token(26)
		v.sessions[key] = &session{passwords: map[string]string{}, own: map[string]string{}}
		http.SetCookie(v.w, &http.Cookie{Name: "PHPSESSID", Value: key, Path: "/"})
	}
	v.session = v.sessions[key]
	header := v.w.Header()
	header.Set("Expires", "Thu, 19 Nov 1981 08:52:00 GMT")
	header.Set("Cache-Control", "no-store, no-cache, must-revalidate")
	header.Set("Pragma", "no-cache")
	header.Set("Content-Type", "text/html; charset=UTF-8")
	if database && v.r.PostFormValue("lang") != "" {
		v.session.language = v.r.PostFormValue("lang")
	}
	wanted := []string{v.query.Get("lang"), v.session.language}
	for part := range strings.SplitSeq(v.r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(part, ";")
		wanted = append(wanted, strings.TrimSpace(tag))
	}
	v.code, v.lang = v.options.Language, languages[v.options.Language]
	for _, tag := range wanted {
		code, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if l, found := languages[code]; found && (len(v.options.Only) == 0 || slices.Contains(v.options.Only, code)) {
			v.code, v.lang = tag, l
			return
		}
	}
}

func (v *visit) run(script string) {
	switch script {
	case "", "index.php":
		v.page("", `<p><a href="`+v.root()+`create_poll.php?type=date">+</a></p>`)
	case "studs.php":
		v.public()
	case "adminstuds.php":
		v.administration()
	case "exportcsv.php":
		v.csv()
	case "create_poll.php":
		v.createFirst()
	case "create_date_poll.php", "create_classic_poll.php":
		v.createNext(script == "create_classic_poll.php")
	case "action/add_comment.php":
		v.addCommentAction()
	}
}

// find returns the poll of an id, whatever its case is: the database's collation does not tell.
func (v *visit) find(id string) *Poll {
	if !validID.MatchString(id) || v.options.Version == V0_9 && strings.Contains(id, "-") {
		return nil
	}
	return v.polls[strings.ToLower(id)]
}

func (v *visit) findAdmin(id string) *Poll {
	if !validAdmin.MatchString(id) {
		return nil
	}
	for _, p := range v.polls {
		if strings.EqualFold(p.Admin, id) {
			return p
		}
	}
	return nil
}

// granted says whether the session has given the poll's password.
func (v *visit) granted(p *Poll) bool {
	return p.Password == "" || v.session.passwords[p.ID] == p.Password
}

func (v *visit) expired(p *Poll) bool { return p.Expires.Before(v.options.Now()) }

// public is studs.php.
func (v *visit) public() {
	p := v.find(v.query.Get("poll"))
	if v.query.Get("poll") == "" || p == nil {
		v.failure(v.lang.missing)
		return
	}
	look := look{poll: p, granted: true, visible: true}
	if p.Password != "" && v.options.Version >= V1_0 {
		given := v.r.PostFormValue("password")
		if given != "" {
			v.session.passwords[p.ID] = given
		}
		look.granted, look.visible = v.granted(p), p.ResultsPublic
		if !look.granted {
			look.message, look.danger = v.lang.needs, true
			if given != "" {
				look.message = v.lang.wrong
			}
		}
	}
	if look.granted {
		look.editing = v.query.Get("vote")
		v.save(&look)
		if v.options.Version == V0_9 && v.form.Has("add_comment") {
			v.addComment(p, v.r.PostFormValue("name"), v.r.PostFormValue("comment"))
		}
	}
	if v.query.Has("get_ical_file") && v.options.Version >= V1_1_17 {
		if v.ical(p, unbase64(v.query.Get("get_ical_file"))) {
			return
		}
	}
	v.poll(&look)
}

// administration is adminstuds.php. Its links change what they name as soon as they are requested.
func (v *visit) administration() {
	p := v.findAdmin(v.query.Get("poll"))
	if p == nil {
		v.failure(v.lang.missing)
		return
	}
	look := look{poll: p, admin: true, granted: true, visible: true, editing: v.query.Get("vote")}
	v.update(p)
	v.save(&look)
	if v.options.Version == V0_9 && v.form.Has("add_comment") {
		v.addComment(p, v.r.PostFormValue("name"), v.r.PostFormValue("comment"))
	}
	if number := unbase64(v.query.Get("delete_vote")); number != "" {
		p.Votes = slices.DeleteFunc(p.Votes, func(vote *Vote) bool { return fmt.Sprint(vote.Number) == number })
	}
	if v.query.Has("delete_column") {
		v.deleteColumn(p, unbase64(v.query.Get("delete_column")))
	}
	v.poll(&look)
}

func (v *visit) deleteColumn(p *Poll, column string) {
	if p.Classic {
		p.Slots = slices.DeleteFunc(p.Slots, func(slot Slot) bool { return slot.Title == column })
		return
	}
	day, moment, _ := strings.Cut(column, "@")
	for i := range p.Slots {
		if fmt.Sprint(v.midnight(p.Slots[i].Day).Unix()) == day {
			p.Slots[i].Moments = slices.DeleteFunc(p.Slots[i].Moments, func(m string) bool { return m == moment })
		}
	}
	p.Slots = slices.DeleteFunc(p.Slots, func(slot Slot) bool { return len(slot.Moments) == 0 })
}

// midnight is the instant at which a day begins where PHP is.
func (v *visit) midnight(t time.Time) time.Time {
	t = t.In(v.options.Zone)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, v.options.Zone)
}
