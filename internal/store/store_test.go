package store

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/havre"
)

var boss = Actor{Name: "boss"}

// clock is a time that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)} }

func open(t *testing.T, path string, c *clock) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, Options{Program: "test", Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newStore(t *testing.T) (*Store, *clock) {
	t.Helper()
	c := newClock()
	return open(t, filepath.Join(t.TempDir(), "havre ?#%.db"), c), c
}

// ok returns what a call gave, and fails the test for its error.
func ok[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantCode checks that err has the code and a sentence.
func wantCode(t *testing.T, err error, want havre.Code) {
	t.Helper()
	if err == nil || havre.CodeOf(err) != want {
		t.Errorf("error %v, want the code %s", err, want)
	}
}

func TestNames(t *testing.T) {
	s, _ := newStore(t)
	ok(s.AddUser(t.Context(), boss, NewUser{Name: "Åsa"}))(t)
	for _, row := range []struct {
		name, user string
		want       havre.Code
	}{
		{"the same", "Åsa", havre.CodeExists},
		{"another case", "åSA", havre.CodeExists},
		{"surrounding space", "  åsa ", havre.CodeExists},
		{"empty", " ", havre.CodeInvalid},
		{"a slash", "a/b", havre.CodeInvalid},
		{"a newline", "a\nb", havre.CodeInvalid},
		{"not UTF-8", "a\xff", havre.CodeInvalid},
		{"too long", strings.Repeat("x", maxName+1), havre.CodeInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := s.AddUser(t.Context(), boss, NewUser{Name: row.user})
			wantCode(t, err, row.want)
		})
	}
	users := ok(s.Users(t.Context()))(t)
	if len(users) != 1 || users[0].Name != "Åsa" {
		t.Errorf("users are %v, want Åsa alone", users)
	}
}

func TestInvitationAndDevice(t *testing.T) {
	s, c := newStore(t)
	ctx := t.Context()
	u := ok(s.AddUser(ctx, boss, NewUser{Name: "ada"}))(t)
	for _, secret := range []string{"one", "late"} {
		if err := s.AddInvitation(ctx, boss, secret, u.ID, c.t.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	d := ok(s.Redeem(ctx, "one", NewDevice{Name: "laptop", Platform: "linux/amd64", Version: "1", TokenHash: "t1"}))(t)
	got := ok(s.DeviceByToken(ctx, "t1"))(t)
	if diff := cmp.Diff(*d, got); diff != "" {
		t.Errorf("the device by its token differs (-joined +found):\n%s", diff)
	}

	_, err := s.Redeem(ctx, "one", NewDevice{Name: "thief", TokenHash: "t2"})
	wantCode(t, err, havre.CodeDenied)
	_, err = s.Redeem(ctx, "never made", NewDevice{Name: "thief", TokenHash: "t2"})
	wantCode(t, err, havre.CodeDenied)
	c.t = c.t.Add(2 * time.Hour)
	_, err = s.Redeem(ctx, "late", NewDevice{Name: "thief", TokenHash: "t2"})
	wantCode(t, err, havre.CodeDenied)
	_, err = s.DeviceByToken(ctx, "t2")
	wantCode(t, err, havre.CodeUnauthenticated)

	if err := s.SetUserDisabled(ctx, boss, u.ID, true); err != nil {
		t.Fatal(err)
	}
	_, err = s.DeviceByToken(ctx, "t1")
	wantCode(t, err, havre.CodeUnauthenticated)
	if err := s.SetUserDisabled(ctx, boss, u.ID, false); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeDevice(ctx, boss, d.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.DeviceByToken(ctx, "t1")
	wantCode(t, err, havre.CodeUnauthenticated)
	if ds := ok(s.Devices(ctx, u.ID))(t); len(ds) != 1 || !ds[0].Revoked.Equal(c.t) {
		t.Errorf("devices are %v, want one, revoked at %v", ds, c.t)
	}
}

func TestGrants(t *testing.T) {
	s, c := newStore(t)
	ctx := t.Context()
	ada := ok(s.AddUser(ctx, boss, NewUser{Name: "ada"}))(t)
	bob := ok(s.AddUser(ctx, boss, NewUser{Name: "bob"}))(t)
	team := ok(s.AddGroup(ctx, boss, "team"))(t)
	f := ok(s.AddFolder(ctx, boss, Folder{Name: "Docs", Location: "docs", Repository: "u"}))(t)
	if err := s.SetMember(ctx, boss, team.ID, ada.ID, true); err != nil {
		t.Fatal(err)
	}
	for _, g := range []Grant{
		{Folder: f.ID, User: ada.ID, Right: havre.RightRead},
		{Folder: f.ID, User: ada.ID, Right: havre.RightWrite}, // replaces the first
		{Folder: f.ID, Group: team.ID, Right: havre.RightManage},
		{Folder: f.ID, User: bob.ID, Path: "a", Right: havre.RightNone},
	} {
		if err := s.SetGrant(ctx, boss, g); err != nil {
			t.Fatal(err)
		}
	}
	want := []Grant{
		{Folder: f.ID, Group: team.ID, Right: havre.RightManage, By: boss.Name, Created: c.t},
		{Folder: f.ID, User: ada.ID, Right: havre.RightWrite, By: boss.Name, Created: c.t},
	}
	got := ok(s.GrantsOf(ctx, ada.ID))(t)
	slices.SortFunc(got, func(a, b Grant) int { return strings.Compare(string(a.User), string(b.User)) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("grants of ada (-want +got):\n%s", diff)
	}
	if got := ok(s.Grants(ctx, f.ID))(t); len(got) != 3 {
		t.Errorf("%d grants in the folder, want 3: %v", len(got), got)
	}
	if err := s.SetMember(ctx, boss, team.ID, ada.ID, false); err != nil {
		t.Fatal(err)
	}
	if got := ok(s.GrantsOf(ctx, ada.ID))(t); len(got) != 1 {
		t.Errorf("ada has %v after leaving the group, want her own grant", got)
	}
	wantCode(t, s.SetGrant(ctx, boss, Grant{Folder: f.ID, Right: havre.RightRead}), havre.CodeInvalid)
	wantCode(t, s.SetGrant(ctx, boss, Grant{Folder: "x", User: ada.ID, Right: havre.RightRead}), havre.CodeNotFound)
}

func TestAccessVersionIsSeenByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "havre.db")
	c := newClock()
	server, console := open(t, path, c), open(t, path, c)
	before := ok(server.AccessVersion(t.Context()))(t)
	ok(console.AddUser(t.Context(), Console, NewUser{Name: "ada"}))(t)
	after := ok(server.AccessVersion(t.Context()))(t)
	if after <= before {
		t.Errorf("access version is %d after a change elsewhere, was %d", after, before)
	}
	ok(server.UserByName(t.Context(), "ADA"))(t)
}

func TestReplicasAndSettings(t *testing.T) {
	s, c := newStore(t)
	ctx := t.Context()
	u := ok(s.AddUser(ctx, boss, NewUser{Name: "ada"}))(t)
	f := ok(s.AddFolder(ctx, boss, Folder{Name: "Docs", Location: "docs", Repository: "u"}))(t)
	if err := s.AddInvitation(ctx, boss, "i", u.ID, c.t.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	d := ok(s.Redeem(ctx, "i", NewDevice{Name: "laptop", TokenHash: "t"}))(t)
	report := havre.ReplicaReport{Scope: havre.Scope{Folder: f.ID, Root: "a"}, Revision: 7, Pending: 2, Error: "disk full"}
	older, gone := report, havre.ReplicaReport{Scope: havre.Scope{Folder: "gone"}}
	older.Revision = 3
	for _, reports := range [][]havre.ReplicaReport{{older}, {report, gone}} {
		if _, err := s.SaveReplicas(ctx, d.ID, reports); err != nil {
			t.Fatal(err)
		}
	}
	want := []Replica{{Device: d.ID, Report: report, Reported: c.t, Since: c.t}}
	if diff := cmp.Diff(want, ok(s.Replicas(ctx, f.ID))(t)); diff != "" {
		t.Errorf("replicas (-want +got):\n%s", diff)
	}

	if v := ok(s.Setting(ctx, SettingServerName))(t); v != "" {
		t.Errorf("setting is %q before it was set", v)
	}
	first := ok(s.InitSetting(ctx, SettingServerID, "a"))(t)
	second := ok(s.InitSetting(ctx, SettingServerID, "b"))(t)
	if first != "a" || second != "a" {
		t.Errorf("InitSetting gave %q and %q, want a twice", first, second)
	}
}

func TestAuditOnlyGrows(t *testing.T) {
	s, c := newStore(t)
	ctx := t.Context()
	ok(s.AddUser(ctx, boss, NewUser{Name: "ada", Role: RoleAdmin}))(t)
	ok(s.AddGroup(ctx, Console, "team"))(t)
	want := []AuditEntry{
		{ID: 2, At: c.t, Actor: "console", Action: "group.add", Subject: "team"},
		{ID: 1, At: c.t, Actor: "boss", Action: "user.add", Subject: "ada", Detail: "administrator"},
	}
	if diff := cmp.Diff(want, ok(s.Audit(ctx, 0, 10))(t)); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
	if got := ok(s.Audit(ctx, 2, 10))(t); len(got) != 1 || got[0].ID != 1 {
		t.Errorf("audit log before 2 is %v, want line 1", got)
	}
	for _, text := range []string{`DELETE FROM audit`, `UPDATE audit SET actor = 'nobody'`} {
		if _, err := s.write.ExecContext(ctx, text); err == nil || !strings.Contains(err.Error(), "append only") {
			t.Errorf("%s: %v, want a refusal", text, err)
		}
	}
}

// TestUpgrade opens databases as each released schema left them.
func TestUpgrade(t *testing.T) {
	dumps, err := filepath.Glob("testdata/schema*.sql")
	if err != nil || len(dumps) == 0 {
		t.Fatalf("no dumps of released schemas: %v", err)
	}
	for _, dump := range dumps {
		t.Run(filepath.Base(dump), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "havre.db")
			text := ok(os.ReadFile(dump))(t)
			db := ok(sql.Open("sqlite", dsn(path, "")))(t)
			if _, err := db.ExecContext(t.Context(), string(text)); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s := open(t, path, newClock())
			d := ok(s.DeviceByToken(t.Context(), "token"))(t)
			if d.Name != "laptop" || d.UserName != "Ada" {
				t.Errorf("the device is %v, want the laptop of Ada", d)
			}
			ok(s.FolderByName(t.Context(), "DOCS"))(t)
			if u := ok(s.UserByName(t.Context(), "ada"))(t); u.Role != RoleAdmin || u.Password || u.Quota != -1 {
				t.Errorf("ada is %+v, want an administrator without a password", u)
			}
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "havre.db")
	s, err := Open(t.Context(), path, Options{Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, Options{Program: "test"})
	wantCode(t, err, havre.CodeInvalid)
	if err != nil && !strings.Contains(err.Error(), "9999") {
		t.Errorf("the error does not name the version found: %v", err)
	}
}

func TestUpgradeIsRecorded(t *testing.T) {
	s, c := newStore(t)
	var program string
	var at int64
	if err := s.read.QueryRowContext(t.Context(), `SELECT program, at FROM upgrades WHERE version = 1`).Scan(&program, &at); err != nil {
		t.Fatal(err)
	}
	if program != "test" || at != c.t.UnixMilli() {
		t.Errorf("recorded %q at %d, want test at %d", program, at, c.t.UnixMilli())
	}
}
