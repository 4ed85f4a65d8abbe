// Package invite reads and writes invitations: one line of text that lets a device find a server,
// recognise it, and pair with it once.
package invite

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"unicode"

	"github.com/havre-cloud/havre/internal/havre"
)

// Invitation is what https://HOST:PORT/join/SECRET#sha256=FINGERPRINT says.
type Invitation struct {
	// Address of the server, host:port.
	Address string
	// Secret is good for pairing one device.
	Secret string
	// Fingerprint of the server's certificate, see certs.Fingerprint. It stands behind the "#",
	// which no browser sends, so that it does not depend on what it protects.
	Fingerprint string
}

// JoinPath is where the secret stands in the address.
const JoinPath = "/join/"

const fragment = "sha256="

// maxLength bounds what Parse looks at; real invitations have some 150 bytes.
const maxLength = 4 << 10

// String returns the invitation as one line that a person can pass on.
func (i Invitation) String() string {
	u := url.URL{Scheme: "https", Host: i.Address, Path: JoinPath + i.Secret, Fragment: fragment + i.Fingerprint}
	return u.String()
}

// LogValue leaves the secret out of logs.
func (i Invitation) LogValue() slog.Value {
	return slog.GroupValue(slog.String("address", i.Address), slog.String("fingerprint", i.Fingerprint))
}

// Parse reads an invitation the way it comes out of a mail or a chat: spaces and line breaks anywhere,
// angle brackets, quotes or a full stop around it are ignored. Errors are *havre.Error with
// CodeInvalid; none repeats the secret.
func Parse(s string) (Invitation, error) {
	if len(s) > maxLength {
		return Invitation{}, invalid("it is too long")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r) {
			return -1 // the soft and zero-width ones that mail programs insert included
		}
		return r
	}, s)
	s = strings.Trim(s, "<>\"'`“”«»()[].,;")
	if s == "" {
		return Invitation{}, invalid("it is empty")
	}
	u, err := url.Parse(s)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.Hostname() == "" {
		return Invitation{}, invalid("it does not begin with https://HOST:PORT/")
	}
	secret, ok := strings.CutPrefix(u.Path, JoinPath)
	if !ok || !isSecret(secret) || u.RawQuery != "" || u.User != nil {
		return Invitation{}, invalid("there is no " + JoinPath + "SECRET behind the address of the server")
	}
	sum, ok := strings.CutPrefix(u.Fragment, fragment)
	if !ok {
		return Invitation{}, invalid("the end is missing, from #" + fragment + " on: copy all of it, and in a terminal put it into quotes")
	}
	sum = strings.ToLower(strings.ReplaceAll(sum, ":", ""))
	if !isFingerprint(sum) {
		return Invitation{}, invalid("behind #" + fragment + " there are not 64 hexadecimal digits: copy all of it")
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return Invitation{Address: net.JoinHostPort(u.Hostname(), port), Secret: secret, Fingerprint: sum}, nil
}

func invalid(why string) error {
	return &havre.Error{
		Code: havre.CodeInvalid,
		Text: "this is not an invitation: " + why + " (expected https://HOST:PORT/join/SECRET#sha256=FINGERPRINT)",
	}
}

const (
	secretLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	maxSecret     = 256 // bytes
)

// isSecret says whether s is made of the letters of base64 for addresses.
func isSecret(s string) bool {
	return s != "" && len(s) <= maxSecret && strings.Trim(s, secretLetters) == ""
}

func isFingerprint(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}
