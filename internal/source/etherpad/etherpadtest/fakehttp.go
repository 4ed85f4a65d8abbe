package etherpadtest

import (
	"crypto/sha1" // an ETag, as Express makes them
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var spaces = regexp.MustCompile(`[\s:]+`)

// padPath is /p/NAME, /p/NAME/export/TYPE, /p/NAME/REV/export/TYPE, /p/NAME/import or /p/NAME/timeslider.
var padPath = regexp.MustCompile(`^/p/(.+?)(?:/(?:([^/]+)/)?export/([^/]+)|/(import)|/timeslider)?$`)

// validName is what a pad may be called.
var validName = regexp.MustCompile(`^(g\.[a-zA-Z0-9]{16}\$)?[^$]{1,50}$`)

func (f *Fake) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/socket.io/", f.socket)
	mux.HandleFunc("/api", f.apiVersion)
	mux.HandleFunc("/api/", f.api)
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"totalUsers":0}`) })
	mux.HandleFunc("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "User-agent: *\nDisallow: /admin\nDisallow: /p/\n")
	})
	if !f.old() {
		mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/health+json")
			fmt.Fprintf(w, `{"status":"pass","releaseId":%q}`, f.options.Version)
		})
		mux.HandleFunc("POST /oidc/token", f.token)
	}
	if f.options.MyPads != nil {
		mux.HandleFunc("POST /mypads/api/auth/login", f.myPadsLogin)
		mux.HandleFunc("GET /mypads/api/group", f.myPadsGroups)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		mute, stopped := f.mute, f.stopped
		f.mu.Unlock()
		if mute {
			hang(r, stopped)
			return
		}
		w.Header().Set("X-Powered-By", "Express")
		open := strings.HasPrefix(r.URL.Path, "/api") || r.URL.Path == "/stats" || r.URL.Path == "/health" || strings.HasPrefix(r.URL.Path, "/socket.io/")
		if f.options.User != "" && !open {
			user, password, _ := r.BasicAuth()
			if user != f.options.User || password != f.options.Password {
				w.Header().Set("WWW-Authenticate", `Basic realm="Protected Area"`)
				text(w, http.StatusUnauthorized, "Authentication Required")
				return
			}
		}
		if strings.HasPrefix(r.URL.Path, "/p/") { // past the mux, which tidies paths
			f.pad(w, r, stopped)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// hang keeps a request without an answer.
func hang(r *http.Request, stopped <-chan struct{}) {
	select {
	case <-r.Context().Done():
	case <-stopped:
	}
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, s)
}

func cannot(w http.ResponseWriter, r *http.Request) {
	text(w, http.StatusNotFound, fmt.Sprintf("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n"+
		"</head>\n<body>\n<pre>Cannot %s %s</pre>\n</body>\n</html>\n", r.Method, html.EscapeString(r.URL.Path)))
}

// pad answers everything below /p/.
func (f *Fake) pad(w http.ResponseWriter, r *http.Request, stopped <-chan struct{}) {
	m := padPath.FindStringSubmatch(r.URL.Path)
	if m == nil || strings.HasSuffix(r.URL.Path, "/") || !validName.MatchString(m[1]) {
		text(w, http.StatusNotFound, "Such a padname is forbidden")
		return
	}
	name, rev, kind, importing := m[1], m[2], m[3], m[4] != ""
	if clean := spaces.ReplaceAllString(name, "_"); clean != name {
		w.Header().Set("Location", path.Base(clean)) // relative: with an export it never ends
		text(w, http.StatusFound, "You should be redirected to <a href=\""+clean+"\">"+clean+"</a>")
		return
	}
	if kind == "" && !importing {
		if f.options.User != "" { // who got here has signed in
			w.Header().Set("Set-Cookie", "express_sid="+f.signedIn()+"; Path=/; HttpOnly; SameSite=Lax")
		}
		text(w, http.StatusOK, "<!doctype html>\n<html>\n<title>Etherpad</title>\n<div id=\"editorcontainerbox\"></div>\n<script src=\"../socket.io/socket.io.js\"></script>\n</html>\n")
		return
	}
	if !f.counted(w) {
		if f.old() {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.options.window().Seconds())))
			text(w, http.StatusTooManyRequests, "Too many requests, please try again later.")
		} else {
			hang(r, stopped)
		}
		return
	}
	var session string
	if c, err := r.Cookie("sessionID"); err == nil {
		session = c.Value
	}
	if importing {
		f.importPad(w, r, name, session)
		return
	}
	f.exportPad(w, r, name, rev, kind, session)
}

// signedIn is the cookie of who gave the right password.
func (f *Fake) signedIn() string { return id("", f.address+f.options.User+f.options.Password, 32) }

// counted writes the headers of the limit, and tells whether there is an answer.
func (f *Fake) counted(w http.ResponseWriter) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	remaining, ok := f.exports.take(f.options.limit(), f.options.window())
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(f.options.limit()))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(f.exports.until.Add(time.Second-1).Unix(), 10))
	return ok
}

func (f *Fake) exportPad(w http.ResponseWriter, r *http.Request, name, rev, kind, session string) {
	switch kind {
	case "txt", "html", "etherpad":
	case "pdf", "doc", "odt":
		text(w, http.StatusOK, "This export is not enabled at this Etherpad instance. Set the path to Abiword or soffice (LibreOffice) in settings.json to enable this feature")
		return
	default:
		cannot(w, r)
		return
	}
	f.mu.Lock()
	body, status := f.render(name, rev, kind, session)
	f.mu.Unlock()
	switch status {
	case http.StatusOK:
	case http.StatusNotFound:
		cannot(w, r)
		return
	case http.StatusForbidden:
		text(w, status, "403 - Can't touch this")
		return
	default:
		text(w, status, "Internal Server Error")
		return
	}
	h := w.Header()
	h.Set("Content-Type", map[string]string{"txt": "text/plain", "html": "text/html", "etherpad": "application/octet-stream"}[kind]+"; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name+"."+kind))
	h.Set("Access-Control-Allow-Origin", "*")
	sum := sha1.Sum(body)
	tag := fmt.Sprintf(`W/"%x-%s"`, len(body), base64.RawStdEncoding.EncodeToString(sum[:]))
	h.Set("ETag", tag)
	if f.old() {
		h.Set("Set-Cookie", "express_sid=s%3A"+id("", time.Now().String(), 32)+"; Path=/; HttpOnly; SameSite=Lax")
	}
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// render returns an export and its status; it is called with the lock held.
func (f *Fake) render(name, rev, kind, session string) ([]byte, int) {
	known, _, err := f.access(name, session, false)
	if err != nil {
		return nil, http.StatusForbidden
	}
	if known == "" {
		return nil, http.StatusNotFound
	}
	p := f.pads[known]
	t := p.text
	if rev != "" && kind != "etherpad" {
		n, err := strconv.Atoi(rev)
		if err != nil || n < 0 || n > p.head() {
			return nil, http.StatusInternalServerError
		}
		if t, err = p.at(n); err != nil {
			return nil, http.StatusInternalServerError
		}
	}
	switch kind {
	case "txt":
		return []byte(t.String()), http.StatusOK
	case "html":
		title := name
		if f.old() {
			title = known
		}
		return []byte("<!doctype html>\n<html lang=\"en\">\n<head>\n<title>" + html.EscapeString(title) + "</title>\n<meta charset=\"utf-8\">\n</head>\n<body>\n" +
			strings.ReplaceAll(html.EscapeString(t.String()), "\n", "<br>") + "\n</body>\n</html>\n"), http.StatusOK
	}
	body, err := f.export(p, name)
	if err != nil {
		return nil, http.StatusInternalServerError
	}
	return body, http.StatusOK
}

func (f *Fake) importPad(w http.ResponseWriter, r *http.Request, name, session string) {
	if r.Method != http.MethodPost {
		cannot(w, r)
		return
	}
	if c, err := r.Cookie("token"); err == nil && !f.old() && !validToken(c.Value) {
		text(w, http.StatusForbidden, "Forbidden")
		return
	}
	reply := func(status, code int, message string, data any) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		w.Write(mustJSON(map[string]any{"code": code, "message": message, "data": data}))
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		if f.old() {
			reply(http.StatusBadRequest, 1, "uploadFailed", map[string]any{})
		} else {
			reply(http.StatusInternalServerError, 2, "internalError", map[string]any{})
		}
		return
	}
	file, header, err := r.FormFile("file")
	if err != nil {
		reply(http.StatusBadRequest, 1, "uploadFailed", map[string]any{})
		return
	}
	body, err := io.ReadAll(file)
	if err != nil || len(body) == 0 {
		reply(http.StatusBadRequest, 1, "uploadFailed", map[string]any{})
		return
	}
	f.mu.Lock()
	status, code, message, data, dies := f.importFile(name, session, header.Filename, body)
	f.mu.Unlock()
	if status == http.StatusForbidden {
		text(w, status, "Forbidden")
		return
	}
	reply(status, code, message, data)
	if dies {
		if err := http.NewResponseController(w).Flush(); err == nil {
			go f.Kill()
		}
	}
}

// importFile is called with the lock held.
func (f *Fake) importFile(name, session, filename string, body []byte) (status, code int, message string, data any, dies bool) {
	none := map[string]any{}
	known, readOnly, err := f.access(name, session, true)
	if err != nil || readOnly {
		return http.StatusForbidden, 0, "", nil, false
	}
	p := f.pads[known]
	kind := strings.ToLower(path.Ext(filename))
	if kind == ".etherpad" && !f.options.OldImport {
		if p != nil && p.head() >= 10 {
			return http.StatusBadRequest, 1, "padHasData", none, false
		}
		made, missing, err := f.read(body, known)
		switch {
		case err != nil:
			f.makePad(known, nil, "")
			return http.StatusInternalServerError, 2, "internalError", none, false
		case missing == "nothing":
			f.makePad(known, nil, "")
		case missing != "" && !f.old():
			f.makePad(known, nil, "")
			return http.StatusInternalServerError, 2, "internalError", none, missing == "chat"
		default:
			if missing == "revs" {
				made.missing[fmt.Sprint("revs:", len(made.revs))] = true
			}
			f.pads[known] = made
			if missing == "" || len(made.revs) > 0 {
				f.readOnly[f.readOnlyID(known)] = known
			}
		}
		return http.StatusOK, 0, "ok", map[string]any{"directDatabaseAccess": true}, false
	}
	for _, b := range body {
		if b > 0xf0 && b != 0xf3 && b != 0xf4 {
			return http.StatusBadRequest, 1, "uploadFailed", none, false
		}
	}
	content := string(body)
	if kind == ".html" {
		content = plainText(content)
	}
	author := ""
	if !f.old() {
		author = id("a.", time.Now().String(), 16) // each import without a token makes one
		f.authors[author] = &fakeAuthor{Color: 3, Seen: time.Now().UnixMilli()}
	}
	if p == nil {
		empty := ""
		if p, err = f.makePad(known, &empty, author); err != nil {
			return http.StatusInternalServerError, 2, "internalError", none, false
		}
	}
	if err := f.write(p, 0, p.text.Len()-1, strings.TrimSuffix(content, "\n"), author); err != nil {
		return http.StatusInternalServerError, 2, "internalError", none, false
	}
	return http.StatusOK, 0, "ok", map[string]any{"directDatabaseAccess": false}, false
}

var (
	dropped = regexp.MustCompile(`(?is)<head>.*?</head>|<style.*?</style>|<!doctype[^>]*>`)
	broken  = regexp.MustCompile(`(?i)<br\s*/?>|</p>|</li>|</div>|</h\d>`)
	tag     = regexp.MustCompile(`<[^>]*>`)
)

// plainText is what is left of a page that was imported.
func plainText(page string) string {
	page = strings.ReplaceAll(dropped.ReplaceAllString(page, ""), "\n", "")
	return html.UnescapeString(tag.ReplaceAllString(broken.ReplaceAllString(page, "\n"), ""))
}

func (f *Fake) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if f.options.OAuth == "" || r.PostFormValue("grant_type") != "client_credentials" ||
		r.PostFormValue("client_id")+":"+r.PostFormValue("client_secret") != f.options.OAuth {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":"invalid_client","error_description":"client authentication failed"}`)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	token := id("", time.Now().String(), 40)
	f.tokens[token] = true
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600,"token_type":"Bearer"}`, token)
}

func (f *Fake) myPadsLogin(w http.ResponseWriter, r *http.Request) {
	var login struct{ Login, Password string }
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewDecoder(r.Body).Decode(&login); err != nil || f.options.MyPads[login.Login] != login.Password || login.Password == "" {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"BACKEND.ERROR.AUTHENTICATION.PASSWORD_INCORRECT"}`)
		return
	}
	fmt.Fprintf(w, `{"success":true,"user":{"login":%q},"token":%q}`, login.Login, "token-of-"+login.Login)
}

func (f *Fake) myPadsGroups(w http.ResponseWriter, r *http.Request) {
	login, ok := strings.CutPrefix(r.URL.Query().Get("auth_token"), "token-of-")
	w.Header().Set("Content-Type", "application/json")
	if !ok || f.options.MyPads[login] == "" {
		text(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	pads := map[string]any{}
	for _, name := range f.options.MyPadsPads[login] {
		pads[name] = map[string]any{"_id": name, "name": "Title of " + name, "group": "group-1", "visibility": nil}
	}
	w.Write(mustJSON(map[string]any{"value": map[string]any{
		"groups": map[string]any{"group-1": map[string]any{"_id": "group-1", "name": "Our group", "visibility": "restricted", "pads": f.options.MyPadsPads[login]}},
		"pads":   pads, "users": map[string]any{}, "admins": map[string]any{},
	}}))
}
