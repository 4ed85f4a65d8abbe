package store

import (
	"context"
	"strings"
	"time"
)

// AuditFilter chooses lines of the audit log; its zero value chooses all.
type AuditFilter struct {
	Actor  string    // exactly this name
	Kind   string    // actions that begin with it: "user", "device", "grant.set"
	Text   string    // in any of the columns, in whatever case of ASCII letters
	From   time.Time // not before
	Until  time.Time // before
	Before int64     // with a smaller ID; 0: from the newest on
}

// Audit returns at most limit lines of the audit log that are older than the one with ID before, or
// the newest ones if it is 0; the newest first.
func (s *Store) Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error) {
	return s.FindAudit(ctx, AuditFilter{Before: before}, limit)
}

// FindAudit returns at most limit lines that the filter chooses, the newest first.
func (s *Store) FindAudit(ctx context.Context, f AuditFilter, limit int) ([]AuditEntry, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	if f.Actor != "" {
		add("actor = ?", f.Actor)
	}
	if f.Kind != "" {
		add(`action LIKE ? ESCAPE '\'`, likeEscaped(f.Kind)+"%")
	}
	if f.Text != "" {
		pattern := "%" + likeEscaped(f.Text) + "%"
		add(`(actor LIKE ? ESCAPE '\' OR action LIKE ? ESCAPE '\' OR subject LIKE ? ESCAPE '\' OR detail LIKE ? ESCAPE '\' OR address LIKE ? ESCAPE '\')`,
			pattern, pattern, pattern, pattern, pattern)
	}
	if !f.From.IsZero() {
		add("at >= ?", f.From.UnixMilli())
	}
	if !f.Until.IsZero() {
		add("at < ?", f.Until.UnixMilli())
	}
	return query(ctx, s.read, func(row func(...any) error) (AuditEntry, error) {
		var e AuditEntry
		var at int64
		err := row(&e.ID, &at, &e.Actor, &e.Device, &e.Action, &e.Subject, &e.Detail, &e.Address)
		e.At = fromStamp(at)
		return e, err
	}, `SELECT id, at, actor, device, action, subject, detail, address FROM audit WHERE `+strings.Join(where, " AND ")+
		` ORDER BY id DESC LIMIT ?`, append(args, limit)...)
}

// AuditActors returns everybody who appears in the log, by name.
func (s *Store) AuditActors(ctx context.Context) ([]string, error) {
	return query(ctx, s.read, func(row func(...any) error) (string, error) {
		var name string
		err := row(&name)
		return name, err
	}, `SELECT DISTINCT actor FROM audit ORDER BY lower(actor)`)
}

// likeEscaped takes the meaning from the signs that LIKE knows.
func likeEscaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text)
}

// The details of actions that are sentences. %s is a name, a path or a time in RFC 3339, %v a word of
// havre itself, such as a role. The log keeps them in English; the pages translate what fits one.
const (
	detailWord       = "%v"
	detailUntil      = "until %s"
	detailInvitation = "by invitation"
	detailName       = "name in full: %s"
	detailEmail      = "e-mail: %s"
	detailRole       = "role: %v"
	detailForever    = "does not expire"
	detailExpires    = "expires %s"
	detailQuota      = "quota: %v"
	detailBytes      = "%d bytes"
	detailGrant      = "/%s: %s may %v"
	detailGrantMove  = "/%s: to /%s"
	detailWas        = "was %s"
	detailGroup      = "group %s"
	detailImported   = "imported"
	detailHeld       = "%s: %d deletions"
)

// detailFormats are the sentences that the details of an action can be, those of user.change joined by "; ".
var detailFormats = map[string][]string{
	"user.add":      {detailWord},
	"user.change":   {detailName, detailEmail, detailRole, detailForever, detailExpires, detailQuota, detailImported},
	"user.reset":    {detailUntil},
	"user.invite":   {detailUntil},
	"user.password": {detailInvitation, detailImported},
	"group.add":     {detailImported},
	"group.rename":  {detailWas},
	"group.join":    {detailGroup},
	"group.remove":  {detailGroup},
	"grant.set":     {detailGrant},
	"grant.move":    {detailGrantMove},
	"folder.quota":  {detailBytes, detailWord},
	"held.keep":     {detailHeld},
	"held.delete":   {detailHeld},
}

// DetailFormats returns the sentences, formats for fmt, that the details of an action are made of, the
// most particular first; nil if they are not sentences but a name, an address or a value.
func DetailFormats(action string) []string { return detailFormats[action] }
