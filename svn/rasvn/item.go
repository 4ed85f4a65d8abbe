package rasvn

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
)

// What a server may send at most. Subversion itself is content with 64 levels; a log entry of a revision
// with 100,000 changed paths is some 10 MB.
const (
	maxDepth = 64
	maxWord  = 64
	maxItem  = 256 << 20 // bytes of one item with all that is in it
)

// kind is what an item is.
type kind uint8

const (
	kindWord kind = iota
	kindNumber
	kindString
	kindList
)

// String is for error messages.
func (k kind) String() string {
	return [...]string{"a word", "a number", "a string", "a list"}[k]
}

// item is the one kind of thing that goes over the wire.
type item struct {
	kind   kind
	number uint64
	text   string // of a word or a string
	list   []item
}

// ProtocolError says that what the other side sent is not what the protocol has at that place. The connection
// is not used again.
type ProtocolError struct {
	Reason string
}

func (e *ProtocolError) Error() string { return "svn protocol: " + e.Reason }

func malformed(format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...)}
}

// itemReader reads items.
type itemReader struct {
	r    *bufio.Reader
	left int64 // bytes that the present item may still have
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' }

// next reads one item. An error other than a *ProtocolError is one of the connection.
func (r *itemReader) next() (item, error) {
	r.left = maxItem
	return r.item(0)
}

func (r *itemReader) byte() (byte, error) {
	if r.left--; r.left < 0 {
		return 0, malformed("an item of more than %d bytes", maxItem)
	}
	return r.r.ReadByte()
}

func (r *itemReader) item(depth int) (item, error) {
	for {
		c, err := r.byte()
		switch {
		case err != nil:
			return item{}, err
		case isSpace(c):
		case c == '(':
			return r.rest(depth)
		case c >= '0' && c <= '9':
			return r.numberOrString(c)
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			return r.word(c)
		default:
			return item{}, malformed("unexpected byte %q", c)
		}
	}
}

// rest reads a list behind its parenthesis.
func (r *itemReader) rest(depth int) (item, error) {
	if depth == maxDepth {
		return item{}, malformed("lists are nested more than %d deep", maxDepth)
	}
	if err := r.space(); err != nil {
		return item{}, err
	}
	list := item{kind: kindList}
	for {
		c, err := r.byte()
		if err != nil {
			return item{}, err
		}
		switch c {
		case ' ', '\n':
		case ')':
			return list, r.space()
		default:
			if err := r.r.UnreadByte(); err != nil {
				return item{}, err
			}
			r.left += 1 - itemCost
			it, err := r.item(depth + 1)
			if err != nil {
				return item{}, err
			}
			list.list = append(list.list, it)
		}
	}
}

// end reads the end of a list whose items have been read.
func (r *itemReader) end() error {
	for {
		c, err := r.byte()
		if err != nil {
			return unexpected(err)
		}
		switch c {
		case ' ', '\n':
		case ')':
			return r.space()
		default:
			return malformed("%q where a list should end", c)
		}
	}
}

// itemCost is what an item counts beside its bytes, for a server that sends many small ones.
const itemCost = 64

func (r *itemReader) numberOrString(c byte) (item, error) {
	n := uint64(c - '0')
	for {
		c, err := r.byte()
		if err != nil {
			return item{}, err
		}
		switch {
		case c >= '0' && c <= '9':
			d := uint64(c - '0')
			if n > (math.MaxUint64-d)/10 {
				return item{}, malformed("a number above 2^64-1")
			}
			n = n*10 + d
		case c == ':':
			text, err := r.bytes(n)
			if err != nil {
				return item{}, err
			}
			return item{kind: kindString, text: text}, r.space()
		case isSpace(c):
			return item{kind: kindNumber, number: n}, nil
		default:
			return item{}, malformed("unexpected byte %q in a number", c)
		}
	}
}

// bytes reads the bytes of a string. Memory follows what arrives, not what is announced.
func (r *itemReader) bytes(n uint64) (string, error) {
	if r.left < 0 || n > uint64(r.left) {
		return "", malformed("an item of more than %d bytes", maxItem)
	}
	r.left -= int64(n)
	if n <= 64<<10 {
		text := make([]byte, n)
		_, err := io.ReadFull(r.r, text)
		return string(text), unexpected(err)
	}
	var text bytes.Buffer
	_, err := io.CopyN(&text, r.r, int64(n))
	return text.String(), unexpected(err)
}

// unexpected makes the end within an item an error of its own.
func unexpected(err error) error {
	if err == io.EOF { //nolint:errorlint // it is what readers return, unwrapped
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *itemReader) word(c byte) (item, error) {
	text := []byte{c}
	for {
		c, err := r.byte()
		if err != nil {
			return item{}, err
		}
		switch {
		case isSpace(c):
			return item{kind: kindWord, text: string(text)}, nil
		case len(text) == maxWord:
			return item{}, malformed("a word of more than %d letters", maxWord)
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-':
			text = append(text, c)
		default:
			return item{}, malformed("unexpected byte %q in a word", c)
		}
	}
}

// space reads the white space that every item ends with.
func (r *itemReader) space() error {
	c, err := r.byte()
	if err == nil && !isSpace(c) {
		err = malformed("no space behind an item but %q", c)
	}
	return unexpected(err)
}

// skipToGreeting passes over what a login shell may have printed before the server's greeting.
func (r *itemReader) skipToGreeting() error {
	const greeting = "( success "
	matched := 0
	for range 64 << 10 {
		c, err := r.r.ReadByte()
		if err != nil {
			return err
		}
		switch c {
		case greeting[matched]:
			matched++
		case greeting[0]:
			matched = 1
		default:
			matched = 0
		}
		if matched == len(greeting) {
			return nil
		}
	}
	return malformed("64 KiB without a greeting")
}

// The readers of what is in an item.

func (it *item) need(k kind) error {
	if it.kind != k {
		return malformed("%s where %s is needed", it.kind, k)
	}
	return nil
}

// fields reads a list of at least so many items as a tuple has.
func (it *item) fields(n int) ([]item, error) {
	if err := it.need(kindList); err != nil {
		return nil, err
	}
	if len(it.list) < n {
		return nil, malformed("a list of %d items where %d are needed", len(it.list), n)
	}
	return it.list, nil
}

// optional reads a list of no or one item.
func (it *item) optional() (*item, error) {
	if err := it.need(kindList); err != nil {
		return nil, err
	}
	if len(it.list) == 0 {
		return nil, nil
	}
	return &it.list[0], nil
}

func (it *item) str() (string, error) { return it.text, it.need(kindString) }

func (it *item) word() (string, error) { return it.text, it.need(kindWord) }

func (it *item) bool() (bool, error) {
	if it.kind != kindWord || it.text != "true" && it.text != "false" {
		return false, malformed("%s %q where true or false is needed", it.kind, it.text)
	}
	return it.text == "true", nil
}

// optionalString reads a list of no or one string; "" for none.
func (it *item) optionalString() (text string, ok bool, err error) {
	o, err := it.optional()
	if err != nil || o == nil {
		return "", false, err
	}
	text, err = o.str()
	return text, true, err
}

// The writers. Each returns dst with the item and a space behind it.

func appendWord(dst []byte, word string) []byte { return append(append(dst, word...), ' ') }

func appendBool(dst []byte, b bool) []byte { return append(strconv.AppendBool(dst, b), ' ') }

func appendNumber[N ~int | ~int64 | ~uint64](dst []byte, n N) []byte {
	return append(strconv.AppendInt(dst, int64(n), 10), ' ')
}

func appendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, ':')
	dst = append(dst, s...)
	return append(dst, ' ')
}

func openList(dst []byte) []byte { return append(dst, "( "...) }

func closeList(dst []byte) []byte { return append(dst, ") "...) }
