package wire

import (
	"time"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/source"
)

// Time returns a moment as it goes over the wire.
func Time(t time.Time) int64 { return nanoseconds(t) }

// DecodeTime is the inverse of Time.
func DecodeTime(n int64) time.Time { return decodeTime(n) }

// Text returns text as it may go over the wire.
func Text(s string) string { return text(s) }

// RightOf returns a right as it goes over the wire.
func RightOf(r havre.Right) havrev1.Right { return havrev1.Right(r) }

// maxSchedule is the longest time between two looks at a document, in seconds.
const maxSchedule = 366 * 24 * 60 * 60

// DecodeSchedule checks the time between two looks at a document.
func DecodeSchedule(seconds int64) (time.Duration, error) {
	if seconds < 0 || seconds > maxSchedule {
		return 0, invalid("a document cannot be looked at every %d seconds", seconds)
	}
	return time.Duration(seconds) * time.Second, nil
}

// DecodeSecrets checks secrets; none are fine.
func DecodeSecrets(m *havrev1.SourceSecrets) (source.Secrets, error) {
	for _, s := range []string{m.GetUser(), m.GetPassword(), m.GetSession(), m.GetKey(), m.GetAddress()} {
		if _, err := DecodeText("secret", s, MaxPath); err != nil {
			return source.Secrets{}, err
		}
	}
	return source.Secrets{
		User: m.GetUser(), Password: source.Secret(m.GetPassword()), Session: source.Secret(m.GetSession()),
		APIKey: source.Secret(m.GetKey()), Address: source.Secret(m.GetAddress()),
	}, nil
}

// Secrets returns secrets as they go over the wire.
func Secrets(s *source.Secrets) *havrev1.SourceSecrets {
	return &havrev1.SourceSecrets{
		User: s.User, Password: s.Password.Reveal(), Session: s.Session.Reveal(), Key: s.APIKey.Reveal(), Address: s.Address.Reveal(),
	}
}
