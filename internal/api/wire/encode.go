package wire

import (
	"math"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/havre"
)

// Entry returns e as it goes over the wire.
func Entry(e *havre.Entry) *havrev1.Entry {
	return &havrev1.Entry{
		Kind:       kinds[e.Kind],
		Size:       e.Size,
		Hash:       []byte(e.Hash),
		Mtime:      nanoseconds(e.ModTime),
		Executable: e.Executable,
		Revision:   int64(e.Rev),
	}
}

// The first and the last moment that 64 bits of nanoseconds can say.
var (
	minTime = time.Unix(0, math.MinInt64)
	maxTime = time.Unix(0, math.MaxInt64)
)

// nanoseconds returns t in nanoseconds since 1970, 0 if it is unknown or out of range. The moment 0
// itself, which files do carry, is sent as 1: a nanosecond wrong rather than lost.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() || t.Before(minTime) || t.After(maxTime) {
		return 0
	}
	if n := t.UnixNano(); n != 0 {
		return n
	}
	return 1
}

var kinds = map[havre.Kind]havrev1.Kind{
	havre.KindFile:    havrev1.Kind_KIND_FILE,
	havre.KindDir:     havrev1.Kind_KIND_DIR,
	havre.KindSymlink: havrev1.Kind_KIND_SYMLINK,
}

// text returns s as protobuf can carry it: revision properties that others wrote and the messages of
// systems are not always UTF-8.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Scope returns s as it goes over the wire.
func Scope(s havre.Scope) *havrev1.Scope {
	return &havrev1.Scope{Folder: string(s.Folder), Root: string(s.Root), View: s.View}
}

// Folders returns the answer to Folders.
func Folders(list []havre.Folder) *havrev1.FoldersResponse {
	resp := &havrev1.FoldersResponse{Folders: make([]*havrev1.Folder, len(list))}
	for i, f := range list {
		resp.Folders[i] = &havrev1.Folder{
			Id:         string(f.ID),
			Name:       f.Name,
			Repository: f.Repository,
			Head:       int64(f.Head),
			Right:      havrev1.Right(f.Right),
			View:       f.View,
		}
	}
	return resp
}

// Item returns i as it goes over the wire.
func Item(i *havre.Item) *havrev1.ListItem {
	return &havrev1.ListItem{Path: string(i.Path), Entry: Entry(&i.Entry)}
}

// Revision returns r as it goes over the wire.
func Revision(r *havre.Revision) *havrev1.Revision {
	m := &havrev1.Revision{
		Revision: int64(r.Rev),
		Time:     nanoseconds(r.Time),
		Author:   text(r.Origin.Author),
		Device:   string(r.Origin.Device),
		CommitId: r.Origin.CommitID,
		Message:  text(r.Message),
		Moves:    make([]*havrev1.Move, len(r.Moves)),
		Removed:  make([]string, len(r.Removed)),
		Ops:      make([]*havrev1.Op, len(r.Ops)),
		More:     r.More,

		Confirmed: r.Origin.Confirmed,
		View:      r.View,
		Access:    havrev1.Access(r.Access),
	}
	for i, mv := range r.Moves {
		m.Moves[i] = &havrev1.Move{From: string(mv.From), To: string(mv.To)}
	}
	for i, p := range r.Removed {
		m.Removed[i] = string(p)
	}
	for i := range r.Ops {
		m.Ops[i] = op(&r.Ops[i])
	}
	return m
}

func op(o *havre.Op) *havrev1.Op {
	m := &havrev1.Op{Path: string(o.Path)}
	switch o.Kind {
	case havre.OpPut:
		m.Op = &havrev1.Op_Put{Put: Entry(&o.Entry)}
		m.Content = o.Content
	case havre.OpAttach:
		m.Op = &havrev1.Op_Attach{Attach: int32(o.Move)}
	case havre.OpDelete:
		m.Op = &havrev1.Op_Delete{Delete: true}
	}
	return m
}

// Commit returns the request that asks for c.
func Commit(s havre.Scope, c *havre.Commit) *havrev1.CommitRequest {
	m := &havrev1.CommitRequest{
		Scope:   Scope(s),
		Id:      c.ID,
		Message: text(c.Message),
		Changes: make([]*havrev1.Change, len(c.Changes)),

		Confirmed: c.Confirmed,
	}
	for i := range c.Changes {
		m.Changes[i] = change(&c.Changes[i])
	}
	return m
}

func change(c *havre.Change) *havrev1.Change {
	m := &havrev1.Change{Path: string(c.Path), Base: int64(c.Base)}
	switch c.Kind {
	case havre.ChangePut:
		put := &havrev1.Put{Entry: Entry(&c.Entry)}
		switch {
		case c.Upload != "":
			put.From = &havrev1.Put_Upload{Upload: string(c.Upload)}
		case c.KeepContent:
			put.From = &havrev1.Put_Keep{Keep: true}
		case c.Entry.Kind != havre.KindDir:
			put.From = &havrev1.Put_Content{Content: c.Content}
		}
		m.Change = &havrev1.Change_Put{Put: put}
	case havre.ChangeDelete:
		m.Change = &havrev1.Change_Delete{Delete: true}
	case havre.ChangeCopy:
		m.Change = &havrev1.Change_Copy{Copy: &havrev1.CopySource{
			Path: string(c.CopyFrom.Path), Revision: int64(c.CopyFrom.Rev),
		}}
	}
	return m
}

// CommitResult returns the answer to a commit.
func CommitResult(r *havre.CommitResult) *havrev1.CommitResponse {
	m := &havrev1.CommitResponse{Revision: int64(r.Rev), Refused: make([]*havrev1.Refusal, len(r.Refused))}
	for i, f := range r.Refused {
		m.Refused[i] = &havrev1.Refusal{
			Index:  int32(f.Index),
			Path:   string(f.Path),
			Reason: havrev1.RefusalReason(f.Reason),
			Text:   text(f.Text),
		}
	}
	return m
}

// FileVersion returns v as it goes over the wire.
func FileVersion(v havre.FileVersion) *havrev1.FileVersion {
	return &havrev1.FileVersion{Path: string(v.Path), Revision: int64(v.Rev)}
}

// Chunk returns c as it goes over the wire.
func Chunk(c *havre.Chunk) *havrev1.Chunk {
	return &havrev1.Chunk{Length: c.Length, Sha256: c.SHA256[:]}
}

// Reports returns the request that carries them.
func Reports(list []havre.ReplicaReport) *havrev1.ReportRequest {
	m := &havrev1.ReportRequest{Replicas: make([]*havrev1.ReplicaReport, len(list))}
	for i, r := range list {
		m.Replicas[i] = &havrev1.ReplicaReport{
			Scope:    Scope(r.Scope),
			Revision: int64(r.Revision),
			Pending:  r.Pending,
			Error:    text(r.Error),
			Place:    text(r.Place),
			HeldUp:   r.HeldUp,
			HeldDown: r.HeldDown, HeldKnown: r.HeldKnown,
		}
		for _, f := range r.HeldFiles {
			m.Replicas[i].HeldFiles = append(m.Replicas[i].HeldFiles, &havrev1.HeldFile{Path: string(f.Path), Size: f.Size})
		}
	}
	return m
}

// Instructions returns the answer that carries them.
func Instructions(in havre.Instructions) *havrev1.ReportResponse {
	m := &havrev1.ReportResponse{}
	if in.Guard.Files > 0 {
		m.Guard = &havrev1.Guard{Files: in.Guard.Files, Percent: in.Guard.Percent, TrashDays: in.Guard.TrashDays}
	}
	for _, d := range in.Decisions {
		decision := havrev1.Decision_DECISION_KEEP
		if d.Decision == havre.DecisionDelete {
			decision = havrev1.Decision_DECISION_DELETE
		}
		m.Decisions = append(m.Decisions, &havrev1.HeldDecision{Scope: Scope(d.Scope), Decision: decision, Count: d.Count})
	}
	return m
}
