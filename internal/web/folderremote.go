package web

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// remoteTry is how long a server is given to answer while a person waits.
const remoteTry = 25 * time.Second

// remoteForm is what somebody typed to reach a repository, and what came of it.
type remoteForm struct {
	Dir, Root, Name string
	User            string
	// Password comes back in the form that asks about something else, which no browser keeps (no-store).
	Password string
	// Certificate and Key are PEM of what havre signs in with, read from files.
	Certificate, Key string
	// Accepted is the fingerprint of the certificate that the person has accepted.
	Accepted string
	Wrong    string
	At       string // the field that is wrong: "dir", "root", "name", "login", "certificate"; empty if it is none
	Advice   string
	Ask      *certificateView // to be compared and accepted
}

// certificateView is a certificate that nobody vouches for.
type certificateView struct {
	Host, Why            string
	Names, Issuer, Until string
	Fingerprint          string // SHA-256 of the certificate, as other programs show it
	Key                  string // SHA-256 of its key, in hexadecimal
}

// readRemote reads the fields that both forms have.
func (x *exchange) readRemote() remoteForm {
	f := remoteForm{
		Dir: strings.TrimSpace(x.r.PostFormValue("dir")), Root: strings.Trim(strings.TrimSpace(x.r.PostFormValue("root")), "/"),
		Name: x.r.PostFormValue("name"), User: strings.TrimSpace(x.r.PostFormValue("user")), Password: x.r.PostFormValue("password"),
		Accepted: x.r.PostFormValue("accepted"),
	}
	if now := x.r.PostFormValue("accept"); now != "" {
		f.Accepted = now
	}
	return f
}

// maxCertificate is how many bytes the files of a certificate may have together.
const maxCertificate = 512 << 10

// readCertificate reads the files with a certificate and its key, if some were chosen, and says in the form what is wrong.
func (x *exchange) readCertificate(f *remoteForm) {
	if x.r.MultipartForm == nil {
		return
	}
	files := x.r.MultipartForm.File["certificate"]
	var data []byte
	for i, header := range files {
		if i > 0 {
			data = append(data, '\n')
		}
		part, err := header.Open()
		if err != nil {
			continue // it was there when the form was read
		}
		more, _ := io.ReadAll(io.LimitReader(part, maxCertificate+1)) // a part that breaks off is no certificate
		_ = part.Close()
		data = append(data, more...)
	}
	if len(data) == 0 {
		return
	}
	var err error
	f.Certificate, f.Key, err = hub.ReadClientCertificate(data, x.r.PostFormValue("certificate-password"))
	switch {
	case errors.Is(err, hub.ErrCertificatePassword):
		f.Wrong, f.At = x.t("remote.own.password.wrong"), "certificate"
	case err != nil:
		f.Wrong, f.At = cmp.Or(x.told(err), x.t("remote.own.wrong")), "certificate"
	}
}

func (f *remoteForm) login() hub.RemoteLogin {
	return hub.RemoteLogin{User: f.User, Password: f.Password, Fingerprint: f.Accepted, Certificate: f.Certificate, Key: f.Key}
}

// failed says in the form what is wrong, beside the field it is about. It returns what is no fault of what was typed.
func (f *remoteForm) failed(x *exchange, err error) error {
	if bad, ok := errors.AsType[*hub.CertificateError](err); ok {
		f.Ask = x.certificateView(bad)
		return nil
	}
	if p, ok := errors.AsType[*hub.RemoteError](err); ok {
		f.Wrong = x.told(err)
		if p.Reason != hub.RemoteAway && p.Reason != hub.RemoteTunnel { // whose sentences say what to do
			f.Advice = x.t("remote.advice." + string(p.Reason))
		}
		switch p.Reason {
		case hub.RemoteSignIn, hub.RemoteRead, hub.RemoteWrite:
			f.At = "login"
		default:
			f.At = "dir"
		}
		if p.Reason == hub.RemoteSignIn {
			f.Password = ""
		}
		return nil
	}
	if f.Wrong = x.formError(err); f.Wrong != "" {
		f.At = "dir"
		return nil
	}
	return err
}

// certificateView describes a certificate to who has to compare it.
func (x *exchange) certificateView(bad *hub.CertificateError) *certificateView {
	v := &certificateView{Host: bad.Host, Key: bad.Fingerprint, Why: x.t("remote.certificate.other")}
	switch {
	case isError[x509.UnknownAuthorityError](bad.Err):
		v.Why = x.t("remote.certificate.unknown")
	case isError[x509.HostnameError](bad.Err):
		v.Why = x.t("remote.certificate.names")
	case isError[x509.CertificateInvalidError](bad.Err) && bad.Certificate != nil && x.now.After(bad.Certificate.NotAfter):
		v.Why = x.t("remote.certificate.expired", "when", x.day(bad.Certificate.NotAfter))
	case bad.Certificate != nil && x.now.Before(bad.Certificate.NotBefore):
		v.Why = x.t("remote.certificate.early", "when", x.day(bad.Certificate.NotBefore))
	}
	if c := bad.Certificate; c != nil {
		names := c.DNSNames
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
		v.Names = visible(cmp.Or(strings.Join(names[:min(len(names), 8)], ", "), c.Subject.CommonName))
		v.Issuer = visible(c.Issuer.String())
		if string(c.RawIssuer) == string(c.RawSubject) {
			v.Issuer = x.t("remote.certificate.self")
		}
		v.Until, v.Fingerprint = x.day(c.NotAfter), grouped(hub.CertificateFingerprint(c))
	}
	return v
}

// ownMachine says whether an address is one of this machine.
func ownMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// grouped writes a fingerprint in pairs: "AB:CD:…".
func grouped(hex string) string {
	var pairs []string
	for i := 0; i+1 < len(hex); i += 2 {
		pairs = append(pairs, strings.ToUpper(hex[i:i+2]))
	}
	return strings.Join(pairs, ":")
}

// KeyShown is the fingerprint of the key as people compare it.
func (v *certificateView) KeyShown() string { return grouped(v.Key) }

// adoptFolder makes a folder of a repository: on the server's disks, or on another server.
func (s *Server) adoptFolder(x *exchange) error {
	f := x.readRemote()
	added, err := s.adopt(x, &f)
	if err != nil {
		return err
	}
	if added == nil {
		return s.foldersWith(x, http.StatusUnprocessableEntity, func(p *foldersPage) { p.Form, p.Adopt = "adopt", f })
	}
	x.toast(x.t("admin.folder.adopted", "name", added.Name), nil)
	return x.redirect(adminFolderAddress(added.Name) + "/rights")
}

// adopt returns nil if something in the form is wrong, which the form says then.
func (s *Server) adopt(x *exchange, f *remoteForm) (*store.Folder, error) {
	if _, err := store.CheckFolderName(f.Name); err != nil {
		f.Wrong, f.At = x.told(err), "name"
		return nil, nil //nolint:nilnil // said in the form
	}
	if _, err := svn.CheckPath(f.Root); err != nil {
		f.Wrong, f.At = x.t("remote.root.wrong"), "root"
		return nil, nil //nolint:nilnil // said in the form
	}
	if x.readCertificate(f); f.Wrong != "" {
		return nil, nil //nolint:nilnil // said in the form
	}
	ctx, stop := context.WithTimeout(x.ctx(), remoteTry)
	defer stop()
	var added *store.Folder
	var err error
	switch scheme, _, remote := strings.Cut(f.Dir, "://"); {
	case remote && scheme != "file":
		address := strings.TrimRight(f.Dir, "/")
		if f.Root != "" {
			address += (&url.URL{Path: "/" + f.Root}).EscapedPath()
		}
		added, err = x.admin().AddRemoteFolder(ctx, f.Name, address, f.login())
	case !remote && !strings.HasPrefix(f.Dir, "/") && !strings.ContainsRune(f.Dir, ':'):
		f.Wrong, f.At = x.t("remote.dir.wrong"), "dir"
		return nil, nil //nolint:nilnil // said in the form
	default:
		added, err = x.admin().AdoptFolder(ctx, f.Name, f.Dir, svn.Path(f.Root))
	}
	if err != nil {
		return nil, f.failed(x, err)
	}
	return added, nil
}

// remoteView is what folders/server shows.
type remoteView struct {
	remoteForm
	State          string // of the glyph
	Address, Place string // of the repository, and the directory in it
	Signs          string // as whom, in words
	Tunnel         bool   // svn+ssh: nobody signs in
	Secure, Plain  bool   // https; others can read along
	Pinned         string // the accepted certificate
	Own            string // the certificate that havre shows
	Verdict, Rest  string
}

// Asking is the form for the question about a certificate: what has been accepted is a fact of the page otherwise.
func (v *remoteView) Asking() remoteForm {
	f := v.remoteForm
	if f.Ask == nil && grouped(f.Accepted) == v.Pinned {
		f.Accepted = ""
	}
	return f
}

func (s *Server) showRemote(x *exchange) error {
	return s.remoteWith(x, http.StatusOK, nil)
}

// remoteWith shows the page of the server that a folder is on, with a form if somebody has filled it in.
func (s *Server) remoteWith(x *exchange, status int, typed *remoteForm) error {
	f, elsewhere, err := x.folderOf()
	if err != nil {
		return err
	}
	if elsewhere != "" {
		return x.redirect(elsewhere + "/server")
	}
	ctx, stop := context.WithTimeout(x.ctx(), remoteTry)
	defer stop()
	state, err := x.admin().RemoteState(ctx, &f.Folder)
	if err != nil {
		return err
	}
	if state == nil {
		return notFound()
	}
	v := &remoteView{
		State: "ok", Address: state.Address, Place: string(f.Folder.Prefix), Pinned: grouped(state.Fingerprint), Signs: x.t("remote.signs.nobody"),
		Tunnel: strings.HasPrefix(state.Address, "svn+ssh:"), Secure: strings.HasPrefix(state.Address, "https:"), Verdict: x.t("remote.connected"), Rest: x.t("remote.connected.text"),
	}
	v.User, v.Accepted = state.User, state.Fingerprint
	v.Plain = !v.Tunnel && !v.Secure && !ownMachine(state.Address)
	if c := state.Own; c != nil {
		v.Own = x.t("remote.own.until", "name", visible(cmp.Or(c.Subject.CommonName, c.Subject.String())), "when", x.day(c.NotAfter))
	}
	if state.User != "" {
		v.Signs = state.User
	} else if v.Tunnel {
		v.Signs = x.t("remote.signs.tunnel")
	}
	if typed != nil {
		v.remoteForm = *typed
	}
	if state.Problem != nil {
		v.State, v.Verdict, v.Rest = "stopped", "", cmp.Or(x.told(state.Problem), x.farVerdict(state.Problem))
		if typed == nil && state.Certificate != nil {
			v.Ask = x.certificateView(state.Certificate)
		}
	}
	return s.folderWith(x, "server", status, func(p *folderPage) { p.Remote = v })
}

// changeRemote tries another login and keeps it if it is good. Without a password the present one stays, for the same name.
func (s *Server) changeRemote(x *exchange) error {
	f, elsewhere, err := x.folderOf()
	if err != nil || elsewhere != "" {
		return cmpNotFound(err)
	}
	typed := x.readRemote()
	if x.r.PostFormValue("trust") != "" {
		typed.Accepted = ""
	}
	if x.readCertificate(&typed); typed.Wrong != "" {
		return s.remoteWith(x, http.StatusUnprocessableEntity, &typed)
	}
	ctx, stop := context.WithTimeout(x.ctx(), remoteTry)
	defer stop()
	err = x.admin().ChangeRemoteLogin(ctx, f.Folder.Name, func(l *hub.RemoteLogin) {
		if typed.Password != "" || typed.User != l.User {
			l.Password = typed.Password
		}
		l.User, l.Fingerprint = typed.User, typed.Accepted
		if typed.Certificate != "" || x.r.PostFormValue("without") != "" {
			l.Certificate, l.Key = typed.Certificate, typed.Key
		}
	})
	if err != nil {
		if err := typed.failed(x, err); err != nil {
			return err
		}
		if typed.At == "dir" {
			typed.At = ""
		}
		return s.remoteWith(x, http.StatusUnprocessableEntity, &typed)
	}
	x.toast(x.t("remote.changed", "name", f.Folder.Name), nil)
	return x.redirect(adminFolderAddress(f.Folder.Name) + "/server")
}

// farReason is the word for what is wrong with the other server: one of those that come up when it worked before.
func farReason(err error) hub.RemoteReason {
	if p, ok := errors.AsType[*hub.RemoteError](err); ok {
		switch p.Reason {
		case hub.RemoteAway, hub.RemoteSignIn, hub.RemoteCertificate:
			return p.Reason
		default:
		}
	}
	return hub.RemoteRefused
}

// farVerdict says in one sentence what is wrong with the other server.
func (x *exchange) farVerdict(err error) string {
	return x.t("remote.verdict." + string(farReason(err)))
}

// farSince says since when, and that changes wait.
func (x *exchange) farSince(since time.Time) string {
	if since.IsZero() {
		return x.t("remote.waits")
	}
	return x.t("remote.waits.since", "since", x.since(since))
}

// farNeeds are the servers that an administrator has to look after: one need for each, however many folders it has.
func (x *exchange) farNeeds(states []hub.FolderStatus) []adminNeed {
	var needs []adminNeed
	names := map[string][]string{}
	for i := range states {
		if f := &states[i].Folder; f.RemoteURL() != "" && f.Archived.IsZero() && states[i].Problem != nil {
			names[f.Location] = append(names[f.Location], f.Name)
		}
	}
	for i := range states {
		f := &states[i]
		list := names[f.Folder.Location]
		if len(list) == 0 {
			continue
		}
		delete(names, f.Folder.Location)
		folders := strings.Join(list, ", ")
		n := adminNeed{State: "stopped", Text: x.farSince(f.Since), Link: adminFolderAddress(f.Folder.Name) + "/server", Button: x.t("remote.need.see")}
		switch farReason(f.Problem) {
		case hub.RemoteAway:
			n.Title = x.t("remote.need.away", "folder", folders)
		case hub.RemoteSignIn:
			n.Title, n.Button = x.t("remote.need.signin", "folder", folders), x.t("remote.need.give")
		case hub.RemoteCertificate:
			n.Title, n.Button = x.t("remote.need.certificate", "folder", folders), x.t("remote.need.compare")
		default:
			n.Title, n.Text = x.t("remote.need.refused", "folder", folders), strings.TrimSpace(x.told(f.Problem)+" "+n.Text)
		}
		needs = append(needs, n)
	}
	return needs
}

// folderAway is the page of a folder whose server cannot be asked. The folder comes by itself when it can.
func (s *Server) folderAway(x *exchange, cause error) error {
	if p, ok := errors.AsType[*hub.RemoteError](cause); !ok || havre.CodeOf(p) != havre.CodeUnavailable || x.htmx() && x.r.URL.Query().Has("part") {
		return cause
	}
	name := x.r.PathValue("folder")
	f, err := x.admin().FolderByName(x.ctx(), name)
	if err != nil {
		return err
	}
	v := awayView{Name: f.Name, Verdict: x.farVerdict(cause), Crumbs: []crumb{{x.t("files.folders"), "/"}}}
	if state, err := x.hub.State(x.ctx(), f.ID); err == nil {
		v.Rest = x.farSince(state.Since)
	}
	if x.session.Admin() {
		v.Link = adminFolderAddress(f.Name) + "/server"
	}
	return x.pageStatus(http.StatusServiceUnavailable, "files/away", page{
		Title: f.Name, Nav: navFiles, At: "folder:" + f.Name, Crumbs: v.Crumbs, Data: v,
	})
}

// awayView is what files/away shows.
type awayView struct {
	Name, Verdict, Rest string
	Link                string // to mend it; for administrators
	Crumbs              []crumb
}
