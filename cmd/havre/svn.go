package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/fsfs"
	"github.com/havre-cloud/havre/svn/fsfs/repcache"
)

type svnCmd struct {
	Info   svnInfoCmd   `cmd:"" help:"Say what a Subversion repository on this machine is like."`
	Verify svnVerifyCmd `cmd:"" help:"Read all of a repository and compare every checksum."`
	Pack   svnPackCmd   `cmd:"" help:"Put old revisions together into a few large files."`
}

const svnHelp = `These work on the directory of any Subversion repository (FSFS, of Subversion 1.1 and later), without Subversion
installed. Others may read the repository and commit to it meanwhile.

Examples:

    havre svn info /srv/svn/plans
    havre svn verify /srv/svn/plans
    havre svn pack /srv/svn/plans

` + exitCodes

const svnPackHelp = `Each complete directory of revisions (1,000 as a rule) becomes one file, and their properties a few: less space on the
disk, fewer files to copy in a backup, faster reading. Nothing else changes: numbers, contents and history stay,
Subversion's own programs read the packs, and "svnadmin pack" and this may take turns. There is no way back except
dumping and loading.

It may be interrupted at any time, and goes on when it is started again. Every checksum is compared on the way; what is
damaged is not packed. Run it as the user that the repository belongs to, every few months.

Example:

    havre svn pack /srv/svn/plans

` + exitCodes

// Help is the text below the usage.
func (svnCmd) Help() string { return svnHelp }

type svnInfoCmd struct {
	Dir string `arg:"" help:"The directory of the repository."`
}

// Help is the text below the usage.
func (svnInfoCmd) Help() string { return svnHelp }

// Run executes the command.
func (c *svnInfoCmd) Run(ctx context.Context, con *console) error {
	r, err := openFSFS(c.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	info, err := r.Info(ctx)
	if err != nil {
		return err
	}
	hooks, err := fsfs.ActiveHooks(c.Dir)
	if err != nil {
		return err
	}
	layout := "one directory for all revisions"
	if info.Shard > 0 {
		layout = fmt.Sprintf("%s revisions in a directory", grouped(int64(info.Shard)))
	}
	addressing := "physical"
	if info.Logical {
		addressing = "logical"
	}
	packed := "none"
	if info.Packed > 0 {
		packed = fmt.Sprintf("r0 to r%d", info.Packed-1)
	}
	if n := int64(info.Youngest + 1 - info.Packed); info.Format >= 4 && info.Shard > 0 && n >= int64(info.Shard) {
		packed += fmt.Sprintf("; `havre svn pack` would take %s more", grouped(n-n%int64(info.Shard)))
	}
	rows := [][]string{
		{"UUID", r.UUID()},
		{"Youngest", fmt.Sprintf("r%d", info.Youngest)},
	}
	for rev, err := range r.Log(ctx, info.Youngest, info.Youngest) {
		if err != nil {
			return err
		}
		if !rev.Date().IsZero() {
			rows = append(rows, []string{"Last change", rev.Date().Local().Format("2006-01-02 15:04") + by(rev.Author())})
		}
	}
	rows = append(rows,
		[]string{"Format", fmt.Sprintf("FSFS %d, %s addressing, %s", info.Format, addressing, layout)},
		[]string{"Packed", packed},
	)
	if len(hooks) > 0 {
		rows = append(rows, []string{"Hooks", strings.Join(hooks, ", ")})
	}
	_, err = fmt.Fprint(con.out, table(rows))
	return err
}

// by names an author, if there is one.
func by(author string) string {
	if author == "" {
		return ""
	}
	return " by " + shown(author)
}

// openFSFS opens a repository, with what is wrong in words.
func openFSFS(dir string) (*fsfs.Repository, error) { return openFSFSWith(dir, fsfs.Options{}) }

func openFSFSWith(dir string, opts fsfs.Options) (*fsfs.Repository, error) {
	r, err := fsfs.Open(filepath.Clean(dir), opts)
	if bad, ok := errors.AsType[*fsfs.FormatError](err); ok {
		return nil, &havre.Error{Code: havre.CodeInvalid, Text: bad.Error()}
	}
	return r, err
}

type svnVerifyCmd struct {
	Dir string `arg:"" help:"The directory of the repository."`
}

// Help is the text below the usage.
func (svnVerifyCmd) Help() string { return svnHelp }

// Run executes the command.
func (c *svnVerifyCmd) Run(ctx context.Context, con *console) error {
	r, err := openFSFSWith(c.Dir, fsfs.Options{RepCache: repcache.Open})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	youngest, err := r.Youngest(ctx)
	if err != nil {
		return err
	}
	bad := 0
	err = r.Verify(ctx, 0, youngest, func(rev svn.Revnum, err error) error {
		if err != nil {
			bad++
			_, werr := fmt.Fprintf(con.out, "r%d: %v\n", rev, err)
			return werr
		}
		return nil
	})
	if err != nil {
		return err
	}
	all := counted(int64(youngest)+1, "revision")
	if bad > 0 {
		return &havre.Error{Code: havre.CodeInternal, Text: fmt.Sprintf("%d of %s are damaged: bring the repository back from a backup, or ask for help with `svnadmin recover` and `fsfsverify`", bad, all)}
	}
	rows, err := verifyRows(ctx, con, r)
	if err != nil {
		return err
	}
	if rows > 0 {
		all += " and " + counted(rows, "row") + " of db/rep-cache.db"
	}
	_, err = fmt.Fprintf(con.out, "%s, whole.\n", all)
	return err
}

// maxRowsShown bounds how many wrong rows of rep-cache.db are listed.
const maxRowsShown = 20

// verifyRows looks at the rows of rep-cache.db and returns how many there are.
func verifyRows(ctx context.Context, con *console, r *fsfs.Repository) (rows int64, err error) {
	bad := int64(0)
	rows, err = r.VerifyRepCache(ctx, func(err error) error {
		if bad++; bad > maxRowsShown {
			return nil
		}
		_, werr := fmt.Fprintln(con.out, err)
		return werr
	})
	if err == nil && bad > 0 {
		err = &havre.Error{Code: havre.CodeInternal, Text: fmt.Sprintf("all revisions are whole, but db/rep-cache.db is not right at %s: "+
			"nothing is lost, but Subversion's programs may refuse commits because of it; remove the file while nobody commits, "+
			"and what is committed from then on is noted in a new one", counted(bad, "place"))}
	}
	return rows, err
}

type svnPackCmd struct {
	Dir string `arg:"" help:"The directory of the repository."`
}

// Help is the text below the usage.
func (svnPackCmd) Help() string { return svnPackHelp }

// Run executes the command.
func (c *svnPackCmd) Run(ctx context.Context, con *console) error {
	r, err := openFSFS(c.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // what was written is durable already
	show := packShow{con: con, terminal: newPaint(con.err).terminal}
	start := time.Now()
	got, err := r.Pack(ctx, show.progress)
	show.clear()
	if got.Revisions > 0 {
		_, werr := fmt.Fprintf(con.out, "Packed %s in %s: %s of %s before, now %s of %s.\n",
			counted(int64(got.Revisions), "revision"), packTook(time.Since(start)),
			counted(int64(got.Before.Files), "file"), bytesShown(got.Before.Bytes),
			counted(int64(got.After.Files), "file"), bytesShown(got.After.Bytes))
		err = cmp.Or(err, werr)
	}
	if bad, ok := errors.AsType[*fsfs.FormatError](err); ok {
		return &havre.Error{Code: havre.CodeInvalid, Text: bad.Error()}
	}
	if errors.Is(err, context.Canceled) {
		return &havre.Error{Code: havre.CodeInvalid, Text: "interrupted; nothing is lost, and the same command goes on where this ended"}
	}
	if bad, ok := errors.AsType[*fsfs.CorruptError](err); ok {
		return &havre.Error{Code: havre.CodeInternal, Text: fmt.Sprintf("%v: what is damaged is not packed; `havre svn verify` tells how much it is", bad)}
	}
	if err != nil || got.Revisions > 0 {
		return err
	}
	packed := "nothing is packed yet"
	if got.Packed > 0 {
		packed = fmt.Sprintf("r0 to r%d are packed", got.Packed-1)
	}
	_, err = fmt.Fprintf(con.out, "Nothing to do: %s; the next pack is possible from r%d on.\n", packed, got.Next)
	return err
}

// packTook returns a duration with as much of it as matters: 40 ms, 2.5 s, 3 min 12 s.
func packTook(d time.Duration) string {
	switch {
	case d < time.Second:
		return took(d)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
}

// packShow shows on a terminal how far packing is.
type packShow struct {
	con      *console
	terminal bool
	drawn    time.Time
}

func (s *packShow) progress(p fsfs.PackProgress) {
	switch {
	case p.Waiting:
		fmt.Fprintln(s.con.err, "Another program is packing this repository; waiting for it to end.")
	case s.terminal && (time.Since(s.drawn) > 100*time.Millisecond):
		s.drawn = time.Now()
		fmt.Fprintf(s.con.err, "\r\x1b[K%s of %s revisions", grouped(int64(p.Done)), grouped(int64(p.Total)))
	}
}

func (s *packShow) clear() {
	if !s.drawn.IsZero() {
		fmt.Fprint(s.con.err, "\r\x1b[K")
	}
}
