package certs_test

import (
	"bytes"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/api/certs"
)

func TestLoadMakesAndKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	made, err := certs.Load(dir, "files.example", "192.0.2.7", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := certs.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made.Certificate[0], loaded.Certificate[0]) {
		t.Error("the certificate is another one after loading")
	}
	leaf := loaded.Leaf
	for _, host := range []string{"files.example", "192.0.2.7", "localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if n := len(leaf.DNSNames); leaf.DNSNames[0] != "localhost" || n > 3 {
		t.Errorf("names %q: some twice?", leaf.DNSNames)
	}
	for _, ip := range leaf.IPAddresses {
		if ip.IsLinkLocalUnicast() || ip.Equal(net.IPv4zero) {
			t.Errorf("address %v reaches nothing", ip)
		}
	}
	if leaf.IsCA || leaf.SignatureAlgorithm != x509.ECDSAWithSHA256 || leaf.NotAfter.Before(time.Now().AddDate(19, 0, 0)) {
		t.Errorf("certificate %v, CA %v, until %v", leaf.SignatureAlgorithm, leaf.IsCA, leaf.NotAfter)
	}
	if f := certs.Fingerprint(leaf); len(f) != 64 {
		t.Errorf("fingerprint %q", f)
	}

	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v: want one file, no temporary", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: the key is readable for others", info.Mode(), err)
	}
}

func TestLoadNeverReplacesDamage(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"cut", func(b []byte) []byte { return b[:len(b)/2] }},
		{"without key", func(b []byte) []byte { return b[bytes.Index(b, []byte("-----BEGIN CERT")):] }},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := certs.Load(dir); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, "server.pem")
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data = test.damage(data)
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := certs.Load(dir); err == nil {
				t.Error("damage went unnoticed")
			}
			if now, err := os.ReadFile(name); err != nil || !bytes.Equal(now, data) {
				t.Errorf("the damaged file was replaced (%v)", err)
			}
		})
	}
}
