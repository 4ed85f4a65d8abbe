package rasvn

import (
	"context"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is what svnserve has
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/havre-cloud/havre/svn"
)

// authentication is with what to sign in.
type authentication struct {
	user, password string
	tunnel         bool // the other end of the tunnel knows who we are
}

// The mechanisms, as they are named in RFC 4422 and by Subversion.
const (
	mechAnonymous = "ANONYMOUS"
	mechExternal  = "EXTERNAL"
	mechCRAM      = "CRAM-MD5"
	mechPlain     = "PLAIN"
)

// choose returns the mechanism for what the server offers. With a name it is one that proves the name: a server that
// was asked anonymously leaves out in silence what is not for everybody.
func (a *authentication) choose(offered []string) string {
	var order []string
	switch {
	case a.tunnel:
		order = []string{mechExternal, mechAnonymous}
	case a.user != "":
		order = []string{mechCRAM, mechPlain, mechAnonymous}
	default:
		order = []string{mechAnonymous}
	}
	for _, m := range order {
		if slices.Contains(offered, m) {
			return m
		}
	}
	return ""
}

// authenticate reads a request to sign in and does so. An empty one, before nearly every answer, asks for
// nothing.
func (s *session) authenticate(ctx context.Context) error {
	request, err := s.result(ctx)
	if err != nil {
		return err
	}
	f, err := request.fields(1)
	if err != nil {
		return s.lost(ctx, err)
	}
	if err := f[0].need(kindList); err != nil {
		return s.lost(ctx, err)
	}
	if len(f[0].list) == 0 {
		return nil
	}
	var offered []string
	for i := range f[0].list {
		offered = append(offered, f[0].list[i].text)
	}
	m := s.auth.choose(offered)
	if m == "" || m == mechAnonymous && s.opened {
		s.broken = true // the server accepts nothing else now
		text := "a name and a password are needed"
		if s.auth.user != "" {
			text = "the server offers only these ways to sign in: " + strings.Join(offered, ", ")
		}
		return &svn.RefusedError{Refusal: svn.RefusedSignIn, Text: text}
	}
	if err := s.prove(ctx, m); err != nil {
		s.broken = true
		return err
	}
	return nil
}

// prove signs in with a mechanism.
func (s *session) prove(ctx context.Context, mech string) error {
	b := appendWord(openList(s.buf[:0]), mech)
	b = openList(b)
	switch mech {
	case mechAnonymous, mechExternal:
		b = appendString(b, "")
	case mechPlain:
		b = appendString(b, base64.StdEncoding.EncodeToString([]byte("\x00"+s.auth.user+"\x00"+s.auth.password)))
	}
	if err := s.send(ctx, closeList(closeList(b))); err != nil {
		return err
	}
	for {
		answer, err := s.next(ctx)
		if err != nil {
			return err
		}
		f, err := answer.fields(2)
		if err != nil {
			return s.lost(ctx, err)
		}
		token, given, err := f[1].optionalString()
		if err != nil {
			return s.lost(ctx, err)
		}
		switch {
		case f[0].text == "success":
			return nil
		case f[0].text == "failure":
			return &svn.RefusedError{Refusal: svn.RefusedSignIn, Text: fmt.Sprintf("signing in as %s: %s", s.who(), token)}
		case f[0].text != "step" || mech != mechCRAM || !given:
			return s.lost(ctx, malformed("%q while signing in with %s", f[0].text, mech))
		}
		mac := hmac.New(md5.New, []byte(s.auth.password))
		mac.Write([]byte(token))
		if err := s.send(ctx, appendString(s.buf[:0], s.auth.user+" "+hex.EncodeToString(mac.Sum(nil)))); err != nil {
			return err
		}
	}
}

func (s *session) who() string {
	if s.auth.user == "" {
		return "nobody in particular"
	}
	return s.auth.user
}
