package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/hub"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// The shape of what the pages show, and who looks.
const (
	webEntries = 10_000
	webPeople  = 200
	webRate    = 500 // requests a second
	webSeconds = 10
	cookieName = "__Host-havre"
)

// site is a server with files and people who are signed in.
type site struct {
	dir, data, address string
	tokens             []string
	processes          []*exec.Cmd
	client             *http.Client
}

// benchWeb measures the pages: beside nginx and rclone where these do the same.
func benchWeb(ctx context.Context, c config) error {
	for _, tool := range []string{"nginx", "rclone", "chromium"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: apt-get install nginx-light rclone chromium", err)
		}
	}
	dir, err := c.fresh("web")
	if err != nil {
		return err
	}
	s := &site{dir: dir, data: filepath.Join(dir, "data"), client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: webPeople, //nolint:gosec // our own processes on this machine
	}}}
	defer s.stop()
	if err := errors.Join(writeLarge(filepath.Join(dir, "large.bin"), c.large), s.fill(ctx, c)); err != nil {
		return err
	}
	if err := s.serve(ctx, c); err != nil {
		return err
	}
	r := report{}
	r.title("Web: download of %s over TLS, HTTP/1.1, one client in Go", mib(c.large))
	if err := s.downloads(ctx, c, r); err != nil {
		return err
	}
	r.title("Web: pages, %d people signed in", webPeople)
	if err := s.rate(ctx, r); err != nil {
		return err
	}
	r.title("Web: in Chromium, headless")
	return s.browse(ctx, c, r)
}

func (s *site) stop() {
	for _, cmd := range s.processes {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}

// fill makes the data of the server: one large file, a directory of 10,000 entries, one of 50, people.
func (s *site) fill(ctx context.Context, c config) (err error) {
	h, err := hub.Open(ctx, s.data, hub.Options{ServerName: "Bench"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	admin := h.Admin(store.Console)
	user, err := admin.AddUser(ctx, store.NewUser{Name: "admin", Role: store.RoleAdmin})
	if err != nil {
		return err
	}
	if _, err := admin.AddFolder(ctx, "Bench"); err != nil {
		return err
	}
	if err := s.people(ctx, admin, user); err != nil {
		return err
	}
	caller := &havre.Caller{User: user.ID, UserName: user.Name, Device: havre.WebDevice(user.ID), DeviceName: "web"}
	at, err := h.Spot(ctx, caller, "Bench", "", svn.InvalidRevnum)
	if err != nil {
		return err
	}
	for name, count := range map[string]int{"many": webEntries, "some": 50} {
		changes := []havre.Change{{Kind: havre.ChangePut, Path: svn.Path(name), Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}}}
		for i := range count {
			b := fmt.Appendf(nil, "entry %d\n", i)
			changes = append(changes, havre.Change{
				Kind: havre.ChangePut, Path: svn.Path(fmt.Sprintf("%s/Compte rendu de chantier n° %05d.txt", name, i)), Base: svn.InvalidRevnum, Content: b,
				Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(b)), Hash: havre.HashBytes(b)},
			})
		}
		if _, err := h.Commit(ctx, caller, at.Scope(), &havre.Commit{ID: "bench-" + name, Changes: changes}); err != nil {
			return err
		}
	}
	f, err := os.Open(filepath.Join(s.dir, "large.bin"))
	if err != nil {
		return err
	}
	defer f.Close()
	id, _, err := h.BeginUpload(ctx, caller, at.Scope(), c.large, "")
	if err != nil {
		return err
	}
	if _, err := h.WriteUpload(ctx, caller, id, 0, f); err != nil {
		return err
	}
	_, err = h.Commit(ctx, caller, at.Scope(), &havre.Commit{ID: "bench-large", Changes: []havre.Change{{
		Kind: havre.ChangePut, Path: "large.bin", Base: svn.InvalidRevnum, Upload: id, Entry: havre.Entry{Kind: havre.KindFile, Size: c.large},
	}}})
	return err
}

// people makes accounts with a session each; the first is the administrator's.
func (s *site) people(ctx context.Context, admin *hub.Admin, first *store.User) (err error) {
	db, err := store.Open(ctx, filepath.Join(s.data, "havre.db"), store.Options{Program: "bench"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for i := range webPeople {
		u := first
		if i > 0 {
			if u, err = admin.AddUser(ctx, store.NewUser{Name: fmt.Sprintf("person-%d", i), Role: store.RoleMember}); err != nil {
				return err
			}
		}
		if err := admin.Grant(ctx, "Bench", u.Name, havre.RightWrite); err != nil {
			return err
		}
		token := rand.Text()
		sum := sha256.Sum256([]byte(token))
		if _, err := db.AddSession(ctx, store.Actor{Name: u.Name}, hex.EncodeToString(sum[:]), store.Session{
			User: u.ID, Expires: time.Now().Add(12 * time.Hour), Address: "127.0.0.1", Agent: "bench",
		}); err != nil {
			return err
		}
		s.tokens = append(s.tokens, token)
	}
	return nil
}

// serve starts the server as a process and waits until it answers.
func (s *site) serve(ctx context.Context, c config) error {
	bin, err := buildHavre(ctx, c)
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.address = fmt.Sprintf("https://127.0.0.1:%d", port)
	return s.start(ctx, s.address+"/signin", bin, "serve", "--data", s.data, "--listen", fmt.Sprintf("127.0.0.1:%d", port))
}

// start starts a process that is stopped at the end, and waits until it answers at an address.
func (s *site) start(ctx context.Context, address, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return err
	}
	s.processes = append(s.processes, cmd)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return await(ctx, 50*time.Millisecond, func() bool { _, _, err := s.get(ctx, address, ""); return err == nil })
}

// get asks for a page and reads it to its end.
func (s *site) get(ctx context.Context, address, token string) (int64, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Accept", "text/html")
	if token != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: token}) //nolint:gosec // of a request, which has no attributes
	}
	start := time.Now()
	a, err := s.client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer a.Body.Close()
	n, err := io.Copy(io.Discard, a.Body)
	if err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, a.Status)
	}
	return n, time.Since(start), err
}

// downloads times the large file from havre, from nginx and from rclone, in turn.
func (s *site) downloads(ctx context.Context, c config, r report) error {
	cert, key, err := s.certificate()
	if err != nil {
		return err
	}
	rclone, err := s.rclone(ctx, cert, key)
	if err != nil {
		return err
	}
	nginx, err := s.nginx(ctx, cert, key)
	if err != nil {
		return err
	}
	sources := []struct{ address, token string }{{s.address + "/f/Bench/large.bin?download", s.tokens[0]}, {rclone, ""}, {nginx, ""}}
	times := make([][]time.Duration, len(sources))
	for range c.rounds {
		for i, from := range sources {
			n, d, err := s.get(ctx, from.address, from.token)
			if err == nil && n != c.large {
				err = fmt.Errorf("%s: %d bytes", from.address, n)
			}
			if err != nil {
				return err
			}
			times[i] = append(times[i], d)
		}
	}
	ours := median(times[0])
	speed := func(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", float64(c.large)/1e6/d.Seconds()) }
	r.row("havre, rclone serve http", speed(ours), speed(median(times[1])), ratio(median(times[1]), ours)+" (goal: 1 or more)")
	r.row("havre, nginx", speed(ours), speed(median(times[2])), ratio(median(times[2]), ours))
	return nil
}

func (s *site) rclone(ctx context.Context, cert, key string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	at := fmt.Sprintf("127.0.0.1:%d", port)
	address := "https://" + at + "/large.bin"
	probe := "https://" + at + "/"
	return address, s.start(ctx, probe, "rclone", "serve", "http", s.dir, "--addr", at, "--cert", cert, "--key", key, "--config", os.DevNull, "--exclude", "/data/**")
}

func (s *site) nginx(ctx context.Context, cert, key string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	conf := filepath.Join(s.dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log; worker_processes auto; events {}
user %[5]s;
http { access_log off; sendfile on; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
server { listen 127.0.0.1:%[2]d ssl; ssl_certificate %[3]s; ssl_certificate_key %[4]s; ssl_protocols TLSv1.3; root %[1]s; location = / { return 200; } } }
`, s.dir, port, cert, key, "root")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return "", err
	}
	base := fmt.Sprintf("https://127.0.0.1:%d/", port)
	return base + "large.bin", s.start(ctx, base, "nginx", "-c", conf)
}

// certificate makes one for the others.
func (s *site) certificate() (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return "", "", err
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	cert, key = filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")
	return cert, key, errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}), 0o600),
	)
}

// rate asks for a directory's page 500 times a second, each time as another person, whatever the answers
// take.
func (s *site) rate(ctx context.Context, r report) error {
	page := s.address + "/f/Bench/some"
	all := make([]time.Duration, webRate*webSeconds)
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for warm := range webPeople {
		if _, _, err := s.get(ctx, page, s.tokens[warm]); err != nil {
			return err
		}
	}
	start := time.Now()
	for i := range all {
		due := start.Add(time.Duration(i) * time.Second / webRate)
		time.Sleep(time.Until(due))
		wait.Go(func() {
			_, _, errs[i] = s.get(ctx, page, s.tokens[i%webPeople])
			all[i] = time.Since(due)
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("of %d requests at least one failed: %w", len(all), err)
		}
	}
	r.row(fmt.Sprintf("directory page, %d requests/s for %d s", webRate, webSeconds),
		fmt.Sprintf("p50 %s", ms(median(all))), fmt.Sprintf("p99 %s", ms(percentile(all, 99))), "goal: p99 under 100 ms")
	return nil
}
