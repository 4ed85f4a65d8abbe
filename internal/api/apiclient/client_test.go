package apiclient_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/havre-cloud/havre/internal/api"
	"github.com/havre-cloud/havre/internal/api/apiclient"
	"github.com/havre-cloud/havre/internal/api/apitest"
	"github.com/havre-cloud/havre/internal/api/invite"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

func TestJoinAndLeave(t *testing.T) {
	s := apitest.Start(t, apitest.NewHub(), api.Options{})
	i := invite.Invitation{Address: s.Address, Secret: apitest.Secret, Fingerprint: s.Fingerprint}
	joined, err := apiclient.Join(t.Context(), i, havre.JoinRequest{DeviceName: "desktop", Platform: "linux/amd64"})
	if err != nil {
		t.Fatal(err)
	}
	opts := s.Options()
	opts.Token = joined.Token
	c := apitest.Dial(t, opts)
	folders, err := c.Folders(t.Context())
	want := []havre.Folder{{ID: apitest.Folder, Name: "Team", Repository: apitest.UUID, Right: havre.RightWrite}}
	if d := cmp.Diff(want, folders); err != nil || d != "" {
		t.Fatal(err, d)
	}
	if err := c.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Folders(t.Context()); havre.CodeOf(err) != havre.CodeUnauthenticated {
		t.Errorf("after Leave: %v", err)
	}
	i.Secret = "wrong"
	if _, err := apiclient.Join(t.Context(), i, havre.JoinRequest{}); havre.CodeOf(err) != havre.CodeDenied {
		t.Errorf("with a wrong secret: %v", err)
	}
}

func TestStrangerIsRefused(t *testing.T) {
	hub := apitest.NewHub()
	asked := false
	hub.Fail = func(string) error { asked = true; return nil }
	s := apitest.Start(t, hub, api.Options{})
	opts := s.Options()
	opts.Fingerprint = strings.Repeat("0", 64)
	c := apitest.Dial(t, opts)

	_, err := c.Folders(t.Context())
	e, ok := errors.AsType[*apiclient.FingerprintError](err)
	if !ok || e.Got != s.Fingerprint || e.Want != opts.Fingerprint {
		t.Errorf("Folders: %v", err)
	}
	if !strings.Contains(err.Error(), "compare its fingerprint") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	_, err = c.Open(t.Context(), apitest.Scope, havre.FileVersion{Path: "a", Rev: 1}, 0)
	if _, ok := errors.AsType[*apiclient.FingerprintError](err); !ok {
		t.Errorf("Open: %v", err)
	}
	_, err = c.Upload(t.Context(), apitest.Scope, strings.NewReader("x"), 1, "", nil)
	if _, ok := errors.AsType[*apiclient.FingerprintError](err); !ok {
		t.Errorf("Upload: %v", err)
	}
	_, err = apiclient.Join(t.Context(), invite.Invitation{Address: s.Address, Secret: apitest.Secret, Fingerprint: opts.Fingerprint}, havre.JoinRequest{})
	if _, ok := errors.AsType[*apiclient.FingerprintError](err); !ok {
		t.Errorf("Join: %v", err)
	}
	if asked {
		t.Error("something was sent to a stranger")
	}
}

func TestErrorsCrossTheWire(t *testing.T) {
	hub := apitest.NewHub()
	s := apitest.Start(t, hub, api.Options{})
	c := s.Client(t)
	for _, code := range []havre.Code{
		havre.CodeInvalid, havre.CodeUnauthenticated, havre.CodeDenied, havre.CodeNotFound, havre.CodeExists,
		havre.CodeFull, havre.CodeUnavailable, havre.CodeHistoryWentBack,
	} {
		t.Run(string(code), func(t *testing.T) {
			hub.Fail = func(string) error {
				return fmt.Errorf("outer: %w", &havre.Error{Code: code, Text: "schön \xff", Cause: errors.New("hush")})
			}
			want := &havre.Error{Code: code, Text: "schön \uFFFD"}
			check := func(what string, err error) {
				t.Helper()
				got, ok := errors.AsType[*havre.Error](err)
				if !ok {
					t.Errorf("%s: %v is no *havre.Error", what, err)
				} else if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s: %s", what, d)
				}
			}
			_, err := c.Folders(t.Context())
			check("Folders", err)
			_, err = c.Commit(t.Context(), apitest.Scope, &havre.Commit{ID: "1"})
			check("Commit", err)
			for _, err := range c.List(t.Context(), apitest.Scope, 1, "") {
				check("List", err)
			}
			_, err = c.Open(t.Context(), apitest.Scope, havre.FileVersion{Path: "a", Rev: 1}, 0)
			check("Open", err)
			err = c.Fetch(t.Context(), apitest.Scope, []havre.FileVersion{{Path: "a", Rev: 1}}, func(_ int, _ []byte, err error) error {
				check("Fetch", err)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			err = c.Follow(t.Context(), apitest.Scope, 0, apitest.UUID, nil)
			check("Follow", err) // by its heartbeat
			if code != havre.CodeUnavailable {
				_, err = c.Upload(t.Context(), apitest.Scope, strings.NewReader("x"), 1, "", nil)
				check("Upload", err)
			}
		})
	}
	t.Run("internal", func(t *testing.T) {
		for _, fail := range []error{errors.New("hush"), &havre.Error{Code: havre.CodeInternal, Text: "hush"}} {
			hub.Fail = func(string) error { return fail }
			_, err := c.Folders(t.Context())
			if havre.CodeOf(err) != havre.CodeInternal || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v", err)
			}
			_, err = c.Open(t.Context(), apitest.Scope, havre.FileVersion{Path: "a", Rev: 1}, 0)
			if havre.CodeOf(err) != havre.CodeInternal || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("panic", func(t *testing.T) {
		hub.Fail = func(string) error { panic("hush") }
		if _, err := c.Folders(t.Context()); havre.CodeOf(err) != havre.CodeInternal || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v", err)
		}
	})
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = plain.Close() })
	go func() {
		for {
			c, err := plain.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
			_ = c.Close()
		}
	}()
	for _, test := range []struct{ name, address, says string }{
		{"nothing listens", closed, "nothing listens there"},
		{"another service", plain.Addr().String(), "does not speak TLS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := apitest.Dial(t, apiclient.Options{Address: test.address, Token: "x"})
			_, err := c.Folders(t.Context())
			_, err2 := c.Open(t.Context(), apitest.Scope, havre.FileVersion{Path: "a", Rev: 1}, 0)
			for _, err := range []error{err, err2} {
				if havre.CodeOf(err) != havre.CodeUnavailable || !strings.Contains(err.Error(), test.address) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want CodeUnavailable with the address and %q", err, test.says)
				}
			}
		})
	}
}

func TestCommit(t *testing.T) {
	hub := apitest.NewHub()
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	content := []byte("contents")
	entry := havre.Entry{
		Kind: havre.KindFile, Size: 8, Hash: havre.HashBytes(content), Executable: true,
		ModTime: time.Date(1969, 7, 20, 20, 17, 40, 123456789, time.UTC),
	}
	odd := entry
	odd.ModTime = time.Unix(0, 0)
	empty := havre.Entry{Kind: havre.KindFile, Hash: havre.HashBytes(nil)}
	commit := &havre.Commit{ID: "c1", Message: "déjà vu", Changes: []havre.Change{
		{Kind: havre.ChangeCopy, Path: "new", Base: svn.InvalidRevnum, CopyFrom: svn.CopySource{Path: "old", Rev: 3}},
		{Kind: havre.ChangeDelete, Path: "old", Base: 3},
		{Kind: havre.ChangePut, Path: "dir", Base: svn.InvalidRevnum, Entry: havre.Entry{Kind: havre.KindDir}},
		{Kind: havre.ChangePut, Path: "dir/ü 💾", Base: svn.InvalidRevnum, Entry: entry, Content: content},
		{Kind: havre.ChangePut, Path: "dir/empty", Base: svn.InvalidRevnum, Entry: empty, Content: []byte{}},
		{Kind: havre.ChangePut, Path: "dir/epoch", Base: svn.InvalidRevnum, Entry: odd, Content: content},
		{Kind: havre.ChangePut, Path: "refused/x", Base: 2, Entry: entry, Upload: "up1"},
		{Kind: havre.ChangePut, Path: "refused/y", Base: 2, Entry: entry, KeepContent: true},
	}}
	result, err := c.Commit(t.Context(), apitest.Scope, commit)
	want := &havre.CommitResult{Rev: 1, Refused: []havre.Refusal{
		{Index: 6, Path: "refused/x", Reason: havre.RefusedOutOfDate, Text: "it changed"},
		{Index: 7, Path: "refused/y", Reason: havre.RefusedOutOfDate, Text: "it changed"},
	}}
	if d := cmp.Diff(want, result); err != nil || d != "" {
		t.Fatal(err, d)
	}

	errSeen := errors.New("seen")
	var got *havre.Revision
	err = c.Follow(t.Context(), apitest.Scope, 0, apitest.UUID, func(r *havre.Revision) error {
		got = r
		return errSeen
	})
	if !errors.Is(err, errSeen) {
		t.Fatal(err)
	}
	nanosecond := odd
	nanosecond.ModTime = time.Unix(0, 1).UTC()
	if d := cmp.Diff(&havre.Revision{
		Rev:     1,
		Origin:  havre.Origin{Author: "ada", Device: "d1", CommitID: "c1"},
		Message: "déjà vu",
		Moves:   []havre.Move{{From: "old", To: "new"}},
		Removed: []svn.Path{"old"},
		Ops: []havre.Op{
			{Kind: havre.OpAttach, Path: "new"},
			{Kind: havre.OpPut, Path: "dir", Entry: havre.Entry{Kind: havre.KindDir}},
			{Kind: havre.OpPut, Path: "dir/ü 💾", Entry: entry, Content: content},
			{Kind: havre.OpPut, Path: "dir/empty", Entry: empty, Content: []byte{}},
			{Kind: havre.OpPut, Path: "dir/epoch", Entry: nanosecond, Content: content},
		},
	}, got); d != "" {
		t.Error(d)
	}

	nothing := &havre.Commit{ID: "c2", Changes: commit.Changes[6:]}
	if result, err := c.Commit(t.Context(), apitest.Scope, nothing); err != nil || result.Rev != svn.InvalidRevnum || len(result.Refused) != 2 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestCommitTooLarge(t *testing.T) {
	c := apitest.Start(t, apitest.NewHub(), api.Options{}).Client(t)
	huge := random(65 << 20)
	_, err := c.Commit(t.Context(), apitest.Scope, &havre.Commit{ID: "c", Changes: []havre.Change{{
		Kind: havre.ChangePut, Path: "huge", Entry: havre.Entry{Kind: havre.KindFile, Size: int64(len(huge))}, Content: huge,
	}}})
	if havre.CodeOf(err) != havre.CodeInvalid {
		t.Errorf("got %v, want CodeInvalid", err)
	}
}

func TestListAndChunks(t *testing.T) {
	hub := apitest.NewHub()
	var want []svn.Path
	for i := range 2500 {
		p := svn.Path(fmt.Sprintf("d/%04d", i))
		hub.Put(havre.FileVersion{Path: p, Rev: 4}, []byte(p))
		want = append(want, p)
	}
	long := []byte(strings.Repeat("abc", 1000))
	hub.Put(havre.FileVersion{Path: "long", Rev: 5}, long)
	c := apitest.Start(t, hub, api.Options{}).Client(t)

	list := func(after svn.Path, most int) (got []svn.Path) {
		for item, err := range c.List(t.Context(), apitest.Scope, 4, after) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, item.Path); len(got) == most {
				break
			}
		}
		return got
	}
	if d := cmp.Diff(want, list("", -1)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want[1001:], list(want[1000], -1)); d != "" {
		t.Error("after:", d)
	}
	if d := cmp.Diff(want[:7], list("", 7)); d != "" {
		t.Error("ended early:", d)
	}
	chunks, err := c.Chunks(t.Context(), apitest.Scope, havre.FileVersion{Path: "long", Rev: 5})
	if err != nil || len(chunks) != len(long) || chunks[2].SHA256[0] != 'c' {
		t.Errorf("%d chunks, %v", len(chunks), err)
	}
}

func TestFetch(t *testing.T) {
	hub := apitest.NewHub()
	var files []havre.FileVersion
	for i := range 10_050 { // more than one request takes
		v := havre.FileVersion{Path: svn.Path(fmt.Sprint(i)), Rev: 1}
		if i != 77 {
			hub.Put(v, []byte(fmt.Sprintf("contents of %d", i)))
		}
		files = append(files, v)
	}
	files[33].Path = "large"
	hub.Put(files[33], make([]byte, havre.InlineLimit+1))
	files[34].Path = "just small enough"
	hub.Put(files[34], make([]byte, havre.InlineLimit))
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	next := 0
	err := c.Fetch(t.Context(), apitest.Scope, files, func(i int, content []byte, err error) error {
		if i != next {
			t.Fatalf("file %d came in the place of %d", i, next)
		}
		next++
		want := havre.Code("")
		switch i {
		case 33:
			want = havre.CodeInvalid
		case 77:
			want = havre.CodeNotFound
		case 34:
			if len(content) != havre.InlineLimit {
				t.Errorf("%d bytes", len(content))
			}
		default:
			if string(content) != fmt.Sprintf("contents of %d", i) {
				t.Errorf("file %d: %q", i, content)
			}
		}
		if (err != nil) != (want != "") || err != nil && havre.CodeOf(err) != want {
			t.Errorf("file %d: %v, want %q", i, err, want)
		}
		return nil
	})
	if err != nil || next != len(files) {
		t.Errorf("%d files came, %v", next, err)
	}
	errEnough := errors.New("enough")
	err = c.Fetch(t.Context(), apitest.Scope, files, func(int, []byte, error) error { return errEnough })
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

func TestReport(t *testing.T) {
	hub := apitest.NewHub()
	c := apitest.Start(t, hub, api.Options{}).Client(t)
	want := []havre.ReplicaReport{{
		Scope: havre.Scope{Folder: apitest.Folder, Root: "a/b"}, Revision: 9, Pending: 3, Error: "disk full", Place: "/home/ada/Team", HeldUp: 70, HeldDown: 2,
		HeldFiles: []havre.HeldFile{{Path: "c/d", Size: 5}, {Path: "é"}}, HeldKnown: true,
	}}
	told, err := c.Report(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]havre.HeldDecision{{Scope: want[0].Scope, Decision: havre.DecisionKeep, Count: 70}}, told.Decisions); d != "" {
		t.Error(d)
	}
	if told.Guard != (havre.Guard{Files: 500, Percent: 30, TrashDays: 90}) {
		t.Errorf("the guard is %+v", told.Guard)
	}
	if d := cmp.Diff(want, hub.Reports()); d != "" {
		t.Error(d)
	}
}
