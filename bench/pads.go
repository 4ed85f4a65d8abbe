package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/havre-cloud/havre/internal/source/etherpad"
	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// The shape of the pad: as many revisions as years of a team's minutes in one pad have, with a text as long as a book's
// chapter, so that the file has 138 MiB.
const (
	padRevisions = 100_000
	padUnits     = 60_000
	padAuthors   = 12
)

// benchPads measures a long history in an .etherpad file: reading it for the first time, and any moment of it afterwards.
func benchPads(ctx context.Context, c config) error {
	dir, err := c.fresh("pads")
	if err != nil {
		return err
	}
	file, index := filepath.Join(dir, "long.etherpad"), filepath.Join(dir, "index")
	made, err := timed(func() error { return writePad(file) })
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	r := report{}
	r.title("Pads: a history of %d revisions, %s (made in %s)", padRevisions, mib(info.Size()), secs(made))
	read, peak, err := runSelf(ctx, "pad", file, index)
	if err != nil {
		return err
	}
	r.row("validated, and rendered as text, HTML, Markdown", secs(read), "20 s", "")
	r.row("  memory at most", mib(peak), "300 MiB", "")
	for _, rev := range []int{padRevisions / 3, padRevisions/2 + 99, padRevisions - 2} {
		at, peak, err := runSelf(ctx, "pad-at", file, index, strconv.Itoa(rev))
		if err != nil {
			return err
		}
		r.row(fmt.Sprintf("revision %d, in a new process", rev), ms(at), "1 s", mib(peak))
	}
	f, doc, err := indexed(file, index)
	if err != nil {
		return err
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same looks each time
	const looks = 200
	took, err := timed(func() error {
		for range looks {
			if _, err := doc.TextAt(rng.IntN(doc.Head() + 1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.row("any revision, in the same process", ms(took/looks), "1 s", "")
	return nil
}

// readPad is what the child does for the first measurement.
func readPad(file, index string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	doc, err := etherpad.Open(f, info.Size())
	if err != nil {
		return err
	}
	text, err := doc.AText(doc.Head())
	if err != nil {
		return err
	}
	out, err := os.Create(index)
	if err != nil {
		return err
	}
	return errors.Join(
		etherpad.RenderText(io.Discard, text), etherpad.RenderMarkdown(io.Discard, text),
		etherpad.RenderHTML(io.Discard, text, etherpad.Page{Authors: doc.Authors()}),
		doc.WriteIndex(out), out.Close(),
	)
}

// padAt is what the child does for one moment.
func padAt(file, index, rev string) error {
	f, doc, err := indexed(file, index)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := strconv.Atoi(rev)
	if err != nil {
		return err
	}
	_, err = doc.TextAt(n)
	return err
}

func indexed(file, index string) (*os.File, *etherpad.Document, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	i, err := os.Open(index)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	defer i.Close()
	doc, err := etherpad.OpenIndexed(f, info.Size(), i)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, doc, nil
}

// padWriter types into a pad.
type padWriter struct {
	rng  *rand.Rand
	pool *changeset.Pool
	text *changeset.Text
	raw  []uint16 // the text
	at   []int    // where each author types
}

// writePad writes the file of a pad that several people wrote for a long time: words here and there, corrections, bold, lists.
func writePad(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	// The pad's own record comes first in the files of Etherpad, and is known last.
	revs, err := os.Create(path + ".revs")
	if err != nil {
		return err
	}
	defer os.Remove(revs.Name())
	w := &padWriter{rng: rand.New(rand.NewPCG(7, 7)), pool: &changeset.Pool{}, raw: []uint16{'\n'}, at: make([]int, padAuthors)} //nolint:gosec // the same pad each time
	w.text = changeset.New(w.pool)
	out := bufio.NewWriter(revs)
	for rev := range padRevisions {
		author := w.rng.IntN(padAuthors)
		s, err := w.edit(author)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, `,"pad:long:revs:%d":{"changeset":%s,"meta":{"author":%q,"timestamp":%d`, rev, quoted(s), padAuthor(author), 1_700_000_000_000+int64(rev)*90_000)
		if rev%100 == 0 {
			fmt.Fprintf(out, `,"pool":{"numToAttrib":{},"nextNum":0},"atext":{"text":%s,"attribs":%q}`, quoted(w.text.String()), w.text.Attribs())
		}
		fmt.Fprint(out, "}}")
	}
	var pool []string
	for n := range w.pool.Len() {
		a, _ := w.pool.Attrib(n)
		pool = append(pool, fmt.Sprintf(`"%d":[%q,%q]`, n, a.Key, a.Value))
	}
	var head strings.Builder
	fmt.Fprintf(&head, `{"pad:long":{"atext":{"text":%s,"attribs":%q},"pool":{"numToAttrib":{%s},"nextNum":%d},"head":%d,"chatHead":-1,"publicStatus":false,"savedRevisions":[]}`,
		quoted(w.text.String()), w.text.Attribs(), strings.Join(pool, ","), len(pool), padRevisions-1)
	for n := range padAuthors {
		fmt.Fprintf(&head, `,"globalAuthor:%s":{"colorId":%d,"name":"Author %d","timestamp":1,"padIDs":"long"}`, padAuthor(n), n, n)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if _, err := revs.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(f, io.MultiReader(strings.NewReader(head.String()), revs, strings.NewReader("}")))
	return errors.Join(err, revs.Close(), f.Close())
}

func padAuthor(n int) string { return fmt.Sprintf("a.%016d", n) }

func quoted(s string) string {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		panic(err) // valid UTF-8 can be quoted
	}
	return string(b)
}

var padWords = strings.Fields("la réunion commence à l'heure et le compte rendu sera envoyé demain 日本 🎉 budget travaux devis entreprise chantier décision vote absents prochaine date")

// edit makes a change by an author, applies it, and returns it.
func (w *padWriter) edit(author int) (string, error) {
	base36 := func(n int) string { return strconv.FormatInt(int64(n), 36) }
	if w.rng.IntN(12) == 0 || w.at[author] >= len(w.raw) {
		w.at[author] = w.rng.IntN(len(w.raw))
	}
	at := w.at[author]
	for at > 0 && utf16.IsSurrogate(rune(w.raw[at])) { // not within a pair
		at--
	}
	removed := 0
	if len(w.raw) > padUnits || w.rng.IntN(5) == 0 {
		for at+removed < len(w.raw)-1 && removed < 8 && w.raw[at+removed] != '\n' && !utf16.IsSurrogate(rune(w.raw[at+removed])) {
			removed++
		}
	}
	typed := padWords[w.rng.IntN(len(padWords))] + " "
	if w.rng.IntN(9) == 0 {
		typed += "\n"
	}
	if len(w.raw) > padUnits && removed > 0 {
		typed = typed[:1]
		if typed[0] >= 0x80 {
			typed = "x"
		}
	}
	units := utf16.Encode([]rune(typed))
	lines, end := 0, 0
	for i, u := range w.raw[:at] {
		if u == '\n' {
			lines, end = lines+1, i+1
		}
	}
	var b strings.Builder
	sign, diff := ">", len(units)-removed
	if diff < 0 {
		sign, diff = "<", -diff
	}
	b.WriteString("Z:" + base36(len(w.raw)) + sign + base36(diff))
	if lines > 0 {
		b.WriteString("|" + base36(lines) + "=" + base36(end))
	}
	if at > end {
		b.WriteString("=" + base36(at-end))
	}
	if removed > 0 {
		b.WriteString("-" + base36(removed))
	}
	b.WriteString("*" + base36(w.pool.Put(changeset.Attrib{Key: "author", Value: padAuthor(author)})))
	if w.rng.IntN(15) == 0 {
		b.WriteString("*" + base36(w.pool.Put(changeset.Attrib{Key: "bold", Value: "true"})))
	}
	if strings.HasSuffix(typed, "\n") {
		b.WriteString("|1")
	}
	b.WriteString("+" + base36(len(units)) + "$" + typed)
	c, err := changeset.Parse(b.String())
	if err != nil {
		return "", err
	}
	if err := w.text.Apply(c); err != nil {
		return "", err
	}
	rest := append(units, w.raw[at+removed:]...)
	w.raw = append(w.raw[:at:at], rest...)
	w.at[author] = at + len(units)
	return b.String(), nil
}
