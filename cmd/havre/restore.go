package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

// restoreFlags are those of all commands that bring documents back.
type restoreFlags struct {
	backupFlags
	Password bool   `help:"The instance needs a password: it is asked for, or read from standard input or from HAVRE_BACKUP_PASSWORD."`
	User     string `placeholder:"NAME" help:"Name for the password."`
	Table    string `type:"path" placeholder:"FILE" help:"Where to write the table of old and new addresses, for a directory; restored.csv in it if not given."`
}

const restoreExitCodes = `Exit codes: 0 everything is back; 1 something failed; 2 the command line is wrong; 3 the instance could not be
reached or asked for a pause; 4 the instance refused, or something has that name already.`

// restorer brings back the documents of one kind.
type restorer struct {
	con      *console
	provider source.Restorer
	client   *source.Client
	exts     []string // of its files
	one      string   // "pad"
	to       source.Recognised
	// name returns under which name a file is restored where it is one of many; the old address may be unknown.
	name func(path string, old *url.URL) (string, error)
	// address returns the address of a document of that name on the instance.
	address func(instance, name string) source.Address
}

// restored is a line of the table.
type restored struct {
	file     string
	old, new string
	state    string
	lost     []string
	admin    string // never in the file: whoever has it administers the poll
	err      error
}

// newRestoreClient returns a client for a command that a person waits for.
func newRestoreClient(con *console, flags backupFlags) *source.Client {
	return source.NewClient(source.ClientOptions{
		Contact: flags.Contact, Version: programVersion(), AllowPrivate: flags.AllowPrivate, Logger: con.log, MaxWait: 10 * time.Minute,
	})
}

// secrets returns what the flags give.
func (f *restoreFlags) secrets(con *console) (source.Secrets, error) {
	s := source.Secrets{User: f.User, Session: source.Secret(os.Getenv("HAVRE_BACKUP_SESSION"))}
	if f.Password {
		p, err := readPassword(con)
		if err != nil {
			return s, err
		}
		s.Password = source.Secret(p)
	}
	return s, nil
}

// parseInstance reads an address as a person writes it.
func parseInstance(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, &backupError{exitUsage, "that is no address of an instance; one looks like https://pads.example.org"}
	}
	return u, nil
}

// run restores a file, or all of a directory.
func (r *restorer) run(ctx context.Context, path, table string) error {
	defer r.client.CloseIdle()
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("what to restore: %w", err)
	}
	if !info.IsDir() {
		return r.single(ctx, path)
	}
	if r.to.Address.Name != "" {
		return &backupError{exitUsage, fmt.Sprintf("for a directory give the address of the instance only, not of one %s", r.one)}
	}
	return r.directory(ctx, path, cmp.Or(table, filepath.Join(path, "restored.csv")))
}

func (r *restorer) single(ctx context.Context, path string) error {
	old := oldAddresses(filepath.Dir(path))[filepath.Base(path)]
	if r.to.Address.Name == "" && r.name != nil {
		name, err := r.name(path, old)
		if err != nil {
			return restoreError(err)
		}
		r.to.Address = r.address(r.to.Address.Instance, name)
	}
	line := r.restore(ctx, path, r.to)
	if line.new != "" {
		fmt.Fprintln(r.con.out, line.new)
	}
	r.remarks(line, "")
	return restoreError(line.err)
}

// remarks prints what a person should know of a restored document.
func (r *restorer) remarks(line restored, indent string) {
	if line.admin != "" {
		fmt.Fprintf(r.con.out, "%sadministration (keep it to yourself): %s\n", indent, line.admin)
	}
	for _, lost := range line.lost {
		fmt.Fprintf(r.con.out, "%snot carried over: %s\n", indent, lost)
	}
}

// restore restores one file.
func (r *restorer) restore(ctx context.Context, path string, to source.Recognised) restored {
	line := restored{state: restoredStates[0]}
	file, err := os.Open(path)
	if err != nil {
		line.err = err
		return line
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		line.err = err
		return line
	}
	got, err := r.provider.Restore(ctx, r.client, to, file, info.Size())
	if got != nil {
		line.new, line.lost, line.admin = got.Address.URL, got.Lost, got.Secrets.Address.Reveal()
	}
	if isReason(err, source.ReasonExists) {
		if p, ok := r.provider.(interface {
			Restored(context.Context, *source.Client, source.Recognised, io.ReaderAt, int64) (bool, error)
		}); ok {
			if same, sameErr := p.Restored(ctx, r.client, to, file, info.Size()); sameErr == nil && same {
				line.state, line.new, err = restoredStates[1], to.Address.URL, nil
			}
		}
	}
	line.err = err
	return line
}

func isReason(err error, reason source.Reason) bool {
	e, ok := errors.AsType[*source.Error](err)
	return ok && e.Reason == reason
}

// directory restores all files of a directory, and writes the table after each, so that nothing is lost when it is ended
// before.
func (r *restorer) directory(ctx context.Context, dir, table string) error {
	files, err := r.files(dir)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return &backupError{exitUsage, fmt.Sprintf("there are no %s files in %s", strings.Join(r.exts, " or "), shown(dir))}
	}
	old := oldAddresses(dir)
	before := r.readRestored(table)
	terminal := newPaint(r.con.err).terminal
	taken := map[string]bool{}
	var lines []restored
	for i, name := range files {
		line, done := before[name]
		if !done {
			if terminal {
				fmt.Fprintf(r.con.err, "%d/%d  %s … as fast as the instance allows", i+1, len(files), shorten(shown(name), 40))
			}
			line = r.oneOf(ctx, dir, name, old[name], taken)
			if terminal {
				fmt.Fprint(r.con.err, "\r\x1b[K")
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lines = append(lines, line)
		state := line.state
		if line.err != nil {
			state = forPerson(restoreError(line.err))
		}
		fmt.Fprintf(r.con.out, "%*d/%d  %s  %s\n", len(fmt.Sprint(len(files))), i+1, len(files), shown(name), cmp.Or(line.new, "—"))
		if state != restoredStates[0] {
			fmt.Fprintf(r.con.out, "      %s\n", state)
		}
		r.remarks(line, "      ")
		if err := writeRestored(table, lines); err != nil {
			return err
		}
		if isReason(line.err, source.ReasonDown) || isReason(line.err, source.ReasonForeign) || isReason(line.err, source.ReasonPassword) {
			break // it would be the same with all others
		}
	}
	failed := slices.DeleteFunc(slices.Clone(lines), func(l restored) bool { return l.err == nil })
	fmt.Fprintf(r.con.out, "\n%d of %s. The table of old and new addresses is in %s\n",
		len(lines)-len(failed), counted(int64(len(files)), r.one), shown(table))
	if len(failed) > 0 {
		left := len(files) - len(lines) + len(failed)
		text := fmt.Sprintf("%s could not be restored; the same command goes on with what is missing", counted(int64(left), r.one))
		return &backupError{exitCode(restoreError(failed[0].err)), text}
	}
	return nil
}

// oneOf restores one file of a directory.
func (r *restorer) oneOf(ctx context.Context, dir, file string, old *url.URL, taken map[string]bool) restored {
	path := filepath.Join(dir, filepath.FromSlash(file))
	line := restored{}
	to := r.to
	if r.name != nil {
		name, err := r.name(path, old)
		if err != nil {
			line = restored{err: err}
		}
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", strings.TrimSuffix(name, fmt.Sprintf("-%d", n-1)), n)
		}
		taken[name] = true
		to.Address = r.address(r.to.Address.Instance, name)
	}
	for tries := 1; line.err == nil; tries++ {
		line = r.restore(ctx, path, to)
		e, ok := errors.AsType[*source.Error](line.err)
		if !ok || e.Reason != source.ReasonLimited || tries == restoreTries {
			break
		}
		wait := max(time.Until(e.Until), time.Minute).Round(time.Second)
		fmt.Fprintf(r.con.err, "%s: the instance asks for a pause of %v\n", shown(file), wait)
		if line.err = pause(ctx, wait); line.err != nil {
			break
		}
	}
	line.file = file
	if old != nil {
		line.old = old.String()
	}
	return line
}

// files returns what can be restored below a directory, with slashes, sorted. Copies that were set aside are left out.
func (r *restorer) files(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.Type().IsRegular() && slices.Contains(r.exts, filepath.Ext(path)) && !strings.Contains(d.Name(), " (suspect, ") && !strings.Contains(d.Name(), " (changed here, "):
			relative, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// oldAddresses returns where the files of a directory came from, as far as its list tells.
func oldAddresses(dir string) map[string]*url.URL {
	b, err := os.ReadFile(filepath.Join(dir, source.IndexCSV))
	if err != nil {
		return nil // no list, or none that can be read: the addresses are only shown
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff")))).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil
	}
	address, files := slices.Index(rows[0], "address"), slices.Index(rows[0], "files")
	if address < 0 || files < 0 {
		return nil
	}
	all := map[string]*url.URL{}
	for _, row := range rows[1:] {
		u, err := url.Parse(row[address])
		if err != nil {
			continue
		}
		for name := range strings.SplitSeq(row[files], "; ") {
			all[name] = u
		}
	}
	return all
}

// readRestored returns what an earlier run brought back to the same instance, by its table: a poll would be made twice.
func (r *restorer) readRestored(path string) map[string]restored {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(rows) == 0 || !slices.Equal(rows[0], restoredHeader) {
		return nil
	}
	done := map[string]restored{}
	for _, row := range rows[1:] {
		if strings.HasPrefix(row[2], r.to.Address.Instance+"/") && slices.Contains(restoredStates, row[3]) {
			l := restored{file: strings.TrimPrefix(row[0], "'"), old: row[1], new: row[2], state: restoredStates[2]}
			if row[4] != "" {
				l.lost = strings.Split(row[4], "; ")
			}
			done[l.file] = l
		}
	}
	return done
}

var (
	restoredHeader = []string{"file", "old address", "new address", "state", "not carried over"}
	restoredStates = []string{"restored", "was there already", "restored before"}
)

// restoreTries is how often a document is tried while its instance asks for pauses.
const restoreTries = 5

// writeRestored writes the table.
func writeRestored(path string, lines []restored) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{restoredHeader}
	for _, l := range lines {
		state := l.state
		if l.err != nil {
			state = forPerson(restoreError(l.err))
		}
		row := []string{l.file, l.old, l.new, state, strings.Join(l.lost, "; ")}
		for i := range row {
			row[i] = source.Cell(row[i])
		}
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// restoreError gives an error the exit code that the help tells of.
func restoreError(err error) error {
	e, ok := errors.AsType[*source.Error](err)
	if !ok {
		return err
	}
	code := exitFailed
	switch e.Reason {
	case source.ReasonDown, source.ReasonLimited:
		code = exitUnreachable
	case source.ReasonRefused, source.ReasonExists, source.ReasonPassword, source.ReasonPrivate, source.ReasonForbidden:
		code = exitRefused
	case source.ReasonAddress:
		code = exitUsage
	}
	return &backupError{code, e.Error()}
}
