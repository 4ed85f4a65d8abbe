package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// What passes the checks is the same after another journey, and nothing makes them panic.

func FuzzRevision(f *testing.F) {
	seed, err := proto.Marshal(wire.Revision(&havre.Revision{
		Rev: 7, Message: "m", Moves: []havre.Move{{From: "a", To: "b"}}, Removed: []svn.Path{"c"},
		Ops: []havre.Op{
			{Kind: havre.OpAttach, Path: "b"},
			{Kind: havre.OpPut, Path: "d", Entry: havre.Entry{Kind: havre.KindFile, Size: 1, Hash: havre.HashBytes([]byte("x"))}, Content: []byte("x")},
			{Kind: havre.OpDelete, Path: "b/e"},
		},
	}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m havrev1.Revision
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		r, err := wire.DecodeRevision(&m)
		if err != nil {
			return
		}
		again, err := wire.DecodeRevision(wire.Revision(r))
		if d := cmp.Diff(r, again); err != nil || d != "" {
			t.Error(err, d)
		}
	})
}

func FuzzCommit(f *testing.F) {
	scope := havre.Scope{Folder: "f", Root: "r"}
	seed, err := proto.Marshal(wire.Commit(scope, &havre.Commit{ID: "x", Changes: []havre.Change{
		{Kind: havre.ChangePut, Path: "a", Base: -1, Entry: havre.Entry{Kind: havre.KindFile, Size: 1}, Content: []byte("x")},
		{Kind: havre.ChangePut, Path: "b", Base: 3, Entry: havre.Entry{Kind: havre.KindSymlink, Size: 9}, Upload: "u"},
		{Kind: havre.ChangeDelete, Path: "c", Base: 4},
	}}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m havrev1.CommitRequest
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		scope, err := wire.DecodeScope(m.GetScope())
		if err != nil {
			return
		}
		c, err := wire.DecodeCommit(&m)
		if err != nil {
			return
		}
		req := wire.Commit(scope, c)
		again, err := wire.DecodeCommit(req)
		if d := cmp.Diff(c, again); err != nil || d != "" {
			t.Error(err, d)
		}
	})
}

func TestDecodePath(t *testing.T) {
	for _, test := range []struct {
		name, in string
		ok       bool
	}{
		{"root", "", true},
		{"255 bytes and a space", strings.Repeat("ü", 127) + " /x", true},
		{"longest", strings.Repeat("a", wire.MaxPath), true},
		{"too long", strings.Repeat("a", wire.MaxPath+1), false},
		{"deepest", strings.TrimSuffix(strings.Repeat("a/", wire.MaxDepth), "/"), true},
		{"too deep", strings.TrimSuffix(strings.Repeat("a/", wire.MaxDepth+1), "/"), false},
		{"upwards", "a/../b", false},
		{"absolute", "/a", false},
		{"trailing slash", "a/", false},
		{"newline", "a\nb", false},
		{"not UTF-8", "\xff", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := wire.DecodePath(test.in)
			if (err == nil) != test.ok || err != nil && havre.CodeOf(err) != havre.CodeInvalid {
				t.Errorf("got %v, want ok %v", err, test.ok)
			}
		})
	}
}

func TestUnknownErrorCode(t *testing.T) {
	e := wire.DecodeError(&havrev1.ErrorDetail{Code: "of_tomorrow", Text: "t"})
	if e.Code != havre.CodeInternal || e.Text != "t" {
		t.Errorf("got %+v", e)
	}
}

func TestNothingUnexpectedInEmptyContents(t *testing.T) {
	m := wire.Commit(havre.Scope{Folder: "f"}, &havre.Commit{ID: "x", Changes: []havre.Change{
		{Kind: havre.ChangePut, Path: "a", Entry: havre.Entry{Kind: havre.KindFile}, Content: nil},
	}})
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back havrev1.CommitRequest
	if err := proto.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	c, err := wire.DecodeCommit(&back)
	if err != nil || c.Changes[0].Content == nil || !bytes.Equal(c.Changes[0].Content, nil) {
		t.Errorf("%+v, %v: want empty contents, not none", c, err)
	}
}
