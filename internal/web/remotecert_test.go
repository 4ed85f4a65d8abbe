package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestRemoteClientCertificate: a server that asks for a certificate sees the one from the file that was chosen.
func TestRemoteClientCertificate(t *testing.T) {
	s := newTestServer(t)
	seen := make(chan string, 10)
	far := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.TLS.PeerCertificates[0].Subject.CommonName
		http.NotFound(w, r)
	}))
	far.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	far.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // that somebody is refused is the test
	far.StartTLS()
	defer far.Close()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "havre of the house"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)

	form := url.Values{"dir": {far.URL + "/svn/plans"}, "name": {"Plans"}}
	_, accept, _ := strings.Cut(s.post("maelle", "/admin/folders/adopt", form).body, `name="accept" value="`)
	accept, _, _ = strings.Cut(accept, `"`)
	form.Set("accept", accept)
	if a := s.post("maelle", "/admin/folders/adopt", form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "does not let us in") {
		t.Errorf("without a certificate: %d", a.StatusCode)
	}
	a := s.postFile("maelle", "/admin/folders/adopt", form, "certificate", "me.pem", file)
	if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "there is no Subversion repository") {
		t.Errorf("with a certificate: %d", a.StatusCode)
	}
	select {
	case name := <-seen:
		if name != "havre of the house" {
			t.Errorf("the server sees %q", name)
		}
	default:
		t.Error("the server was not asked")
	}
}
