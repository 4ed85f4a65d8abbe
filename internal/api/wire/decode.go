package wire

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

func invalid(format string, args ...any) error {
	return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf(format, args...)}
}

// DecodePath checks a path that came over the network.
func DecodePath(s string) (svn.Path, error) {
	if len(s) > MaxPath {
		return "", invalid("a path has %d bytes, more than %d", len(s), MaxPath)
	}
	if n := strings.Count(s, "/") + 1; n > MaxDepth {
		return "", invalid("a path has %d components, more than %d", n, MaxDepth)
	}
	p, err := svn.CheckPath(s)
	if err != nil {
		return "", invalid("%v", err)
	}
	return p, nil
}

// DecodeText checks a name or a text for people: at most limit bytes of UTF-8.
func DecodeText(what, s string, limit int) (string, error) {
	if len(s) > limit {
		return "", invalid("the %s has %d bytes, more than %d", what, len(s), limit)
	}
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return "", invalid("the %s is not text in UTF-8", what)
	}
	return s, nil
}

// DecodeRev checks the number of an existing revision.
func DecodeRev(n int64) (svn.Revnum, error) {
	if n < 0 {
		return 0, invalid("revision %d: a revision is not negative", n)
	}
	return svn.Revnum(n), nil
}

// DecodeSize checks a length or a position in bytes.
func DecodeSize(what string, n int64) (int64, error) {
	if n < 0 {
		return 0, invalid("%s %d: it is not negative", what, n)
	}
	return n, nil
}

// DecodeScope checks a scope; a missing one is refused.
func DecodeScope(m *havrev1.Scope) (havre.Scope, error) {
	if m.GetFolder() == "" {
		return havre.Scope{}, invalid("the request names no folder")
	}
	folder, err := DecodeText("folder", m.GetFolder(), MaxName)
	if err != nil {
		return havre.Scope{}, err
	}
	root, err := DecodePath(m.GetRoot())
	if err != nil {
		return havre.Scope{}, err
	}
	view, err := DecodeText("view", m.GetView(), MaxView)
	if err != nil {
		return havre.Scope{}, err
	}
	return havre.Scope{Folder: havre.FolderID(folder), Root: root, View: view}, nil
}

// DecodeEntry checks an entry.
func DecodeEntry(m *havrev1.Entry) (havre.Entry, error) {
	var kind havre.Kind
	switch m.GetKind() {
	case havrev1.Kind_KIND_FILE:
		kind = havre.KindFile
	case havrev1.Kind_KIND_DIR:
		kind = havre.KindDir
	case havrev1.Kind_KIND_SYMLINK:
		kind = havre.KindSymlink
	default:
		return havre.Entry{}, invalid("an entry is of the unknown kind %d", m.GetKind())
	}
	if m.GetSize() < 0 || m.GetRevision() < -1 {
		return havre.Entry{}, invalid("an entry has size %d and revision %d", m.GetSize(), m.GetRevision())
	}
	if len(m.GetHash()) > 1+64 {
		return havre.Entry{}, invalid("a hash has %d bytes", len(m.GetHash()))
	}
	return havre.Entry{
		Kind:       kind,
		Size:       m.GetSize(),
		Hash:       havre.Hash(m.GetHash()),
		ModTime:    decodeTime(m.GetMtime()),
		Executable: m.GetExecutable(),
		Rev:        svn.Revnum(m.GetRevision()),
	}, nil
}

func decodeTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// DecodeFolders checks the answer to Folders.
func DecodeFolders(m *havrev1.FoldersResponse) ([]havre.Folder, error) {
	list := make([]havre.Folder, len(m.GetFolders()))
	for i, f := range m.GetFolders() {
		if f.GetId() == "" || f.GetHead() < 0 {
			return nil, invalid("the server's folder %q has id %q and head %d", f.GetName(), f.GetId(), f.GetHead())
		}
		right := havre.RightNone
		// A right that this program does not know yet counts as none.
		if r := f.GetRight(); r >= 0 && r <= havrev1.Right_RIGHT_MANAGE {
			right = havre.Right(r)
		}
		list[i] = havre.Folder{
			ID:         havre.FolderID(f.GetId()),
			Name:       f.GetName(),
			Repository: f.GetRepository(),
			Head:       svn.Revnum(f.GetHead()),
			Right:      right,
			View:       f.GetView(),
		}
	}
	return list, nil
}

// DecodeItem checks an item of List.
func DecodeItem(m *havrev1.ListItem) (havre.Item, error) {
	p, err := DecodePath(m.GetPath())
	if err != nil {
		return havre.Item{}, err
	}
	e, err := DecodeEntry(m.GetEntry())
	if err != nil {
		return havre.Item{}, fmt.Errorf("/%s: %w", p, err)
	}
	return havre.Item{Path: p, Entry: e}, nil
}

// DecodeRevision checks a revision, or a part of one, except for the indexes of attached moves, of
// which the moves may be in an earlier part: those are not negative.
func DecodeRevision(m *havrev1.Revision) (*havre.Revision, error) {
	rev, err := DecodeRev(m.GetRevision())
	if err != nil {
		return nil, err
	}
	r := &havre.Revision{
		Rev:  rev,
		Time: decodeTime(m.GetTime()),
		Origin: havre.Origin{
			Author: m.GetAuthor(), Device: havre.DeviceID(m.GetDevice()), CommitID: m.GetCommitId(),
			Confirmed: m.GetConfirmed(),
		},
		Message: m.GetMessage(),
		More:    m.GetMore(),
		View:    m.GetView(),
	}
	if len(r.View) > MaxView {
		return nil, invalid("the server sends a view of %d bytes", len(r.View))
	}
	if a := m.GetAccess(); a >= 0 && a <= havrev1.Access_ACCESS_ENDED {
		r.Access = havre.Access(a)
	} else {
		return nil, invalid("the server says something of the rights that this program does not know")
	}
	for _, mv := range m.GetMoves() {
		from, err := DecodePath(mv.GetFrom())
		if err != nil {
			return nil, err
		}
		to, err := DecodePath(mv.GetTo())
		if err != nil {
			return nil, err
		}
		r.Moves = append(r.Moves, havre.Move{From: from, To: to})
	}
	for _, s := range m.GetRemoved() {
		p, err := DecodePath(s)
		if err != nil {
			return nil, err
		}
		r.Removed = append(r.Removed, p)
	}
	for _, o := range m.GetOps() {
		op, err := decodeOp(o)
		if err != nil {
			return nil, err
		}
		r.Ops = append(r.Ops, op)
	}
	return r, nil
}

func decodeOp(m *havrev1.Op) (havre.Op, error) {
	p, err := DecodePath(m.GetPath())
	if err != nil {
		return havre.Op{}, err
	}
	switch v := m.GetOp().(type) {
	case *havrev1.Op_Put:
		e, err := DecodeEntry(v.Put)
		if err != nil {
			return havre.Op{}, fmt.Errorf("/%s: %w", p, err)
		}
		if m.Content != nil && int64(len(m.GetContent())) != e.Size {
			return havre.Op{}, invalid("/%s: %d bytes of contents came for %d", p, len(m.GetContent()), e.Size)
		}
		return havre.Op{Kind: havre.OpPut, Path: p, Entry: e, Content: m.Content}, nil
	case *havrev1.Op_Attach:
		if v.Attach < 0 {
			return havre.Op{}, invalid("/%s: attaches move %d", p, v.Attach)
		}
		return havre.Op{Kind: havre.OpAttach, Path: p, Move: int(v.Attach)}, nil
	case *havrev1.Op_Delete:
		return havre.Op{Kind: havre.OpDelete, Path: p}, nil
	default:
		return havre.Op{}, invalid("/%s: the operation is unknown: this program is older than what it talks to", p)
	}
}

// DecodeCommit checks a commit.
func DecodeCommit(m *havrev1.CommitRequest) (*havre.Commit, error) {
	if m.GetId() == "" {
		return nil, invalid("the commit has no id")
	}
	if _, err := DecodeText("commit's id", m.GetId(), MaxName); err != nil {
		return nil, err
	}
	if _, err := DecodeText("message", m.GetMessage(), MaxText); err != nil {
		return nil, err
	}
	if n := len(m.GetChanges()); n > MaxChanges {
		return nil, invalid("the commit has %d changes, more than %d: send several commits", n, MaxChanges)
	}
	c := &havre.Commit{
		ID: m.GetId(), Message: m.GetMessage(), Changes: make([]havre.Change, len(m.GetChanges())), Confirmed: m.GetConfirmed(),
	}
	for i, ch := range m.GetChanges() {
		if err := decodeChange(&c.Changes[i], ch); err != nil {
			return nil, fmt.Errorf("change %d: %w", i, err)
		}
	}
	return c, nil
}

func decodeChange(c *havre.Change, m *havrev1.Change) (err error) {
	if c.Path, err = DecodePath(m.GetPath()); err != nil {
		return err
	}
	if c.Path == "" {
		return invalid("it names no path")
	}
	if m.GetBase() < -1 {
		return invalid("/%s: base revision %d", c.Path, m.GetBase())
	}
	c.Base = svn.Revnum(m.GetBase())
	switch v := m.GetChange().(type) {
	case *havrev1.Change_Put:
		c.Kind = havre.ChangePut
		return decodePut(c, v.Put)
	case *havrev1.Change_Delete:
		c.Kind = havre.ChangeDelete
		return nil
	case *havrev1.Change_Copy:
		c.Kind = havre.ChangeCopy
		if c.CopyFrom.Path, err = DecodePath(v.Copy.GetPath()); err != nil {
			return err
		}
		c.CopyFrom.Rev, err = DecodeRev(v.Copy.GetRevision())
		return err
	default:
		return invalid("/%s: the change is unknown: this program is older than what it talks to", c.Path)
	}
}

func decodePut(c *havre.Change, m *havrev1.Put) (err error) {
	if c.Entry, err = DecodeEntry(m.GetEntry()); err != nil {
		return fmt.Errorf("/%s: %w", c.Path, err)
	}
	switch from := m.GetFrom().(type) {
	case *havrev1.Put_Content:
		if c.Entry.Kind == havre.KindDir {
			return invalid("/%s: a directory has no contents", c.Path)
		}
		if n := int64(len(from.Content)); n != c.Entry.Size {
			return invalid("/%s: %d bytes of contents came for %d", c.Path, n, c.Entry.Size)
		}
		if c.Content = from.Content; c.Content == nil {
			c.Content = []byte{} // empty contents are not the same as none
		}
	case *havrev1.Put_Upload:
		if c.Entry.Kind == havre.KindDir || from.Upload == "" {
			return invalid("/%s: a %s from the upload %q", c.Path, c.Entry.Kind, from.Upload)
		}
		upload, err := DecodeText("upload", from.Upload, MaxName)
		if err != nil {
			return err
		}
		c.Upload = havre.UploadID(upload)
	case *havrev1.Put_Keep:
		c.KeepContent = from.Keep
	}
	if c.Content == nil && c.Upload == "" && !c.KeepContent && c.Entry.Kind != havre.KindDir {
		return invalid("/%s: a %s without contents", c.Path, c.Entry.Kind)
	}
	return nil
}

// DecodeCommitResult checks the answer to a commit of that many changes.
func DecodeCommitResult(m *havrev1.CommitResponse, changes int) (*havre.CommitResult, error) {
	if m.GetRevision() < -1 {
		return nil, invalid("the server committed revision %d", m.GetRevision())
	}
	r := &havre.CommitResult{Rev: svn.Revnum(m.GetRevision())}
	for _, f := range m.GetRefused() {
		if f.GetIndex() < 0 || int(f.GetIndex()) >= changes {
			return nil, invalid("the server refused change %d of %d", f.GetIndex(), changes)
		}
		p, err := DecodePath(f.GetPath())
		if err != nil {
			return nil, err
		}
		reason := havre.RefusedInvalid
		// Reasons that this program does not know yet stay refusals of this change alone.
		if v := f.GetReason(); v > 0 && v <= havrev1.RefusalReason_REFUSAL_REASON_PARENT {
			reason = havre.RefusalReason(v)
		}
		r.Refused = append(r.Refused, havre.Refusal{
			Index: int(f.GetIndex()), Path: p, Reason: reason, Text: f.GetText(),
		})
	}
	return r, nil
}

// DecodeFileVersion checks which contents are meant.
func DecodeFileVersion(m *havrev1.FileVersion) (havre.FileVersion, error) {
	p, err := DecodePath(m.GetPath())
	if err != nil {
		return havre.FileVersion{}, err
	}
	rev, err := DecodeRev(m.GetRevision())
	if err != nil {
		return havre.FileVersion{}, err
	}
	return havre.FileVersion{Path: p, Rev: rev}, nil
}

// DecodeChunk checks a chunk.
func DecodeChunk(m *havrev1.Chunk) (havre.Chunk, error) {
	if m.GetLength() <= 0 || len(m.GetSha256()) != sha256.Size {
		return havre.Chunk{}, invalid("a chunk of %d bytes has a hash of %d bytes", m.GetLength(), len(m.GetSha256()))
	}
	return havre.Chunk{Length: m.GetLength(), SHA256: [sha256.Size]byte(m.GetSha256())}, nil
}

// heldOverhead is what a held file costs besides its name.
const heldOverhead = 16

// DecodeReports checks a report.
func DecodeReports(m *havrev1.ReportRequest) ([]havre.ReplicaReport, error) {
	if n := len(m.GetReplicas()); n > MaxReports {
		return nil, invalid("the report names %d replicas, more than %d", n, MaxReports)
	}
	list := make([]havre.ReplicaReport, len(m.GetReplicas()))
	room := havre.MaxHeldBytes
	for i, r := range m.GetReplicas() {
		scope, err := DecodeScope(r.GetScope())
		if err != nil {
			return nil, err
		}
		rev, err := DecodeRev(r.GetRevision())
		if err != nil {
			return nil, err
		}
		pending, err := DecodeSize("number of pending changes", r.GetPending())
		if err != nil {
			return nil, err
		}
		text, err := DecodeText("error", r.GetError(), MaxText)
		if err != nil {
			return nil, err
		}
		place, err := DecodeText("place", r.GetPlace(), MaxText)
		if err != nil {
			return nil, err
		}
		for _, n := range []int64{r.GetHeldUp(), r.GetHeldDown()} {
			if _, err := DecodeSize("number of deletions", n); err != nil {
				return nil, err
			}
		}
		list[i] = havre.ReplicaReport{
			Scope: scope, Revision: rev, Pending: pending, Error: text,
			Place: place, HeldUp: r.GetHeldUp(), HeldDown: r.GetHeldDown(), HeldKnown: r.GetHeldKnown(),
		}
		for _, f := range r.GetHeldFiles() {
			p, err := DecodePath(f.GetPath())
			if err != nil {
				return nil, err
			}
			if _, err := DecodeSize("size of a file", f.GetSize()); err != nil {
				return nil, err
			}
			if room -= len(p) + heldOverhead; room < 0 {
				return nil, invalid("the names of files whose deletion waits have more than %d bytes", havre.MaxHeldBytes)
			}
			list[i].HeldFiles = append(list[i].HeldFiles, havre.HeldFile{Path: p, Size: f.GetSize()})
		}
	}
	return list, nil
}

// DecodeInstructions checks the answer to a report. A guard that makes no sense is none.
func DecodeInstructions(m *havrev1.ReportResponse) (havre.Instructions, error) {
	list, err := decodeDecisions(m)
	in := havre.Instructions{Decisions: list}
	if g := m.GetGuard(); g.GetFiles() > 0 && g.GetPercent() >= 0 && g.GetPercent() <= 100 {
		in.Guard = havre.Guard{Files: g.GetFiles(), Percent: g.GetPercent(), TrashDays: min(max(g.GetTrashDays(), 0), havre.MaxTrashDays)}
	}
	return in, err
}

func decodeDecisions(m *havrev1.ReportResponse) ([]havre.HeldDecision, error) {
	list := make([]havre.HeldDecision, 0, len(m.GetDecisions()))
	for _, d := range m.GetDecisions() {
		scope, err := DecodeScope(d.GetScope())
		if err != nil {
			return nil, err
		}
		decision := havre.DecisionNone
		switch d.GetDecision() {
		case havrev1.Decision_DECISION_KEEP:
			decision = havre.DecisionKeep
		case havrev1.Decision_DECISION_DELETE:
			decision = havre.DecisionDelete
		case havrev1.Decision_DECISION_UNSPECIFIED:
		}
		list = append(list, havre.HeldDecision{Scope: scope, Decision: decision, Count: d.GetCount()})
	}
	return list, nil
}
