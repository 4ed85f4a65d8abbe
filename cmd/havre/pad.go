package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/havre-cloud/havre/internal/source/etherpad"
	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

type padCmd struct {
	History padHistoryCmd `cmd:"" help:"Show when a pad was written and by whom, or its text at any moment."`
	Diff    padDiffCmd    `cmd:"" help:"Show what changed in a pad between two moments."`
	Restore padRestoreCmd `cmd:"" help:"Bring saved pads back to life on an instance."`
}

const padMoments = `A moment is the number of a revision (12), "head", a day (2026-03-14, which means its end), a minute
("2026-03-14 15:30", in your time zone) or a time in RFC 3339 form.`

const padExitCodes = `Exit codes: 0 done; 1 it failed; 2 the command line is wrong.`

type padHistoryCmd struct {
	File  string        `arg:"" type:"existingfile" help:"An .etherpad file, as havre backup saves it and as Etherpad exports it."`
	At    string        `placeholder:"MOMENT" help:"Print the text as it was at a moment, instead of the history."`
	As    string        `enum:"txt,md,html" default:"txt" help:"The form for --at: txt, md or html."`
	Pause time.Duration `default:"30m" help:"The pause after which writing is a new session."`
	JSON  bool          `help:"Print JSON, for programs."`
}

// Help is the text below the usage.
func (padHistoryCmd) Help() string {
	return padMoments + `

Examples:

    havre pad history Minutes.etherpad
    havre pad history Minutes.etherpad --at "2026-03-14 15:30"
    havre pad history Minutes.etherpad --at 120 --as md > Minutes.md

Fields of --json: head, words, began, changed, authors (id, name, color), sessions (from, to: revisions; start, end,
authors, added, removed: characters), saved (rev, label, author, time), chat (author, name, text, time).

` + padExitCodes
}

// Run executes the command.
func (c *padHistoryCmd) Run(ctx context.Context, con *console) error {
	doc, err := openPad(ctx, c.File)
	if err != nil {
		return err
	}
	defer doc.Close()
	switch {
	case c.At != "":
		rev, err := padMoment(doc.Document, c.At)
		if err != nil {
			return err
		}
		return c.print(con, doc, rev)
	case c.JSON:
		return c.json(con, doc)
	}
	text, err := padHistoryText(doc, c.Pause, newPaint(con.out), time.Local)
	if err != nil {
		return err
	}
	_, err = io.WriteString(con.out, text)
	return err
}

// print writes the text after a revision. What could move a terminal's cursor is left out where it would.
func (c *padHistoryCmd) print(con *console, doc *padFile, rev int) error {
	text, err := doc.AText(rev)
	if err != nil {
		return err
	}
	out := con.out
	if newPaint(out).terminal {
		out = &printableWriter{out}
	}
	switch c.As {
	case "md":
		return etherpad.RenderMarkdown(out, text)
	case "html":
		return etherpad.RenderHTML(out, text, etherpad.Page{Title: doc.title, Authors: doc.Authors()})
	}
	return etherpad.RenderText(out, text)
}

// printableWriter leaves out control characters.
type printableWriter struct{ w io.Writer }

func (p *printableWriter) Write(b []byte) (int, error) {
	_, err := io.WriteString(p.w, printable(string(b)))
	return len(b), err
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control)) {
			return -1
		}
		return r
	}, s)
}

// padFile is a document with the file that it reads.
type padFile struct {
	*etherpad.Document
	title string
	file  *os.File
}

// Close closes the file, which was only read.
func (p *padFile) Close() { p.file.Close() }

// largePadFile is the size from which what was found out about a file is kept for the next time. Others are read in no time.
const largePadFile = 1 << 20

// openPad opens and checks a file, or takes what was found out about it before.
func openPad(ctx context.Context, path string) (*padFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(path)
	p := &padFile{file: f, title: strings.TrimSuffix(base, filepath.Ext(base))}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	index := padIndex(path, info)
	if index != "" {
		if old, err := os.Open(index); err == nil {
			p.Document, err = etherpad.OpenIndexed(f, info.Size(), old)
			old.Close()
			if err == nil {
				return p, nil
			}
		}
	}
	if p.Document, err = etherpad.Open(f, info.Size()); err != nil {
		if wrong, ok := errors.AsType[*etherpad.RecordError](err); ok && wrong.Record == "file" {
			err = errors.New(wrong.Problem)
		}
		return nil, errors.Join(fmt.Errorf("%s is not a complete .etherpad file: %w", shown(base), err), f.Close())
	}
	if index != "" && ctx.Err() == nil {
		_ = keepPadIndex(index, p.Document) // the next time takes longer
	}
	return p, nil
}

// padIndex returns where the index of a file is kept, by its path, size and time; empty if there is no place or no need.
func padIndex(path string, info fs.FileInfo) string {
	cache, err := os.UserCacheDir()
	if err != nil || info.Size() < largePadFile {
		return ""
	}
	if path, err = filepath.Abs(path); err != nil {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", path, info.Size(), info.ModTime().UnixNano()))
	return filepath.Join(cache, "havre", "pads", hex.EncodeToString(sum[:16])+".index")
}

// padIndexAge is how long an index is kept that nobody needed.
const padIndexAge = 30 * 24 * time.Hour

// keepPadIndex writes an index, and removes those that are old.
func keepPadIndex(path string, doc *etherpad.Document) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if old, err := os.ReadDir(dir); err == nil {
		for _, e := range old {
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > padIndexAge {
				_ = os.Remove(filepath.Join(dir, e.Name())) // it is tried again the next time
			}
		}
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	err = errors.Join(doc.WriteIndex(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// padMoment returns the revision at a moment.
func padMoment(doc *etherpad.Document, s string) (int, error) {
	if s == "head" {
		return doc.Head(), nil
	}
	if rev, err := strconv.Atoi(strings.TrimPrefix(s, "r")); err == nil {
		if rev < 0 || rev > doc.Head() {
			return 0, fmt.Errorf("there is no revision %d: they go from 0 to %d", rev, doc.Head())
		}
		return rev, nil
	}
	at, ok := time.Time{}, false
	for layout, end := range map[string]time.Duration{
		time.DateOnly: 24*time.Hour - time.Millisecond, "2006-01-02 15:04": time.Minute - time.Millisecond, time.DateTime: time.Second - time.Millisecond,
		"2006-01-02T15:04": time.Minute - time.Millisecond, "2006-01-02T15:04:05": time.Second - time.Millisecond,
	} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			at, ok = t.Add(end), true
		}
	}
	if !ok {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return 0, fmt.Errorf("%q is no moment: give a revision (12), a day (2026-03-14) or a time (\"2026-03-14 15:30\")", s)
		}
		at = t
	}
	rev := doc.RevAt(at)
	if rev < 0 {
		return 0, fmt.Errorf("the pad began later: on %s", doc.Change(0).Time.Local().Format("2 Jan 2006 15:04"))
	}
	return rev, nil
}

// paint colours text for a terminal, or not.
type paint struct{ terminal, colour bool }

func newPaint(out io.Writer) paint {
	f, ok := out.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	return paint{terminal: terminal, colour: terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p paint) put(code, s string) string {
	if !p.colour || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// author returns an author's name with a square in their colour.
func (p paint) author(a etherpad.Author) string {
	name := padAuthor(a)
	if !p.colour {
		return name
	}
	var r, g, b int
	if _, err := fmt.Sscanf(a.Color, "#%02x%02x%02x", &r, &g, &b); err != nil {
		return name
	}
	return p.put(fmt.Sprintf("38;2;%d;%d;%d", r, g, b), "■") + " " + name
}

func padAuthor(a etherpad.Author) string {
	if name := strings.Join(strings.Fields(a.Name), " "); name != "" {
		return shorten(shown(name), 30)
	}
	return "unnamed"
}

// padNames is how many authors of a session are named.
const padNames = 5

// padHistoryText is what a person reads.
func padHistoryText(doc *padFile, pause time.Duration, p paint, zone *time.Location) (string, error) {
	text, err := doc.AText(doc.Head())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	authors, saved := doc.Authors(), doc.Saved()
	facts := []string{counted(int64(padWords(text)), "word"), counted(int64(doc.Head()+1), "revision"), counted(int64(len(authors)), "author")}
	if n := doc.ChatHead() + 1; n > 0 {
		facts = append(facts, counted(int64(n), "chat message"))
	}
	fmt.Fprintf(&b, "%s\n%s\n\n", p.put("1", shown(doc.title)), strings.Join(facts, ", "))

	rows := [][]string{{"When", "For", "Revisions", "Added", "Removed", "By"}}
	for _, s := range doc.Sessions(pause) {
		var names []string
		unnamed := 0
		for _, id := range s.Authors {
			if padAuthor(authors[id]) == "unnamed" {
				unnamed++
				continue
			}
			names = append(names, p.author(authors[id]))
		}
		if unnamed > 0 {
			names = append(names, counted(int64(unnamed), "unnamed author"))
		}
		if more := len(names) - padNames; more > 1 {
			names = append(names[:padNames], fmt.Sprintf("and %d more", more))
		}
		if len(s.Authors) == 0 {
			names = []string{"the instance"}
		}
		rows = append(rows, []string{
			s.Start.In(zone).Format("2 Jan 2006 15:04"), lasted(s.End.Sub(s.Start)), fmt.Sprintf("%d to %d", s.From, s.To),
			"+" + grouped(int64(s.Added)), "-" + grouped(int64(s.Removed)), strings.Join(names, ", "),
		})
	}
	head, rest, _ := strings.Cut(indented(table(rows)), "\n")
	b.WriteString(p.put("2", head) + "\n" + rest)
	if len(saved) > 0 {
		b.WriteString("\n" + p.put("1", "Saved revisions") + "\n")
		rows = nil
		for _, s := range saved {
			label := ""
			if s.Label != fmt.Sprintf("Revision %d", s.Rev) {
				label = shown(s.Label)
			}
			rows = append(rows, []string{fmt.Sprint(s.Rev), s.Time.In(zone).Format("2 Jan 2006 15:04"), padAuthor(authors[s.By]), label})
		}
		b.WriteString(indented(table(rows)))
	}
	return b.String(), nil
}

// lasted returns a duration of minutes to days.
func lasted(d time.Duration) string {
	switch m := int(d.Round(time.Minute).Minutes()); {
	case d < time.Minute:
		return "moments"
	case m < 60:
		return fmt.Sprintf("%d min", m)
	case m < 48*60:
		return fmt.Sprintf("%d h %02d", m/60, m%60)
	default:
		return fmt.Sprintf("%d days", m/60/24)
	}
}

func padWords(t *changeset.Text) int {
	n := 0
	for _, p := range etherpad.Paragraphs(t) {
		for _, s := range p.Spans {
			n += len(strings.Fields(s.Text))
		}
	}
	return n
}

// The JSON of a history.
type (
	padHistory struct {
		Head     int          `json:"head"`
		Words    int          `json:"words"`
		Began    time.Time    `json:"began"`
		Changed  time.Time    `json:"changed"`
		Authors  []padPerson  `json:"authors"`
		Sessions []padSession `json:"sessions"`
		Saved    []padMark    `json:"saved"`
		Chat     []padMessage `json:"chat"`
	}
	padPerson struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Color string `json:"color"`
	}
	padSession struct {
		From    int       `json:"from"`
		To      int       `json:"to"`
		Start   time.Time `json:"start"`
		End     time.Time `json:"end"`
		Authors []string  `json:"authors"`
		Added   int       `json:"added"`
		Removed int       `json:"removed"`
	}
	padMark struct {
		Rev    int       `json:"rev"`
		Label  string    `json:"label"`
		Author string    `json:"author"`
		Time   time.Time `json:"time"`
	}
	padMessage struct {
		Author string    `json:"author"`
		Name   string    `json:"name"`
		Text   string    `json:"text"`
		Time   time.Time `json:"time"`
	}
)

func (c *padHistoryCmd) json(con *console, doc *padFile) error {
	text, err := doc.AText(doc.Head())
	if err != nil {
		return err
	}
	chat, err := doc.Chat()
	if err != nil {
		return err
	}
	h := padHistory{
		Head: doc.Head(), Words: padWords(text), Began: doc.Change(0).Time, Changed: doc.Change(doc.Head()).Time,
		Authors: []padPerson{}, Sessions: []padSession{}, Saved: []padMark{}, Chat: []padMessage{},
	}
	for _, a := range sortedAuthors(doc.Authors()) {
		h.Authors = append(h.Authors, padPerson(a))
	}
	for _, s := range doc.Sessions(c.Pause) {
		h.Sessions = append(h.Sessions, padSession{s.From, s.To, s.Start, s.End, append([]string{}, s.Authors...), s.Added, s.Removed})
	}
	for _, s := range doc.Saved() {
		h.Saved = append(h.Saved, padMark{s.Rev, s.Label, s.By, s.Time})
	}
	for _, m := range chat {
		h.Chat = append(h.Chat, padMessage(m))
	}
	enc := json.NewEncoder(con.out)
	enc.SetIndent("", "  ")
	return enc.Encode(h)
}
