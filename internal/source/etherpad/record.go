package etherpad

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// RecordError says which record of a file is wrong.
type RecordError struct {
	// Record is "file", "pad", "revs:12", "chat:3" or "globalAuthor:a.x": the record's key without the pad's name,
	// which may be a secret.
	Record  string
	Problem string // a short statement without a full stop
	Err     error  // the cause, may be nil
}

func (e *RecordError) Error() string {
	if e.Err != nil {
		return e.Record + ": " + e.Problem + ": " + e.Err.Error()
	}
	return e.Record + ": " + e.Problem
}

func (e *RecordError) Unwrap() error { return e.Err }

// jsonOptions accept what JavaScript writes: halves of surrogate pairs as escapes. Names are compared here, where it is known
// which matter.
var jsonOptions = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// unquote decodes a JSON string to UTF-16 and keeps halves of surrogate pairs, which decoders of strings cannot:
// changesets count them. The result is appended to units.
func unquote(units []uint16, raw []byte) []uint16 {
	raw = raw[1 : len(raw)-1] // the decoder has checked the syntax
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '\\':
			if raw[i+1] == 'u' {
				n, _ := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
				units = append(units, uint16(n))
				i += 6
				continue
			}
			units = append(units, uint16(escaped(raw[i+1])))
			i += 2
		case c < utf8.RuneSelf:
			units = append(units, uint16(c))
			i++
		default:
			r, n := utf8.DecodeRune(raw[i:])
			units = utf16.AppendRune(units, r)
			i += n
		}
	}
	return units
}

func escaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// reader reads one record that is in memory.
type reader struct {
	buf bytes.Buffer
	dec *jsontext.Decoder
}

// begin makes raw, which stays the caller's, the record to read.
func (r *reader) begin(raw []byte) {
	r.buf = *bytes.NewBuffer(raw)
	if r.dec == nil {
		r.dec = jsontext.NewDecoder(&r.buf, jsonOptions...)
		return
	}
	r.dec.Reset(&r.buf, jsonOptions...)
}

// object calls f with the raw names of an object; f reads the value. What is no object is an error.
func (r *reader) object(f func(name string) error) error {
	t, err := r.dec.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '{' {
		return errors.New("it is no object")
	}
	for r.dec.PeekKind() == '"' {
		name, err := r.dec.ReadValue()
		if err != nil {
			return err
		}
		if err := f(string(name[1 : len(name)-1])); err != nil {
			return err
		}
	}
	_, err = r.dec.ReadToken()
	return err
}

// array calls f before each element, which f reads.
func (r *reader) array(f func() error) error {
	t, err := r.dec.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '[' {
		return errors.New("it is no array")
	}
	for k := r.dec.PeekKind(); k != ']' && k != 0; k = r.dec.PeekKind() {
		if err := f(); err != nil {
			return err
		}
	}
	_, err = r.dec.ReadToken()
	return err
}

// units reads a string.
func (r *reader) units(name string, into []uint16) ([]uint16, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	if raw.Kind() != '"' {
		return nil, errors.New(name + " is no string")
	}
	return unquote(into, raw), nil
}

// text reads a string, or null as nothing; numbers and words are as they are written, for attributes have had them.
func (r *reader) text(name string) (string, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return "", err
	}
	switch raw.Kind() {
	case '"':
		return changeset.Decode(unquote(nil, raw)), nil
	case 'n':
		return "", nil
	case '{', '[':
		return "", errors.New(name + " is no string")
	}
	return string(raw), nil
}

// number reads a whole number, cutting off a fraction; null is missing, which is returned.
func (r *reader) number(name string, missing int64) (int64, error) {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return 0, err
	}
	if raw.Kind() == 'n' {
		return missing, nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || raw.Kind() != '0' {
		return 0, errors.New(name + " is no number")
	}
	// Dates of JavaScript end at 8.64e15 ms; everything else that is counted is far smaller.
	if math.Abs(f) > 8.64e15 {
		return 0, errors.New(name + " is out of range")
	}
	return int64(f), nil
}

// revision is the content of one "revs" record. Its slices are used again for the next.
type revision struct {
	changeset []uint16
	author    string
	time      int64 // ms
	snapshot  bool
	text      []uint16
	attribs   []byte
}

func (v *revision) read(r *reader, raw []byte) error {
	*v = revision{changeset: v.changeset[:0], text: v.text[:0], attribs: v.attribs[:0], time: math.MinInt64}
	r.begin(raw)
	found := false
	err := r.object(func(name string) (err error) {
		switch name {
		case "changeset":
			found = true
			v.changeset, err = r.units(name, v.changeset)
			return err
		case "meta":
			return r.object(func(name string) (err error) {
				switch name {
				case "author":
					v.author, err = r.text(name)
				case "timestamp":
					v.time, err = r.number(name, math.MinInt64)
				case "atext":
					if r.dec.PeekKind() == 'n' {
						return r.dec.SkipValue()
					}
					v.snapshot = true
					v.text, v.attribs, err = r.atext(v.text, v.attribs)
				default:
					err = r.dec.SkipValue()
				}
				return err
			})
		}
		return r.dec.SkipValue()
	})
	switch {
	case err != nil:
		return err
	case !found:
		return errors.New("there is no changeset")
	case v.time == math.MinInt64:
		return errors.New("there is no timestamp")
	}
	return nil
}

// atext reads {"text", "attribs"}.
func (r *reader) atext(text []uint16, attribs []byte) ([]uint16, []byte, error) {
	err := r.object(func(name string) (err error) {
		switch name {
		case "text":
			text, err = r.units(name, text[:0])
			return err
		case "attribs":
			var s string
			s, err = r.text(name)
			attribs = append(attribs[:0], s...)
			return err
		}
		return r.dec.SkipValue()
	})
	return text, attribs, err
}

// pad is the content of the pad's own record.
type pad struct {
	text     []uint16
	attribs  []byte
	pool     *changeset.Pool
	head     int
	chatHead int
	public   bool
	saved    []SavedRevision
}

func (p *pad) read(r *reader, raw []byte) error {
	*p = pad{pool: &changeset.Pool{}, head: -1, chatHead: -1}
	r.begin(raw)
	err := r.object(func(name string) (err error) {
		var n int64
		switch name {
		case "atext":
			p.text, p.attribs, err = r.atext(nil, nil)
		case "pool":
			err = r.pool(p.pool)
		case "head":
			n, err = r.number(name, -1)
			p.head = int(n)
		case "chatHead":
			n, err = r.number(name, -1) // pads that are older than the chat have none
			p.chatHead = int(n)
		case "publicStatus":
			var t jsontext.Token
			if k := r.dec.PeekKind(); k == '{' || k == '[' {
				return r.dec.SkipValue()
			}
			t, err = r.dec.ReadToken()
			p.public = err == nil && t.Kind() == 't'
		case "savedRevisions":
			if r.dec.PeekKind() == 'n' {
				return r.dec.SkipValue()
			}
			err = r.array(func() error {
				s, err := r.saved()
				p.saved = append(p.saved, s)
				return err
			})
		default:
			err = r.dec.SkipValue()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case p.text == nil:
		return errors.New("there is no text")
	case p.head < 0 || p.head > math.MaxInt32:
		return fmt.Errorf("the number of the last revision is %d", p.head)
	case p.chatHead < -1 || p.chatHead > math.MaxInt32:
		return fmt.Errorf("the number of the last chat message is %d", p.chatHead)
	}
	return nil
}

// pool reads {"numToAttrib": {"0": [KEY, VALUE]}}.
func (r *reader) pool(pool *changeset.Pool) error {
	return r.object(func(name string) error {
		if name != "numToAttrib" {
			return r.dec.SkipValue()
		}
		return r.object(func(name string) error {
			n, err := strconv.Atoi(name)
			if err != nil {
				return errors.New("the pool has a number that is none")
			}
			var parts []string
			if err := r.array(func() error {
				s, err := r.text("an attribute")
				parts = append(parts, s)
				return err
			}); err != nil {
				return err
			}
			if len(parts) != 2 {
				return fmt.Errorf("attribute %d has not one key and one value", n)
			}
			return pool.Set(n, changeset.Attrib{Key: parts[0], Value: parts[1]})
		})
	})
}

func (r *reader) saved() (s SavedRevision, err error) {
	err = r.object(func(name string) (err error) {
		var n int64
		switch name {
		case "revNum":
			n, err = r.number(name, 0)
			s.Rev = int(n)
		case "savedById":
			s.By, err = r.text(name)
		case "label":
			s.Label, err = r.text(name)
		case "id":
			s.ID, err = r.text(name)
		case "timestamp":
			n, err = r.number(name, 0)
			s.Time = millis(n)
		default:
			err = r.dec.SkipValue()
		}
		return err
	})
	return s, err
}

func (r *reader) author(id string, raw []byte) (Author, error) {
	a := Author{ID: id, Color: "#cccccc"}
	r.begin(raw)
	err := r.object(func(name string) (err error) {
		var s string
		switch name {
		case "name":
			a.Name, err = r.text(name)
		case "colorId":
			s, err = r.text(name)
			a.Color = colour(s)
		default:
			err = r.dec.SkipValue()
		}
		return err
	})
	return a, err
}

func (r *reader) message(raw []byte) (Message, error) {
	var m Message
	found := false
	r.begin(raw)
	err := r.object(func(name string) (err error) {
		var n int64
		switch name {
		case "text":
			found = true
			m.Text, err = r.text(name)
		case "userId", "authorId":
			m.Author, err = r.text(name)
		case "userName":
			m.Name, err = r.text(name)
		case "time":
			n, err = r.number(name, 0)
			m.Time = millis(n)
		default:
			err = r.dec.SkipValue()
		}
		return err
	})
	if err == nil && !found {
		err = errors.New("there is no text")
	}
	return m, err
}

// bounded is a file whose records are not larger than maxRecord, however they are written.
type bounded struct {
	r     io.Reader
	read  int64
	until int64 // the offset at which the record has been too large
}

// maxRecord bounds the memory that one record needs. The largest records are the pad's and those with a snapshot of the
// text, which a browser has to hold several times over.
const maxRecord = 32 << 20

var errLargeRecord = fmt.Errorf("a record has more than %d MiB", maxRecord>>20)

func (b *bounded) Read(p []byte) (int, error) {
	if b.read >= b.until {
		return 0, errLargeRecord
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.until-b.read)])
	b.read += int64(n)
	return n, err
}
