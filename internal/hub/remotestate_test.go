package hub

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// TestRemoteState: the password is changed on the other server, which then goes away and comes back.
func TestRemoteState(t *testing.T) {
	s := newSubversionServer(t)
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightNone)
	a := w.console()
	f := ok(a.AddRemoteFolder(t.Context(), "Plans", s.url, RemoteLogin{User: "havre", Password: "very secret"}))(t)
	if err := a.Grant(t.Context(), "Plans", "ada", havre.RightWrite); err != nil {
		t.Fatal(err)
	}
	w.access.forget()
	state := func(reason RemoteReason) *RemoteState {
		t.Helper()
		got := ok(a.RemoteState(t.Context(), f))(t)
		if got.Reason != reason || (got.Problem != nil) != (reason != "") || got.Since.IsZero() != (reason == "") {
			t.Errorf("it is %q since %v (%v), want %q", got.Reason, got.Since, got.Problem, reason)
		}
		return got
	}
	if got := state(""); got.Address != s.url || got.User != "havre" {
		t.Errorf("state: %+v", got)
	}
	if got := ok(a.RemoteState(t.Context(), ok(a.AddFolder(t.Context(), "Own"))(t)))(t); got != nil {
		t.Errorf("a folder of the server's own: %+v", got)
	}

	s.Stop()
	if err := os.WriteFile(filepath.Join(s.repo, "conf", "passwd"), []byte("[users]\nhavre = another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	away := state(RemoteAway)
	s.Start()
	began := time.Now()
	for ok(a.RemoteState(t.Context(), f))(t).Reason == RemoteAway {
		time.Sleep(50 * time.Millisecond)
		if time.Since(began) > time.Minute {
			t.Fatal("it is never asked again")
		}
	}
	if got := state(RemoteSignIn); !got.Since.Equal(away.Since) {
		t.Errorf("something has been wrong since %v, not %v", away.Since, got.Since)
	}
	shown := ok(w.FoldersShown(t.Context(), ada))(t)
	if len(shown) != 1 || shown[0].Name != "Plans" || havre.CodeOf(shown[0].Problem) != havre.CodeUnavailable {
		t.Errorf("ada is shown %+v", shown)
	}
	if err := a.ChangeRemoteLogin(t.Context(), "Plans", func(l *RemoteLogin) { l.Password = "another" }); err != nil {
		t.Fatal(err)
	}
	state("")
	at := ok(w.Spot(t.Context(), ada, "Plans", "", svn.InvalidRevnum))(t)
	if all := ok(w.Entries(t.Context(), at))(t); len(all) != 1 || all[0].Name != "trunk" {
		t.Errorf("in the folder is %+v", all)
	}
	run(t, "svn", "mkdir", "-q", "-m", "deeper", "file://"+s.repo+"/trunk/d")
	if now := ok(w.Spot(t.Context(), ada, "Plans", "", svn.InvalidRevnum))(t); now.ID == at.ID {
		t.Error("a change below a directory does not show in its ID")
	}
	wantCode(t, a.ChangeRemoteLogin(t.Context(), "Own", func(*RemoteLogin) {}), havre.CodeInvalid)
}
