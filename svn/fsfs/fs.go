package fsfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/havre-cloud/havre/svn"
)

// Options are the choices of Open. The zero value is the default.
type Options struct {
	// CacheSize bounds the memory that caches take, in bytes; 0 means 48 MiB. The largest
	// directory that is being used comes on top.
	CacheSize int64
	// RepCache opens db/rep-cache.db, by which contents that the repository has already are found, and
	// stored once: repcache.Open. Without it equal contents share their place only within a commit, and
	// where a file has the contents of its predecessor.
	RepCache OpenRepCache
	// Note, if set, is told what a caller may want to know although nothing failed: a
	// *RepCacheError. It must not call methods of the Repository.
	Note func(error)
}

// Repository is an open repository. It implements svn.Repository and is safe for concurrent use.
type Repository struct {
	dir  string // as given to Open
	uuid string

	// format and minUnpacked follow the files of these names, which others may change.
	format      atomic.Pointer[format]
	minUnpacked atomic.Int64
	// youngest is the highest revision seen in db/current.
	youngest atomic.Int64

	files  *fileCache
	nodes  *lru[itemID, *nodeRev]
	roots  *lru[svn.Revnum, itemID] // physical addressing only
	dirs   *lru[itemID, *directory]
	props  *lru[itemID, svn.Props]
	pages  *lru[pageKey, []int64]
	items  *lru[pageKey, []p2lEntry]
	chains *lru[itemID, chainInfo]

	conf  atomic.Pointer[settings] // as last read
	notes repNotes

	queue   commitQueue
	changed notifier
	closed  atomic.Bool
	// swept says that there is nothing left of revisions above the youngest that has gaps.
	swept atomic.Bool
	// lastSweep is when leftover temporary files were looked for, in nanoseconds of Unix time.
	lastSweep atomic.Int64

	// crash, when set by a test, is called between the steps of a commit. What it returns is
	// taken for the failure of the step.
	crash func(point string) error
}

var _ svn.Repository = (*Repository)(nil)

const defaultCacheSize = 48 << 20

// Open opens the repository in dir, the directory that `svnadmin create` or Create made.
//
// It returns a *FormatError when dir holds no repository of a known format, and otherwise errors
// of the operating system. Close the repository when it is no longer used.
func Open(dir string, opts Options) (*Repository, error) {
	if err := checkRepository(dir); err != nil {
		return nil, err
	}
	f, err := readFormat(dir)
	if err != nil {
		return nil, err
	}
	uuid, err := readSmall(filepath.Join(dir, "db", "uuid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(uuid), "\n")
	if first == "" {
		return nil, &FormatError{Dir: dir, Reason: "db/uuid is empty"}
	}
	size := opts.CacheSize
	if size <= 0 {
		size = defaultCacheSize
	}
	r := &Repository{
		dir: dir, uuid: first,
		files:  newFileCache(),
		nodes:  newLRU[itemID](size/4, nodeRevCost),
		roots:  newLRU[svn.Revnum](1024, func(itemID) int64 { return 1 }),
		dirs:   newLRU[itemID](size/2, directoryCost),
		props:  newLRU[itemID](size/8, propsCost),
		pages:  newLRU[pageKey](size/16, func(p []int64) int64 { return int64(len(p))*8 + 200 }),
		items:  newLRU[pageKey](size/16, func(p []p2lEntry) int64 { return int64(cap(p))*48 + 200 }),
		chains: newLRU[itemID](16384, func(chainInfo) int64 { return 1 }),
	}
	r.queue.init()
	r.changed.init()
	r.initNotes(opts)
	r.format.Store(&f)
	r.youngest.Store(-1)
	if err := r.readMinUnpacked(); err != nil {
		return nil, err
	}
	if _, err := r.readCurrent(); err != nil {
		return nil, err
	}
	r.removeLeftovers()
	return r, nil
}

// checkRepository looks at the files that say what the directory is.
func checkRepository(dir string) error {
	data, err := readSmall(filepath.Join(dir, "format"))
	if errors.Is(err, fs.ErrNotExist) {
		return &FormatError{Dir: dir, Reason: "there is no file \"format\": not a Subversion repository"}
	}
	if err != nil {
		return err
	}
	if v := strings.TrimSpace(string(data)); v != "5" && v != "3" {
		return &FormatError{Dir: dir, Reason: fmt.Sprintf("its format is %.40q; understood are 3 and 5", v)}
	}
	data, err = readSmall(filepath.Join(dir, "db", "fs-type"))
	if errors.Is(err, fs.ErrNotExist) {
		return &FormatError{Dir: dir, Reason: "there is no db/fs-type: it is kept in BerkeleyDB, which is not supported; " +
			"`svnadmin dump` and `svnadmin load` turn it into FSFS"}
	}
	if err != nil {
		return err
	}
	if v := strings.TrimSpace(string(data)); v != "fsfs" {
		return &FormatError{Dir: dir, Reason: fmt.Sprintf("it is kept in %.40q; only fsfs is supported", v)}
	}
	return nil
}

// UUID implements svn.Repository.
func (r *Repository) UUID() string { return r.uuid }

// Dir returns the directory of the repository.
func (r *Repository) Dir() string { return r.dir }

// Close releases what the repository holds. Commits that wait are refused. It waits up to three
// seconds for rows of db/rep-cache.db to be written.
func (r *Repository) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	r.changed.close()
	r.notes.close()
	r.files.close()
	return nil
}

// Youngest implements svn.Repository.
func (r *Repository) Youngest(ctx context.Context) (svn.Revnum, error) {
	if err := r.usable(ctx); err != nil {
		return svn.InvalidRevnum, err
	}
	return r.readCurrent()
}

func (r *Repository) usable(ctx context.Context) error {
	if r.closed.Load() {
		return ErrClosed
	}
	return ctx.Err()
}

// checkRev returns *NoSuchRevisionError unless rev exists.
func (r *Repository) checkRev(ctx context.Context, rev svn.Revnum) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	if rev >= 0 && int64(rev) <= r.youngest.Load() {
		return nil
	}
	youngest, err := r.readCurrent()
	if err != nil {
		return err
	}
	if rev < 0 || rev > youngest {
		return &svn.NoSuchRevisionError{Rev: rev, Youngest: youngest}
	}
	return nil
}

// db returns the path of a file in db/.
func (r *Repository) db(elem ...string) string {
	return filepath.Join(append([]string{r.dir, "db"}, elem...)...)
}

// readCurrent reads the youngest revision from db/current.
func (r *Repository) readCurrent() (svn.Revnum, error) {
	data, err := readSmall(r.db("current"))
	if err != nil {
		return svn.InvalidRevnum, err
	}
	// Formats 1 and 2, and files upgraded from them, have two more numbers.
	line, _, _ := strings.Cut(string(data), "\n")
	number, _, _ := strings.Cut(line, " ")
	rev, ok := parseRev([]byte(number))
	if !ok {
		return svn.InvalidRevnum, &CorruptError{File: "db/current", Want: "a revision number", Got: fmt.Sprintf("%.40q", data)}
	}
	for {
		seen := r.youngest.Load()
		if int64(rev) <= seen || r.youngest.CompareAndSwap(seen, int64(rev)) {
			return rev, nil
		}
	}
}

// readMinUnpacked reads which revisions are in packs.
func (r *Repository) readMinUnpacked() error {
	if f := r.format.Load(); f.number < 4 || f.shard == 0 {
		return nil
	}
	data, err := readSmall(r.db("min-unpacked-rev"))
	if err != nil {
		return err
	}
	rev, ok := parseRev([]byte(strings.TrimSuffix(string(data), "\n")))
	if !ok {
		return &CorruptError{File: "db/min-unpacked-rev", Want: "a revision number", Got: fmt.Sprintf("%.40q", data)}
	}
	r.minUnpacked.Store(int64(rev))
	return nil
}

// shardOf returns the name of the directory in db/revs and db/revprops that a revision is in.
func (f format) shardOf(rev svn.Revnum) string {
	return strconv.FormatInt(int64(rev)/f.shard, 10)
}

// revPath returns where the unpacked file of a revision is, below db/; dir is "revs" or
// "revprops".
func (f format) revPath(dir string, rev svn.Revnum) string {
	name := strconv.FormatInt(int64(rev), 10)
	if f.shard == 0 {
		return filepath.Join(dir, name)
	}
	return filepath.Join(dir, f.shardOf(rev), name)
}

// fileCache keeps the files of revisions open that were used last.
type fileCache struct {
	mu    sync.Mutex // guards what follows, and the fields refs and dropped of revFile
	byKey map[fileKey]*revFile
	clock int64
	done  bool
}

// fileKey names a revision file or a pack of revisions.
type fileKey struct {
	rev    svn.Revnum // the first in a pack
	packed bool
}

// maxOpenFiles is how many unused files of revisions are kept open.
const maxOpenFiles = 64

func newFileCache() *fileCache { return &fileCache{byKey: map[fileKey]*revFile{}} }

// get returns the file if it is open, with one more reference.
func (c *fileCache) get(key fileKey) *revFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.byKey[key]
	if f != nil {
		f.refs++
		c.clock++
		f.used = c.clock
	}
	return f
}

// put adds a file with one reference, the caller's. If another got there first, that is
// returned and f closed.
func (c *fileCache) put(key fileKey, f *revFile) *revFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.byKey[key]; other != nil {
		_ = f.file.Close()
		other.refs++
		return other
	}
	c.clock++
	f.refs, f.used, f.cache = 1, c.clock, c
	if c.done {
		f.dropped = true
		return f
	}
	c.byKey[key] = f
	if len(c.byKey) > maxOpenFiles {
		c.evict()
	}
	return f
}

// evict closes the file that was used least recently of those that nobody uses.
func (c *fileCache) evict() {
	var oldest *revFile
	var key fileKey
	for k, f := range c.byKey {
		if f.refs == 0 && (oldest == nil || f.used < oldest.used) {
			oldest, key = f, k
		}
	}
	if oldest != nil {
		delete(c.byKey, key)
		_ = oldest.file.Close()
	}
}

// drop forgets the files whose key satisfies the condition; they are closed when nobody uses them.
func (c *fileCache) drop(condition func(fileKey) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, f := range c.byKey {
		if !condition(k) {
			continue
		}
		delete(c.byKey, k)
		f.dropped = true
		if f.refs == 0 {
			_ = f.file.Close()
		}
	}
}

func (c *fileCache) close() {
	c.mu.Lock()
	c.done = true
	c.mu.Unlock()
	c.drop(func(fileKey) bool { return true })
}

// release gives a reference back.
func (f *revFile) release() {
	f.cache.mu.Lock()
	defer f.cache.mu.Unlock()
	f.refs--
	if f.refs == 0 && f.dropped {
		_ = f.file.Close()
	}
}

// openIn opens a file below db/ and returns its size too.
func (r *Repository) openIn(name string) (*os.File, int64, error) {
	f, err := os.Open(r.db(name))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
