package hub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/havre-cloud/havre/internal/havre"
)

// clientCertificate makes a certificate that ends then, and its key.
func clientCertificate(t *testing.T, until time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := ok(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until}
	der := ok(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	return ok(x509.ParseCertificate(der))(t), key
}

func TestReadClientCertificate(t *testing.T) {
	cert, key := clientCertificate(t, time.Now().Add(time.Hour))
	_, otherKey := clientCertificate(t, time.Now())
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	certPEM, keyPEM := block("CERTIFICATE", cert.Raw), block("PRIVATE KEY", ok(x509.MarshalPKCS8PrivateKey(key))(t))
	p12 := string(ok(pkcs12.Modern.Encode(key, cert, nil, "très secret"))(t))
	bare := string(ok(pkcs12.Passwordless.Encode(key, cert, nil, ""))(t))
	for name, tt := range map[string]struct{ data, password string }{
		"PEM": {certPEM + keyPEM, ""}, "the key first": {"a remark\n" + keyPEM + "\n" + certPEM, ""},
		"PKCS#12": {p12, "très secret"}, "PKCS#12 without a password": {bare, ""},
		"an older kind of key": {certPEM + block("EC PRIVATE KEY", ok(x509.MarshalECPrivateKey(key))(t)), ""},
	} {
		gotCert, gotKey, err := ReadClientCertificate([]byte(tt.data), tt.password)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		config, err := (&RemoteLogin{Certificate: gotCert, Key: gotKey}).tls()
		if err != nil || len(config.Certificates) != 1 || !config.Certificates[0].Leaf.Equal(cert) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tt := range map[string]struct{ data, words string }{
		"nothing": {"", "neither PEM"}, "a text": {"hello", "neither PEM"}, "no key": {certPEM, "no key"}, "no certificate": {keyPEM, "no certificate"},
		"another key":     {certPEM + block("PRIVATE KEY", ok(x509.MarshalPKCS8PrivateKey(otherKey))(t)), "do not belong together"},
		"a protected key": {certPEM + block("ENCRYPTED PRIVATE KEY", []byte("x")), "protected by a password"},
		"too large":       {strings.Repeat("x", maxClientCertificate+1), "too large"},
		"cut off":         {p12[:len(p12)/2], "neither PEM"},
	} {
		_, _, err := ReadClientCertificate([]byte(tt.data), "")
		if havre.CodeOf(err) != havre.CodeInvalid || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: got %v, want %q", name, err, tt.words)
		}
	}
	if _, _, err := ReadClientCertificate([]byte(p12), "wrong"); !errors.Is(err, ErrCertificatePassword) {
		t.Errorf("a wrong password: %v", err)
	}
	past, pastKey := clientCertificate(t, time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC))
	pair := RemoteLogin{Certificate: block("CERTIFICATE", past.Raw), Key: block("PRIVATE KEY", ok(x509.MarshalPKCS8PrivateKey(pastKey))(t))}
	if _, err := pair.tls(); err == nil || !strings.Contains(err.Error(), "ended on 2026-02-03") {
		t.Errorf("a certificate that has ended: %v", err)
	}
}
