package etherpad

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// numbered is a record that is one of many.
type numbered struct {
	n int
	span
}

// eachRecord calls f with every record of a file: its key, and its value with the place where it is. The value is valid
// during the call.
func eachRecord(r io.ReaderAt, size int64, f func(key string, raw jsontext.Value, at span) error) error {
	b := &bounded{r: io.NewSectionReader(r, 0, size), until: maxRecord}
	dec := jsontext.NewDecoder(b, jsonOptions...)
	wrong := func(err error) error {
		// What the decoder says has the keys, and these the pad's name.
		problem := fmt.Sprintf("at byte %d", dec.InputOffset())
		_, syntax := errors.AsType[*jsontext.SyntacticError](err)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			problem = "it ends too early " + problem
		case errors.Is(err, errLargeRecord):
			problem = errLargeRecord.Error() + " " + problem
		case syntax:
			problem = "it is no JSON " + problem
		default:
			return err
		}
		return &RecordError{Record: "file", Problem: problem}
	}
	t, err := dec.ReadToken()
	if err != nil {
		return wrong(err)
	}
	if t.Kind() != '{' {
		return &RecordError{Record: "file", Problem: "it is no object with records"}
	}
	for dec.PeekKind() == '"' {
		b.until = dec.InputOffset() + maxRecord
		name, err := dec.ReadValue()
		if err != nil {
			return wrong(err)
		}
		key := changeset.Decode(unquote(nil, name))
		raw, err := dec.ReadValue()
		if err != nil {
			return wrong(err)
		}
		if err := f(key, raw, span{off: dec.InputOffset() - int64(len(raw)), len: int32(len(raw))}); err != nil {
			return err
		}
	}
	b.until = math.MaxInt64
	if _, err := dec.ReadToken(); err != nil {
		return wrong(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &RecordError{Record: "file", Problem: "there is something after its end"}
	}
	return nil
}

// scan finds the records of a file and checks that all are there.
func scan(r io.ReaderAt, size int64) (*Document, error) {
	d := &Document{r: r, size: size, authors: map[string]Author{}}
	var (
		read        reader
		revs, chats []numbered
		owners      = map[string]bool{} // the names that keys have
		pads        int
	)
	err := eachRecord(r, size, func(key string, raw jsontext.Value, at span) error {
		if id, ok := strings.CutPrefix(key, "globalAuthor:"); ok {
			return d.addAuthor(&read, id, raw)
		}
		rest, ok := strings.CutPrefix(key, "pad:")
		if !ok {
			return nil // a plugin's
		}
		name, kind, n := splitKey(rest)
		switch kind {
		case "revs":
			revs = append(revs, numbered{n, at})
		case "chat":
			chats = append(chats, numbered{n, at})
		default:
			if strings.Contains(rest, ":") {
				return nil // a plugin's, or another pad's that is seen by its revisions
			}
			if pads++; pads > 1 {
				return &RecordError{Record: "pad", Problem: "there is more than one"}
			}
			d.name, d.at = rest, at
			if err := d.pad.read(&read, raw); err != nil {
				return &RecordError{Record: "pad", Problem: "it cannot be read", Err: err}
			}
			return nil
		}
		if owners[name] = true; len(owners) > 1 {
			return &RecordError{Record: "file", Problem: "it has records of more than one pad"}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if pads == 0 {
		return nil, &RecordError{Record: "pad", Problem: "it is missing"}
	}
	if len(owners) > 0 && !owners[d.name] {
		return nil, &RecordError{Record: "file", Problem: "it has records of more than one pad"}
	}
	spans, err := complete("revs", revs, d.pad.head)
	if err != nil {
		return nil, err
	}
	d.revs = make([]entry, len(spans))
	for i, s := range spans {
		d.revs[i].span = s
	}
	d.chats, err = complete("chat", chats, d.pad.chatHead)
	return d, err
}

func (d *Document) addAuthor(read *reader, id string, raw jsontext.Value) error {
	fail := func(problem string, err error) error {
		return &RecordError{Record: "globalAuthor:" + id, Problem: problem, Err: err}
	}
	if raw.Kind() == 'n' {
		return nil // an author whom the server has forgotten
	}
	if _, ok := d.authors[id]; ok {
		return fail("there are two", nil)
	}
	if len(d.authors) >= maxAuthors {
		return fail("there are too many authors", nil)
	}
	a, err := read.author(id, raw)
	if err != nil {
		return fail("it cannot be read", err)
	}
	d.authors[id] = a
	return nil
}

// splitKey divides "NAME:revs:12" and "NAME:chat:3"; kind is empty for everything else.
func splitKey(key string) (name, kind string, n int) {
	i := strings.LastIndexByte(key, ':')
	if i < 0 {
		return key, "", 0
	}
	n, err := strconv.Atoi(key[i+1:])
	if err != nil || n < 0 || strconv.Itoa(n) != key[i+1:] {
		return key, "", 0
	}
	for _, kind := range []string{"revs", "chat"} {
		if name, ok := strings.CutSuffix(key[:i], ":"+kind); ok {
			return name, kind, n
		}
	}
	return key, "", 0
}

// complete returns the records 0 to head, in order. What is beyond is left out: nobody gets to see it.
func complete(kind string, found []numbered, head int) ([]span, error) {
	fail := func(n int, problem string) error {
		return &RecordError{Record: fmt.Sprintf("%s:%d", kind, n), Problem: problem}
	}
	slices.SortStableFunc(found, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	spans := make([]span, 0, min(len(found), head+1))
	for i, f := range found {
		if i > 0 && found[i-1].n == f.n {
			return nil, fail(f.n, "there are two")
		}
		if f.n > head {
			break
		}
		if f.n != len(spans) {
			return nil, fail(len(spans), "it is missing")
		}
		spans = append(spans, f.span)
	}
	if len(spans) <= head {
		return nil, fail(len(spans), "it is missing")
	}
	return spans, nil
}

// window reads records of a file. It reads ahead, the more the longer they come one after the other.
type window struct {
	r     io.ReaderAt
	size  int64
	buf   []byte
	off   int64 // of buf
	ahead int
}

// maxAhead is a few hundred small records, or a few with snapshots.
const maxAhead = 1 << 20

// at returns the value of a record; it is valid until the next call.
func (w *window) at(s span) ([]byte, error) {
	n := int(s.len)
	if s.off >= w.off && s.off+int64(n) <= w.off+int64(len(w.buf)) {
		return w.buf[s.off-w.off:][:n], nil
	}
	w.ahead = min(2*w.ahead+512, maxAhead)
	if s.off < w.off || s.off > w.off+int64(len(w.buf)+maxAhead) {
		w.ahead = 0
	}
	want := int(min(int64(max(n, w.ahead)), w.size-s.off))
	w.buf, w.off = slices.Grow(w.buf[:0], want)[:want], s.off
	if m, err := w.r.ReadAt(w.buf, s.off); m < want {
		w.buf = w.buf[:0]
		return nil, fmt.Errorf("read %d bytes at %d: %w", want, s.off, err)
	}
	if n > want {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, s.off, io.ErrUnexpectedEOF)
	}
	return w.buf[:n], nil
}
