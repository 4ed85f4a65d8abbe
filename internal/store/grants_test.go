package store

import (
	"slices"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
)

// TestNestedGroups: rights reach people through groups at any depth.
func TestNestedGroups(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir()+"/havre.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	code := func(err error, want havre.Code) {
		t.Helper()
		if havre.CodeOf(err) != want || err == nil {
			t.Errorf("error %v, want the code %s", err, want)
		}
	}
	ada, err := s.AddUser(ctx, Console, NewUser{Name: "ada"})
	must(err)
	folder, err := s.AddFolder(ctx, Console, Folder{Name: "Team", Location: "team", Repository: "uuid"})
	must(err)
	var groups []string
	for _, name := range []string{"outer", "middle", "inner"} {
		g, err := s.AddGroup(ctx, Console, name)
		must(err)
		groups = append(groups, g.ID)
	}
	must(s.AddGroupMember(ctx, Console, groups[0], groups[1]))
	must(s.AddGroupMember(ctx, Console, groups[1], groups[2]))
	for i := range groups {
		code(s.AddGroupMember(ctx, Console, groups[2], groups[i]), havre.CodeInvalid)
	}
	must(s.SetMember(ctx, Console, groups[2], ada.ID, true))
	grant := Grant{Folder: folder.ID, Path: "a", Group: groups[0], Right: havre.RightRead}
	must(s.SetGrant(ctx, Actor{Name: "boss"}, grant))
	reaches := func(want int) {
		t.Helper()
		got, err := s.GrantsOf(ctx, ada.ID)
		must(err)
		if len(got) != want {
			t.Errorf("ada has %+v, want %d", got, want)
		}
	}
	reaches(1)
	members, err := s.EffectiveMembers(ctx, groups[0])
	must(err)
	if !slices.Equal(members, []havre.UserID{ada.ID}) {
		t.Errorf("members: %v", members)
	}
	got, err := s.Grants(ctx, folder.ID)
	must(err)
	if len(got) != 1 || got[0].By != "boss" || got[0].Created.IsZero() {
		t.Errorf("grants: %+v", got)
	}
	must(s.SetUserDisabled(ctx, Console, ada.ID, true))
	reaches(0)
	must(s.SetUserDisabled(ctx, Console, ada.ID, false))
	_, err = s.write.ExecContext(ctx, `UPDATE users SET expires_at = ?`, time.Now().Add(-time.Minute).UnixMilli())
	must(err)
	reaches(0)
	_, err = s.write.ExecContext(ctx, `UPDATE users SET expires_at = NULL`)
	must(err)
	must(s.RemoveGroupMember(ctx, Console, groups[1], groups[2]))
	reaches(0)
	must(s.AddGroupMember(ctx, Console, groups[1], groups[2]))
	must(s.RemoveGrant(ctx, Console, grant))
	code(s.RemoveGrant(ctx, Console, grant), havre.CodeNotFound)
	reaches(0)
	must(s.SetGrant(ctx, Console, grant))
	must(s.RenameGroup(ctx, Console, groups[0], "Everybody"))
	code(s.RenameGroup(ctx, Console, groups[0], "INNER"), havre.CodeExists)
	must(s.RemoveGroup(ctx, Console, groups[0]))
	reaches(0)
	// All or none.
	code(s.ChangeGrants(ctx, Console, []GrantChange{
		{Grant: Grant{Folder: folder.ID, User: ada.ID, Right: havre.RightRead}}, {Grant: grant},
	}), havre.CodeNotFound)
	reaches(0)
	code(s.SetGrant(ctx, Console, Grant{Folder: folder.ID, Path: "../x", User: ada.ID}), havre.CodeInvalid)
	code(s.SetGrant(ctx, Console, Grant{Folder: folder.ID, User: ada.ID, Group: groups[1]}), havre.CodeInvalid)
}

func TestGrantsMove(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir()+"/havre.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	ada, err := s.AddUser(ctx, Console, NewUser{Name: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	folder, err := s.AddFolder(ctx, Console, Folder{Name: "Team", Location: "team", Repository: "uuid"})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []Grant{{Path: "a"}, {Path: "a/b", Right: havre.RightWrite}, {Path: "ab", Right: havre.RightRead}, {Path: "c/b", Right: havre.RightRead}} {
		g.Folder, g.User = folder.ID, ada.ID
		if err := s.SetGrant(ctx, Console, g); err != nil {
			t.Fatal(err)
		}
	}
	old, made, err := s.CopyGrants(ctx, Console, folder.ID, "a", "c")
	if err != nil || len(old) != 2 || len(made) != 1 || made[0].Path != "c" {
		t.Fatalf("copied %+v, %+v, %v", old, made, err)
	}
	if err := s.DropGrants(ctx, old); err != nil {
		t.Fatal(err)
	}
	var paths []string
	grants, err := s.Grants(ctx, folder.ID)
	for _, g := range grants {
		paths = append(paths, string(g.Path)+"="+g.Right.String())
	}
	if want := []string{"ab=read", "c=none", "c/b=read"}; !slices.Equal(paths, want) || err != nil {
		t.Errorf("grants %q, %v, want %q", paths, err, want)
	}
}
