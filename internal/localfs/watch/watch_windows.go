package watch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf16"

	"golang.org/x/sys/windows"

	"github.com/havre-cloud/havre/internal/localfs"
	"github.com/havre-cloud/havre/internal/localfs/ignore"
	"github.com/havre-cloud/havre/svn"
)

// returnInterval is how often a root that has gone is looked for.
const returnInterval = 2 * time.Second

// Watch watches a replica with ReadDirectoryChangesW, which is recursive. It does not tell when a writer
// closes a file.
type Watch struct {
	*Set
	root string
	ign  *ignore.Tree

	// mu guards status.
	mu     sync.Mutex
	status Status
}

var _ Watcher = (*Watch)(nil)

// New returns a watcher of the replica at root. Rules that the watcher sees change are forgotten in ign.
func New(root string, ign *ignore.Tree) *Watch { return &Watch{Set: NewSet(), root: root, ign: ign} }

// Status tells how well the watching works.
func (w *Watch) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Run watches until ctx is done.
func (w *Watch) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := w.watch(ctx)
		if ctx.Err() != nil {
			break
		}
		w.mu.Lock()
		w.status = Status{Degraded: &DegradedError{
			Interval: returnInterval, Reason: err.Error(), Advice: "see whether the directory is there",
		}}
		w.mu.Unlock()
		w.Add("", Appeared)
		select {
		case <-ctx.Done():
		case <-time.After(returnInterval):
		}
	}
	return ctx.Err()
}

func (w *Watch) watch(ctx context.Context) error {
	name, err := windows.UTF16PtrFromString(w.root)
	if err != nil {
		return err
	}
	dir, err := windows.CreateFile(name, windows.FILE_LIST_DIRECTORY,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return fmt.Errorf("watch %s: %w", w.root, err)
	}
	var once sync.Once
	closeDir := func() { once.Do(func() { _ = windows.CancelIoEx(dir, nil); _ = windows.CloseHandle(dir) }) }
	defer closeDir()
	stop := context.AfterFunc(ctx, closeDir)
	defer stop()
	w.mu.Lock()
	w.status = Status{Dirs: 1}
	w.mu.Unlock()
	buf := make([]byte, 64<<10)
	w.Add("", Appeared)
	for {
		var n uint32
		err := windows.ReadDirectoryChanges(dir, &buf[0], uint32(len(buf)), true,
			windows.FILE_NOTIFY_CHANGE_FILE_NAME|windows.FILE_NOTIFY_CHANGE_DIR_NAME|
				windows.FILE_NOTIFY_CHANGE_SIZE|windows.FILE_NOTIFY_CHANGE_LAST_WRITE, &n, nil, 0)
		switch {
		case errors.Is(err, windows.ERROR_NOTIFY_ENUM_DIR) || err == nil && n == 0:
			w.Add("", Appeared) // events were lost
		case err != nil:
			return fmt.Errorf("watch %s: %w", w.root, err)
		default:
			w.handleAll(buf[:n])
		}
	}
}

// handleAll handles FILE_NOTIFY_INFORMATION records: offset of the next, action, length of the name
// in bytes, name.
func (w *Watch) handleAll(b []byte) {
	for len(b) >= 12 {
		next := binary.LittleEndian.Uint32(b)
		action := binary.LittleEndian.Uint32(b[4:])
		length := binary.LittleEndian.Uint32(b[8:])
		if int64(length) > int64(len(b)-12) {
			return
		}
		units := make([]uint16, length/2)
		for i := range units {
			units[i] = binary.LittleEndian.Uint16(b[12+2*i:])
		}
		w.handle(action, filepath.ToSlash(string(utf16.Decode(units))))
		if next == 0 || int64(next) >= int64(len(b)) {
			return
		}
		b = b[next:]
	}
}

func (w *Watch) handle(action uint32, name string) {
	p, err := svn.CheckPath(name)
	if err != nil || p == "" {
		return
	}
	if _, ours := p.Rel(localfs.Reserved); ours {
		return
	}
	if p.Name() == ignore.FileName {
		w.ign.Forget()
		w.Add(p.Dir(), Appeared)
	}
	if w.ign.Match(p, false) {
		return
	}
	switch action {
	case windows.FILE_ACTION_ADDED, windows.FILE_ACTION_RENAMED_NEW_NAME:
		w.Add(p, Appeared) // perhaps a directory with much in it
	case windows.FILE_ACTION_REMOVED, windows.FILE_ACTION_RENAMED_OLD_NAME:
		w.Add(p, Vanished)
	default:
		w.Add(p, Written)
	}
}
