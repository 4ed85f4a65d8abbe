// Package certs keeps the certificate of a havre server: it is made at the first start, and its
// fingerprint is what clients trust, not its names or its age.
//
// The key and the certificate are in one file, so that they cannot part.
package certs

import (
	"bytes"
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
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// fileName is in the directory that belongs to this package, DATA/tls.
const fileName = "server.pem"

// years that a certificate is good for. Clients never look; browsers want to be told.
const years = 20

// Fingerprint returns the SHA-256 of the certificate's public key (SubjectPublicKeyInfo) in
// hexadecimal, 64 small letters and digits. A new certificate for the same key has the same.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Load returns the certificate kept in dir, and makes it if there is none; hosts are names and
// addresses that it shall hold besides those of this machine. A file that cannot be read is an
// error, never a reason to make another key: all clients would have to join again. The
// certificate's Leaf is set.
func Load(dir string, hosts ...string) (tls.Certificate, error) {
	name := filepath.Join(dir, fileName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if data, err = create(hosts); err == nil {
			err = write(dir, data)
		}
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the server's certificate: %w", err)
	}
	c, err := tls.X509KeyPair(data, data)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s holds no certificate with its key: %w; "+
			"restore it from a backup: with another key every client has to join again", name, err)
	}
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return tls.Certificate{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// create returns a new key and certificate as PEM.
func create(hosts []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	names, addresses := subjects(hosts)
	now := time.Now()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "havre"},
		DNSNames:    names,
		IPAddresses: addresses,
		// Machines whose clocks differ a little see a certificate that is valid already.
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return b.Bytes(), nil
}

// subjects returns the names and addresses under which this machine may be reached, and hosts.
func subjects(hosts []string) (names []string, addresses []net.IP) {
	add := func(host string) {
		if ip := net.ParseIP(host); ip != nil {
			if !slices.ContainsFunc(addresses, ip.Equal) {
				addresses = append(addresses, ip)
			}
		} else if host != "" && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	for _, h := range []string{"localhost", "127.0.0.1", "::1"} {
		add(h)
	}
	for _, h := range hosts {
		add(h)
	}
	// What the system does not tell is missing in the certificate, which only browsers notice.
	if h, err := os.Hostname(); err == nil {
		add(h)
	}
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			add(n.IP.String())
		}
	}
	return names, addresses
}

// write puts data into dir so that after a crash there is a whole file or none.
func write(dir string, data []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, fileName+".*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // after the rename there is nothing to remove
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, fileName)); err != nil {
		return err
	}
	return syncDir(dir)
}
