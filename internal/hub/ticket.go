package hub

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// ticketLife is how long a person may look for the phone between password and code.
const ticketLife = 5 * time.Minute

// ticket returns what shows that a person has given the right password just now: USER.UNTIL.MAC. The server
// keeps nothing; with another password or another second factor it is worthless.
func (h *Hub) ticket(ctx context.Context, user havre.UserID, secrets store.Secrets) (string, error) {
	key, err := h.ticketKey(ctx)
	if err != nil {
		return "", err
	}
	until := strconv.FormatInt(h.now().Add(ticketLife).Unix(), 10)
	return string(user) + "." + until + "." + ticketMAC(key, string(user), until, secrets), nil
}

func ticketMAC(key, user, until string, secrets store.Secrets) string {
	m := hmac.New(sha256.New, []byte(key))
	for _, part := range []string{user, until, secrets.PasswordHash, secrets.TOTPSecret} {
		m.Write([]byte(part + "\n")) // no part contains a line break
	}
	return hex.EncodeToString(m.Sum(nil))
}

// ticketKey returns the secret behind tickets, which all servers on one database share.
func (h *Hub) ticketKey(ctx context.Context) (string, error) {
	key, err := h.store.Setting(ctx, store.SettingTicketKey)
	if err == nil && key == "" {
		key, err = h.store.InitSetting(ctx, store.SettingTicketKey, newSecret())
	}
	return key, full(err)
}

// ticketUser returns who has the ticket. A wrong or old one is a *SignInError, as is a closed account.
func (h *Hub) ticketUser(ctx context.Context, ticket string) (store.User, store.Secrets, error) {
	refused := &SignInError{Err: denied("too much time has passed: sign in again")}
	user, rest, _ := strings.Cut(ticket, ".")
	until, mac, _ := strings.Cut(rest, ".")
	u, err := h.store.User(ctx, havre.UserID(user))
	if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
		return u, store.Secrets{}, refused
	}
	if err != nil {
		return u, store.Secrets{}, err
	}
	secrets, err := h.store.Secrets(ctx, u.ID)
	if err != nil {
		return u, secrets, err
	}
	key, err := h.ticketKey(ctx)
	if err != nil {
		return u, secrets, err
	}
	end, badNumber := strconv.ParseInt(until, 10, 64)
	good := hmac.Equal([]byte(mac), []byte(ticketMAC(key, user, until, secrets)))
	if !good || badNumber != nil || h.now().Unix() > end || u.Closed(h.now()) || secrets.TOTPSecret == "" {
		return u, secrets, refused
	}
	return u, secrets, nil
}
