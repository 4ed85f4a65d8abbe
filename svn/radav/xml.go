package radav

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The namespaces, from the Subversion sources (subversion/include/svn_dav.h).
const (
	nsDAV    = "DAV:"
	nsReport = "svn:"                                       // reports and their elements
	nsSVN    = "http://subversion.tigris.org/xmlns/svn/"    // properties svn:NAME
	nsCustom = "http://subversion.tigris.org/xmlns/custom/" // all other properties, with their whole names
	nsServer = "http://subversion.tigris.org/xmlns/dav/"    // what the server tells about a node
)

// What a server may send at most. A property may have many megabytes.
const (
	maxDepth = 64
	maxTree  = 256 << 20 // bytes of one element with all that is in it
)

// element is a piece of an answer.
//
// encoding/xml cannot read these answers: Subversion writes property names with a second colon, and they
// are no names for it (docs/decisions/0025).
type element struct {
	space, name string
	attrs       map[string]string // by local name
	text        string            // of the element itself
	kids        []*element
}

// ProtocolError says that what the server sent is not what the protocol has at that place.
type ProtocolError struct {
	Reason string
}

func (e *ProtocolError) Error() string { return "svn over http: " + e.Reason }

func malformed(format string, args ...any) error {
	return &ProtocolError{Reason: fmt.Sprintf(format, args...)}
}

// parser reads a document.
type parser struct {
	r    *bufio.Reader
	left int64               // bytes that the present element may still have
	ns   []map[string]string // of the open elements
}

// document calls each for every child of the root, in its order, and checks that the document is complete. The root must have that name.
func document(r io.Reader, root string, each func(*element) error) error {
	p := &parser{r: bufio.NewReaderSize(r, 32<<10), left: maxTree}
	top, empty, err := p.open()
	if err != nil {
		return err
	}
	if top.name != root {
		return malformed("<%s> where <%s> is needed", top.name, root)
	}
	for !empty {
		p.left = maxTree
		kid, end, err := p.next(1)
		if err != nil {
			return err
		}
		if end == nil {
			if kid != nil {
				if err := each(kid); err != nil {
					return err
				}
			}
			continue
		}
		if *end != top.qualified() {
			return malformed("</%s> where <%s> ends", *end, top.qualified())
		}
		break
	}
	return nil
}

func (e *element) qualified() string { return e.attrs[""] }

// open reads up to the start of the root.
func (p *parser) open() (*element, bool, error) {
	for {
		if err := p.text(nil); err != nil {
			return nil, false, unexpected(err)
		}
		tag, err := p.tag()
		if err != nil {
			return nil, false, err
		}
		if tag != "" {
			return p.start(tag)
		}
	}
}

// next reads text and a tag within an element: a child, or the name of the element that ends.
func (p *parser) next(depth int) (kid *element, end *string, err error) {
	if err := p.text(nil); err != nil {
		return nil, nil, unexpected(err)
	}
	tag, err := p.tag()
	if err != nil || tag == "" {
		return nil, nil, err
	}
	return p.tree(tag, depth)
}

// tree reads what a tag begins.
func (p *parser) tree(tag string, depth int) (*element, *string, error) {
	if name, ok := strings.CutPrefix(tag, "/"); ok {
		name = strings.TrimRight(name, " \t\r\n")
		p.ns = p.ns[:len(p.ns)-1]
		return nil, &name, nil
	}
	if depth == maxDepth {
		return nil, nil, malformed("elements are nested more than %d deep", maxDepth)
	}
	e, empty, err := p.start(tag)
	if err != nil || empty {
		return e, nil, err
	}
	var text bytes.Buffer
	for {
		if err := p.text(&text); err != nil {
			return nil, nil, unexpected(err)
		}
		tag, err := p.tag()
		if err != nil {
			return nil, nil, err
		}
		if data, ok := strings.CutPrefix(tag, "![CDATA["); ok {
			text.WriteString(data)
			continue
		}
		if tag == "" {
			continue
		}
		kid, end, err := p.tree(tag, depth+1)
		if err != nil {
			return nil, nil, err
		}
		if kid != nil {
			e.kids = append(e.kids, kid)
			continue
		}
		if *end != e.qualified() {
			return nil, nil, malformed("</%s> where <%s> ends", *end, e.qualified())
		}
		e.text = text.String()
		return e, nil, nil
	}
}

func (p *parser) byte() (byte, error) {
	if p.left--; p.left < 0 {
		return 0, malformed("an element of more than %d bytes", maxTree)
	}
	return p.r.ReadByte()
}

// unexpected makes the end within a document an error of its own.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// text reads up to the next "<", which it takes away, into dst if that is not nil.
func (p *parser) text(dst *bytes.Buffer) error {
	for {
		c, err := p.byte()
		switch {
		case err != nil:
			return err
		case c == '<':
			return nil
		case dst == nil:
		case c == '&':
			if err := p.entity(dst); err != nil {
				return err
			}
		case c == '\r': // as XML has it, CR and CR LF are LF
			if next, err := p.r.Peek(1); err != nil || next[0] != '\n' {
				dst.WriteByte('\n')
			}
		default:
			dst.WriteByte(c)
		}
	}
}

// entity reads a reference behind its "&". There are no others than those of XML itself: documents that
// declare some are refused.
func (p *parser) entity(dst *bytes.Buffer) error {
	var name []byte
	for {
		c, err := p.byte()
		if err != nil {
			return err
		}
		if c == ';' {
			break
		}
		if name = append(name, c); len(name) > 10 {
			return malformed("the reference &%s", name)
		}
	}
	text, ok := reference(string(name))
	if !ok {
		return malformed("the reference &%s;", name)
	}
	dst.WriteString(text)
	return nil
}

func reference(name string) (string, bool) {
	switch name {
	case "lt":
		return "<", true
	case "gt":
		return ">", true
	case "amp":
		return "&", true
	case "quot":
		return `"`, true
	case "apos":
		return "'", true
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return "", false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return "", false
	}
	return string(rune(n)), true
}

// tag reads up to the ">" that ends a tag. Comments and processing instructions are "".
func (p *parser) tag() (string, error) {
	var tag []byte
	quote := byte(0)
	for {
		c, err := p.byte()
		if err != nil {
			return "", unexpected(err)
		}
		special := len(tag) > 0 && (tag[0] == '!' || tag[0] == '?')
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case special && c == '>':
			switch s := string(tag); {
			case strings.HasPrefix(s, "!--"):
				if len(s) >= 5 && strings.HasSuffix(s, "--") {
					return "", nil
				}
			case strings.HasPrefix(s, "![CDATA["):
				if data, ok := strings.CutSuffix(s, "]]"); ok {
					return data, nil
				}
			case s[0] == '?':
				if len(s) > 1 && s[len(s)-1] == '?' {
					return "", nil
				}
			default:
				return "", malformed("a declaration in an answer")
			}
		case special:
		case c == '>':
			if len(tag) == 0 {
				return "", malformed("an empty tag")
			}
			return string(tag), nil
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			return "", malformed("a tag within a tag")
		}
		tag = append(tag, c)
	}
}

const xmlSpace = " \t\r\n"

// start takes a start tag apart. The namespaces of an element that is not empty stay until its end.
func (p *parser) start(tag string) (e *element, empty bool, err error) {
	tag, empty = strings.CutSuffix(tag, "/")
	i := strings.IndexAny(tag, xmlSpace)
	if i < 0 {
		i = len(tag)
	}
	qualified, rest := tag[:i], tag[i:]
	scope := map[string]string(nil)
	if n := len(p.ns); n > 0 {
		scope = p.ns[n-1]
	}
	inherited := true
	attrs := map[string]string{"": qualified}
	for rest = strings.TrimLeft(rest, xmlSpace); rest != ""; rest = strings.TrimLeft(rest, xmlSpace) {
		name, value, after, ok := attribute(rest)
		if !ok {
			return nil, false, malformed("the attributes of <%s>", qualified)
		}
		rest = after
		prefix, local, split := strings.Cut(name, ":")
		if prefix == "xmlns" {
			if inherited {
				mine := make(map[string]string, len(scope)+1)
				maps.Copy(mine, scope)
				scope, inherited = mine, false
			}
			if len(scope) > 1000 {
				return nil, false, malformed("more than 1000 namespaces")
			}
			scope[local] = value
			continue
		}
		if !split {
			local = prefix
		}
		attrs[local] = value
	}
	// Everything behind the first colon is the name: it may have more of them.
	prefix, local, split := strings.Cut(qualified, ":")
	if !split {
		prefix, local = "", prefix
	}
	if local == "" {
		return nil, false, malformed("the name %q", qualified)
	}
	if !empty {
		p.ns = append(p.ns, scope)
	}
	return &element{space: scope[prefix], name: local, attrs: attrs}, empty, nil
}

// attribute takes the first attribute off.
func attribute(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	name = strings.TrimRight(name, xmlSpace)
	s = strings.TrimLeft(s, xmlSpace)
	if !ok || name == "" || strings.ContainsAny(name, xmlSpace) || s == "" || s[0] != '"' && s[0] != '\'' {
		return "", "", "", false
	}
	value, rest, ok = strings.Cut(s[1:], s[:1])
	return name, unescape(value), rest, ok
}

// unescape resolves the references of an attribute; what is none stays.
func unescape(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "&")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, rest, ok := strings.Cut(after, ";")
		text, known := reference(name)
		if !ok || !known {
			b.WriteByte('&')
			s = after
			continue
		}
		b.WriteString(text)
		s = rest
	}
}

// kid returns the first child with the name, or nil.
func (e *element) kid(space, name string) *element {
	for _, k := range e.kids {
		if k.name == name && k.space == space {
			return k
		}
	}
	return nil
}

// value returns the text of an element as a property or message has it: decoded if it says so.
func (e *element) value() (string, error) {
	if e.attrs["encoding"] != "base64" {
		return e.text, nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if strings.ContainsRune(xmlSpace, r) {
			return -1
		}
		return r
	}, e.text))
	if err != nil {
		return "", malformed("the base64 of <%s>", e.qualified())
	}
	return string(b), nil
}

// The writers.

// escapeText writes text for an element.
func escapeText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// plain says whether a value survives XML as it is.
func plain(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

// propertyElement writes a property as an element of a PROPPATCH, with its value or, if that is nil, without.
func propertyElement(name string, value *string) (string, bool) {
	tag := "C:" + name
	if rest, ok := strings.CutPrefix(name, "svn:"); ok {
		tag, name = "S:"+rest, rest
	}
	if !validName(name) {
		return "", false
	}
	switch {
	case value == nil:
		return "<" + tag + "/>", true
	case plain(*value):
		return "<" + tag + ">" + escapeText(*value) + "</" + tag + ">", true
	default:
		return "<" + tag + ` V:encoding="base64">` + base64.StdEncoding.EncodeToString([]byte(*value)) + "</" + tag + ">", true
	}
}

// validName says whether a property's name can be written as an element's.
func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '.' && c != ':') {
			return false
		}
	}
	return name != ""
}
