package etherpadtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

func base36(n int) string { return strconv.FormatInt(int64(n), 36) }

// splice returns the changeset that replaces n units of a text at a place by others, whose author is attribute 0.
func splice(text string, at, n int, insert, author string) string {
	units := utf16.Encode([]rune(text))
	at = min(max(at, 0), len(units)-1)
	n = min(n, len(units)-1-at)
	bank := utf16.Encode([]rune(insert))
	var b strings.Builder
	b.WriteString(header(len(units), len(units)-n+len(bank)))
	ops(&b, "", '=', units[:at])
	attrib := "*0"
	if author == "" {
		attrib = ""
	}
	ops(&b, attrib, '+', bank)
	ops(&b, "", '-', units[at:at+n])
	return b.String() + "$" + insert
}

func header(from, to int) string {
	if to < from {
		return "Z:" + base36(from) + "<" + base36(from-to)
	}
	return "Z:" + base36(from) + ">" + base36(to-from)
}

// ops writes one operation for the whole lines of a text and one for the rest.
func ops(b *strings.Builder, attribs string, code byte, text []uint16) {
	lines, end := 0, 0
	for i, u := range text {
		if u == '\n' {
			lines, end = lines+1, i+1
		}
	}
	if lines > 0 {
		fmt.Fprintf(b, "%s|%s%c%s", attribs, base36(lines), code, base36(end))
	}
	if end < len(text) {
		fmt.Fprintf(b, "%s%c%s", attribs, code, base36(len(text)-end))
	}
}

// format writes a changeset with the numbers of attributes that it has.
func format(c *changeset.Changeset) string {
	var b strings.Builder
	b.WriteString(header(c.OldLen, c.NewLen))
	for _, op := range c.Ops {
		for _, a := range op.Attribs {
			b.WriteString("*" + base36(int(a)))
		}
		if op.Lines > 0 {
			b.WriteString("|" + base36(op.Lines))
		}
		fmt.Fprintf(&b, "%c%s", op.Code, base36(op.Chars))
	}
	return b.String() + "$" + changeset.Decode(c.Bank)
}

// wirePool returns the attributes that a changeset or text uses, under numbers of their own, and what has those.
func wirePool(s string, pool *changeset.Pool) (string, map[string]any, error) {
	text := s
	if !strings.HasPrefix(s, "Z:") {
		text = "Z:0>0" + s + "$"
	}
	numbers := map[int]int{}
	numToAttrib, attribToNum := map[string]any{}, map[string]any{}
	cut := strings.IndexByte(text, '$')
	var b strings.Builder
	for i := 0; i < cut; i++ {
		b.WriteByte(text[i])
		if text[i] != '*' {
			continue
		}
		end := i + 1
		for end < cut && strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyz", text[end]) >= 0 {
			end++
		}
		n, err := strconv.ParseInt(text[i+1:end], 36, 32)
		if err != nil {
			return "", nil, err
		}
		wire, known := numbers[int(n)]
		if !known {
			a, ok := pool.Attrib(int(n))
			if !ok {
				return "", nil, fmt.Errorf("attribute %d is not in the pool", n)
			}
			wire = len(numbers)
			numbers[int(n)] = wire
			numToAttrib[strconv.Itoa(wire)] = []string{a.Key, a.Value}
			attribToNum[a.Key+","+a.Value] = wire
		}
		b.WriteString(base36(wire))
		i = end - 1
	}
	out := b.String() + text[cut:]
	if !strings.HasPrefix(s, "Z:") {
		out = strings.TrimSuffix(strings.TrimPrefix(out, "Z:0>0"), "$")
	}
	return out, map[string]any{"numToAttrib": numToAttrib, "attribToNum": attribToNum, "nextNum": len(numbers)}, nil
}

// rebase makes a change of one place apply after another one of one place.
func rebase(mine, other *changeset.Changeset, text []uint16, author string) (*changeset.Changeset, error) {
	at, n, insert := place(mine)
	otherAt, otherN, otherInsert := place(other)
	if otherAt <= at {
		at = max(otherAt, at-otherN) + len(otherInsert)
	}
	return changeset.Parse(splice(changeset.Decode(text), at, n, changeset.Decode(insert), author))
}

// place returns where a changeset changes something first, how much it removes, and what it inserts.
func place(c *changeset.Changeset) (at, n int, insert []uint16) {
	before := true
	for _, op := range c.Ops {
		switch op.Code {
		case '=':
			if before && len(op.Attribs) == 0 {
				at += op.Chars
			}
		case '-':
			n += op.Chars
			before = false
		case '+':
			before = false
		}
	}
	return at, n, slices.Clone(c.Bank)
}

func utf16Of(s string) []uint16 { return utf16.Encode([]rune(s)) }
