package hub

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/havre-cloud/havre/internal/havre"
)

// ErrCertificatePassword is returned by ReadClientCertificate for a file that is protected by another password than
// the given one, or by one at all.
var ErrCertificatePassword = errors.New("the file is protected by a password, and this is not it")

// maxClientCertificate bounds a file with a certificate, in bytes.
const maxClientCertificate = 1 << 20

// ReadClientCertificate reads a certificate with its key to sign in with: the PEM of both, in any order and with
// intermediate certificates if there are some, or a PKCS#12 file (.p12, .pfx), which mostly has a password. The result is
// PEM, the own certificate first, for RemoteLogin.
func ReadClientCertificate(data []byte, password string) (certPEM, keyPEM string, err error) {
	if len(data) > maxClientCertificate {
		return "", "", invalid("the file is too large for a certificate")
	}
	if block, _ := pem.Decode(data); block == nil {
		return fromPKCS12(data, password)
	}
	var certs, key strings.Builder
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			certs.Write(pem.EncodeToMemory(block))
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return "", "", invalid("the key is protected by a password, which only files of the kind PKCS#12 (.p12) may be here")
		case strings.HasSuffix(block.Type, "PRIVATE KEY") && key.Len() == 0:
			key.Write(pem.EncodeToMemory(block))
		}
	}
	switch {
	case certs.Len() == 0:
		return "", "", invalid("there is no certificate in the file")
	case key.Len() == 0:
		return "", "", invalid("there is no key in the file: give the file with the key too")
	}
	if _, err := tls.X509KeyPair([]byte(certs.String()), []byte(key.String())); err != nil {
		return "", "", errMismatch(err)
	}
	return certs.String(), key.String(), nil
}

func errMismatch(err error) error {
	return havre.Errorf(havre.CodeInvalid, "the key and the certificate do not belong together, or are of a kind that is not known").Because(err)
}

// fromPKCS12 reads a PKCS#12 file.
func fromPKCS12(data []byte, password string) (certPEM, keyPEM string, err error) {
	key, cert, more, err := pkcs12.DecodeChain(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return "", "", ErrCertificatePassword
	}
	if err != nil {
		return "", "", havre.Errorf(havre.CodeInvalid, "the file is neither PEM nor PKCS#12, or is damaged").Because(err)
	}
	if signer, ok := key.(crypto.Signer); !ok || signer == nil {
		return "", "", errMismatch(nil)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", errMismatch(err)
	}
	var certs strings.Builder
	for _, c := range append([]*x509.Certificate{cert}, more...) {
		certs.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return certs.String(), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// tls says whom to trust and with what to sign in; nil if the system's authorities decide and nothing is shown.
func (l *RemoteLogin) tls() (*tls.Config, error) {
	if l.Fingerprint == "" && l.Certificate == "" {
		return nil, nil //nolint:nilnil // nothing to say
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if l.Fingerprint != "" {
		config = pinned(l.Fingerprint)
	}
	if l.Certificate == "" {
		return config, nil
	}
	pair, err := tls.X509KeyPair([]byte(l.Certificate), []byte(l.Key))
	if err != nil {
		return nil, &RemoteError{RemoteSignIn, errMismatch(err)}
	}
	if until := pair.Leaf.NotAfter; time.Now().After(until) {
		return nil, &RemoteError{RemoteSignIn, havre.Errorf(havre.CodeUnavailable,
			"the certificate with which this server signs in at the Subversion server ended on %s: an administrator has to give a new one", until.UTC().Format(time.DateOnly))}
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
