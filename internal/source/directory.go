package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// OwnDir is the directory, within a directory of copies, that holds what the program itself needs.
const OwnDir = ".havre-backup"

const tempDir = OwnDir + "/tmp"

// Directory is a Target: a directory on disk. Files are written beside each other first, synced and then renamed, so
// that each is whole at any moment, whenever the machine stops. It is safe for concurrent use.
type Directory struct {
	root *os.Root

	mu    sync.Mutex        // guards what follows, and the choice of names
	names map[string]string // files and names of items, folded, to how they are written
	temps int
}

// OpenDirectory returns the directory at a path, which is made if there is none. claimed are the names of the items
// that have copies there already.
func OpenDirectory(dir string, claimed []string) (*Directory, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the directory for copies: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory for copies: %w", err)
	}
	d := &Directory{root: root, names: map[string]string{}}
	if err := d.begin(claimed); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

func (d *Directory) begin(claimed []string) error {
	// What an earlier process left unfinished; what it had finished was renamed away.
	if err := d.root.RemoveAll(tempDir); err != nil {
		return fmt.Errorf("clear temporary files: %w", err)
	}
	if err := d.root.MkdirAll(tempDir, 0o777); err != nil {
		return fmt.Errorf("make a directory for temporary files: %w", err)
	}
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("read the directory for copies: %w", err)
	}
	for _, e := range entries {
		d.names[Folded(e.Name())] = e.Name()
	}
	d.Claim(append(claimed, "index")...)
	return nil
}

// Claim keeps names of items from being given to others. An empty one is none.
func (d *Directory) Claim(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		if name != "" {
			d.names[itemKey(name)] = name
		}
	}
}

// itemKey is the key of an item's name, which no file can have.
func itemKey(name string) string { return "/" + Folded(name) }

// Close closes it. Files stay.
func (d *Directory) Close() error {
	if err := d.root.Close(); err != nil {
		return fmt.Errorf("close the directory for copies: %w", err)
	}
	return nil
}

// Root gives access to the files.
func (d *Directory) Root() *os.Root { return d.root }

// Complete is Target.Complete.
func (d *Directory) Complete(item *Item) bool {
	for _, f := range item.Files {
		if _, err := d.root.Lstat(item.Name + f.Ext); err != nil {
			return false
		}
	}
	return true
}

// written is a file that is complete under a temporary name.
type written struct {
	SavedFile
	temp string
}

// Save is Target.Save. A file that is not as it was written last is one that a person has changed: it is
// renamed (AsideName) and stays.
func (d *Directory) Save(ctx context.Context, item *Item, c *Copy) (Saved, error) {
	files, err := d.write(ctx, c)
	if err != nil {
		return Saved{}, err
	}
	defer d.discard(files)
	d.mu.Lock()
	defer d.mu.Unlock()
	saved := Saved{Name: item.Name}
	if saved.Name == "" {
		saved.Name = UniqueName(WantedName(item.Address, c.Title), func(name string) bool { return d.taken(name, files) })
		d.names[itemKey(saved.Name)] = saved.Name
	}
	now := time.Now()
	for _, f := range files {
		old := ""
		for _, before := range item.Files {
			if before.Ext == f.Ext {
				old = before.SHA256
			}
		}
		put, aside, err := d.replace(saved.Name, f, old, now)
		if err != nil {
			return Saved{}, err
		}
		saved.Written = saved.Written || put
		if aside != "" {
			saved.Kept = append(saved.Kept, aside)
		}
		saved.Files = append(saved.Files, f.SavedFile)
	}
	return saved, d.sync()
}

// Keep is Target.Keep.
func (d *Directory) Keep(ctx context.Context, item *Item, c *Copy) (Saved, error) {
	files, err := d.write(ctx, c)
	if err != nil {
		return Saved{}, err
	}
	defer d.discard(files)
	d.mu.Lock()
	defer d.mu.Unlock()
	name := item.Name
	if name == "" {
		name = WantedName(item.Address, c.Title)
	}
	name = UniqueName(SuspectName(name, time.Now()), func(name string) bool { return d.taken(name, files) })
	saved := Saved{Name: name, Written: true}
	for _, f := range files {
		if err := d.rename(f.temp, name+f.Ext); err != nil {
			return Saved{}, err
		}
		saved.Files = append(saved.Files, f.SavedFile)
		saved.Kept = append(saved.Kept, name+f.Ext)
	}
	return saved, d.sync()
}

// taken says whether files under a name would meet others. Those with the same content are our own, of a process that
// ended before it noted their name. The caller holds the lock.
func (d *Directory) taken(name string, files []written) bool {
	if d.names[itemKey(name)] != "" {
		return true
	}
	for _, f := range files {
		there, ok := d.names[Folded(name+f.Ext)]
		if !ok {
			if _, err := d.root.Lstat(name + f.Ext); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			there = name + f.Ext // someone made it since
		}
		if digest, err := d.digest(there); there != name+f.Ext || err != nil || digest != f.SHA256 {
			return true
		}
	}
	return false
}

// write writes all files of a copy under temporary names.
func (d *Directory) write(ctx context.Context, c *Copy) ([]written, error) {
	var files []written
	for _, f := range c.Files {
		one, err := d.writeOne(ctx, f)
		if err != nil {
			d.discard(files)
			return nil, err
		}
		files = append(files, one)
	}
	return files, nil
}

func (d *Directory) writeOne(ctx context.Context, f File) (written, error) {
	if !validExt(f.Ext) {
		return written{}, fmt.Errorf("%q is no extension", f.Ext)
	}
	in, err := f.Open()
	if err != nil {
		return written{}, fmt.Errorf("open the %s: %w", f.Ext, err)
	}
	defer in.Close()
	return d.put(f.Ext, func(w io.Writer) error {
		_, err := io.Copy(w, &contextReader{ctx: ctx, r: in})
		return err
	})
}

// put writes one temporary file and syncs it.
func (d *Directory) put(ext string, write func(io.Writer) error) (written, error) {
	d.mu.Lock()
	d.temps++
	one := written{temp: path.Join(tempDir, strconv.Itoa(d.temps))}
	d.mu.Unlock()
	one.Ext = ext
	out, err := d.root.OpenFile(one.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return written{}, fmt.Errorf("write a copy: %w", err)
	}
	h := sha256.New()
	n := &countingWriter{w: io.MultiWriter(out, h)}
	err = write(n)
	if err == nil {
		err = out.Sync() // a rename may reach the disk before the content does
	}
	if err := errors.Join(err, out.Close()); err != nil {
		d.discard([]written{one})
		return written{}, fmt.Errorf("write a copy: %w", err)
	}
	one.Size, one.SHA256 = n.n, hex.EncodeToString(h.Sum(nil))
	return one, nil
}

// replace puts a temporary file in its place, unless what is there is the same. The caller holds the lock.
func (d *Directory) replace(name string, f written, old string, now time.Time) (put bool, aside string, err error) {
	target := name + f.Ext
	there, err := d.digest(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err == nil && there == f.SHA256:
		return false, "", nil
	case err != nil || there != old:
		aside = UniqueName(AsideName(name, now), func(name string) bool {
			_, err := d.root.Lstat(name + f.Ext)
			return !errors.Is(err, fs.ErrNotExist)
		}) + f.Ext
		if err := d.rename(target, aside); err != nil {
			return false, "", err
		}
	}
	return true, aside, d.rename(f.temp, target)
}

// digest returns the SHA-256 of a regular file in hexadecimal.
func (d *Directory) digest(name string) (string, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New(name + " is no file")
	}
	f, err := d.root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// rename renames and remembers the new name. The caller holds the lock.
func (d *Directory) rename(from, to string) error {
	if err := d.root.Rename(from, to); err != nil {
		return fmt.Errorf("put a copy in its place: %w", err)
	}
	d.names[Folded(to)] = to
	return nil
}

// sync makes the renames durable.
func (d *Directory) sync() error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	dir, err := d.root.Open(".")
	if err != nil {
		return fmt.Errorf("sync the directory: %w", err)
	}
	defer dir.Close()
	// Some file systems of networks cannot; the files themselves were synced.
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !strings.Contains(err.Error(), "invalid argument") {
		return fmt.Errorf("sync the directory: %w", err)
	}
	return nil
}

// discard removes temporary files that are still there.
func (d *Directory) discard(files []written) {
	for _, f := range files {
		_ = d.root.Remove(f.temp) // most were renamed, and begin clears the rest
	}
}

// WriteFile replaces a file of our own, in OwnDir, durably if need be.
func (d *Directory) WriteFile(name string, content []byte) error {
	one, err := d.put("", func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.root.Rename(one.temp, name); err != nil {
		d.discard([]written{one})
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// WriteIndex writes the lists of what is in the directory, if they changed. A file of these names that is
// not a list of ours is kept under another name.
func (d *Directory) WriteIndex(title string, entries []IndexEntry) error {
	page, csv, err := Index(title, entries)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name, ext string
		content   []byte
		mark      string
	}{{IndexHTML, ".html", page, indexMark}, {IndexCSV, ".csv", csv, indexHeader}} {
		old := ""
		if there, err := d.head(f.name); err == nil && bytes.Contains(there, []byte(f.mark)) {
			if old, err = d.digest(f.name); err != nil {
				return fmt.Errorf("read %s: %w", f.name, err)
			}
		}
		one, err := d.put(f.ext, func(w io.Writer) error {
			_, err := w.Write(f.content)
			return err
		})
		if err != nil {
			return err
		}
		d.mu.Lock()
		_, _, err = d.replace("index", one, old, time.Now())
		d.mu.Unlock()
		d.discard([]written{one})
		if err != nil {
			return err
		}
	}
	return nil
}

// head returns the beginning of a file.
func (d *Directory) head(name string) ([]byte, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 4096))
	return head, err
}

// validExt says whether a provider's extension is one: it becomes part of a file's name.
func validExt(ext string) bool {
	return len(ext) >= 2 && len(ext) <= 20 && ext[0] == '.' && !strings.ContainsFunc(ext[1:], func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}) && !strings.HasSuffix(ext, ".") && !strings.Contains(ext, "..")
}

type contextReader struct {
	ctx context.Context // of the one call of io.Copy
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
