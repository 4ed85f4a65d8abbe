package changeset

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"nothing", ""},
		{"no head", "1>1+1$a"},
		{"no length", "Z:>1+1$a"},
		{"no direction", "Z:1+1$a"},
		{"no bank", "Z:1>1+1"},
		{"a short bank", "Z:1>2+2$a"},
		{"a wrong difference", "Z:1>2+1$a"},
		{"beyond the text", "Z:1>1=2+1$a"},
		{"removes beyond the text", "Z:1<2-2$"},
		{"a line feed that is not counted", "Z:1>1+1$\n"},
		{"a counted line feed that is not there", "Z:1>1|1+1$a"},
		{"a line that does not end", "Z:1>2|1+2$\na"},
		{"a huge number", "Z:zzzzzzzzzzzzzzzzz>0$"},
		{"a huge text", "Z:1>zzzzzz+zzzzzz$a"},
		{"an unknown operation", "Z:1>1?1$a"},
		{"attributes without operation", "Z:1>1*0$a"},
		{"upper case", "Z:1>1+A$aaaaaaaaaa"},
		{"too many attributes", "Z:1>1" + strings.Repeat("*1", maxAttribs+1) + "+1$a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if c, err := Parse(test.text); err == nil {
				t.Errorf("%q is accepted as %+v", test.text, c)
			}
		})
	}
}

func TestApply(t *testing.T) {
	pool := &Pool{}
	author, bold, unbold := pool.Put(Attrib{"author", "a.1"}), pool.Put(Attrib{"bold", "true"}), pool.Put(Attrib{"bold", ""})
	if author != 0 || bold != 1 || unbold != 2 {
		t.Fatal(author, bold, unbold)
	}
	for _, test := range []struct {
		name, text, attribs, change string
		want, wantAttribs           string
	}{
		{"insert", "\n", "|1+1", "Z:1>3*0+3$a🎉", "a🎉\n", "*0+3|1+1"},
		{"insert lines", "\n", "|1+1", "Z:1>4*0|2+4$a\nb\n", "a\nb\n\n", "*0|2+4|1+1"},
		{"half of a pair", "🎉\n", "+2|1+1", "Z:3<1-1$", "\ufffd\n", "|1+2"},
		{"the other half back", "\n", "|1+1", "Z:1>2+2$🎉", "🎉\n", "|1+3"},
		{"bold", "abc\n", "*0+3|1+1", "Z:4>0=1*1=1$", "abc\n", "*0+1*0*1+1*0+1|1+1"},
		{"not bold", "abc\n", "*0*1+3|1+1", "Z:4>0=1*2=1$", "abc\n", "*0*1+1*0+1*0*1+1|1+1"},
		{"an empty value that is inserted stays", "\n", "|1+1", "Z:1>1*2+1$a", "a\n", "*2+1|1+1"},
		{"replace", "abc\n", "+3|1+1", "Z:4>0-3*0+3$xyz", "xyz\n", "*0+3|1+1"},
		{"join lines", "a\nb\n", "|2+4", "Z:4<1=1|1-1$", "ab\n", "|1+3"},
		{"an operation on nothing", "a\n", "|1+2", "Z:2>1=0=1+1$b", "ab\n", "|1+3"},
		{"everything goes", "a\n", "|1+2", "Z:2<2|1-2$", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := FromAText(test.text, test.attribs, pool)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(test.change)
			if err != nil {
				t.Fatal(err)
			}
			if err := text.Apply(c); err != nil {
				t.Fatal(err)
			}
			if text.String() != test.want || text.Attribs() != test.wantAttribs {
				t.Errorf("%q %q, want %q %q", text.String(), text.Attribs(), test.want, test.wantAttribs)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, test := range []struct{ name, change string }{
		{"a text of another length", "Z:3>1+1$a"},
		{"an unknown attribute", "Z:4>1*9+1$a"},
		{"an unknown attribute to set", "Z:4>0*9=1$"},
		{"kept lines", "Z:4>1=2+1$a"},
		{"removed lines", "Z:4<2-2$"},
		{"removed lines that do not end", "Z:4<3|1-3$"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := FromAText("a\nb\n", "|2+4", &Pool{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(test.change)
			if err != nil {
				t.Fatal(err)
			}
			if err := text.Apply(c); err == nil {
				t.Errorf("%q is applied: %q", test.change, text)
			}
		})
	}
}

// naive is a text as one would write it without thinking of time.
type naive struct {
	units []uint16
	attrs []map[string]string
}

// parts divides text as operations have to: those on lines end with one.
func parts(text []uint16) [][]uint16 {
	i := len(text)
	for i > 0 && text[i-1] != '\n' {
		i--
	}
	return slices.DeleteFunc([][]uint16{text[:i], text[i:]}, func(p []uint16) bool { return len(p) == 0 })
}

// edit makes a changeset by random choices, and does the same to the model.
func (m *naive) edit(pool *Pool, pick func(n int) int) []uint16 {
	var ops strings.Builder
	var bank, units []uint16
	var attrs []map[string]string
	write := func(numbers []int, code byte, text []uint16) {
		for _, part := range parts(text) {
			for _, n := range numbers {
				ops.WriteString("*" + strconv.FormatInt(int64(n), 36))
			}
			if lines := countLines(part); lines > 0 {
				ops.WriteString("|" + strconv.FormatInt(int64(lines), 36))
			}
			ops.WriteString(string(code) + strconv.FormatInt(int64(len(part)), 36))
		}
	}
	alphabet := utf16.Encode([]rune("abc \né🎉𝒳"))
	keys := []string{"author", "bold", "list"}
	at := 0
	for range 1 + pick(6) {
		n := 0
		if rest := len(m.units) - at; rest > 0 {
			n = 1 + pick(rest)
		}
		text, had := m.units[at:at+n], m.attrs[at:at+n]
		switch pick(4) {
		case 0: // insert
			n = 0
			text := make([]uint16, 1+pick(9))
			for i := range text {
				text[i] = alphabet[pick(len(alphabet))]
			}
			var numbers []int
			set := map[string]string{}
			for _, key := range keys {
				if a := (Attrib{key, strconv.Itoa(pick(3))}); a.Value != "0" {
					numbers = append(numbers, pool.Put(a))
					set[a.Key] = a.Value
				}
			}
			write(numbers, '+', text)
			bank, units = append(bank, text...), append(units, text...)
			for range text {
				attrs = append(attrs, set)
			}
		case 1: // remove
			write(nil, '-', text)
		case 2: // keep
			write(nil, '=', text)
			units, attrs = append(units, text...), append(attrs, had...)
		case 3: // format
			a := Attrib{keys[pick(3)], []string{"1", "2", ""}[pick(3)]}
			write([]int{pool.Put(a)}, '=', text)
			units = append(units, text...)
			for _, old := range had {
				now := maps.Clone(old)
				if now[a.Key] = a.Value; a.Value == "" {
					delete(now, a.Key)
				}
				attrs = append(attrs, now)
			}
		}
		at += n
	}
	before := len(m.units)
	m.units, m.attrs = append(units, m.units[at:]...), append(attrs, m.attrs[at:]...)
	sign, diff := ">", len(m.units)-before
	if diff < 0 {
		sign, diff = "<", -diff
	}
	head := "Z:" + strconv.FormatInt(int64(before), 36) + sign + strconv.FormatInt(int64(diff), 36) + ops.String() + "$"
	return append(utf16.Encode([]rune(head)), bank...)
}

// attributes returns what each unit of a text has.
func attributes(text *Text) []map[string]string {
	var all []map[string]string
	for _, k := range text.chunks {
		for _, id := range k.attr {
			set := map[string]string{}
			for _, n := range text.sets.all[id] {
				a, _ := text.Pool().Attrib(int(n))
				set[a.Key] = a.Value
			}
			all = append(all, set)
		}
	}
	return all
}

func TestApplyIsAsNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A seed instead of thousands of draws, which would take most of the time.
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		pool := &Pool{}
		text := New(pool)
		m := &naive{units: []uint16{'\n'}, attrs: []map[string]string{{}}}
		for range rapid.IntRange(1, 80).Draw(t, "edits") {
			old := slices.Clone(m.units)
			s := m.edit(pool, r.IntN)
			c := &Changeset{}
			if err := c.Parse(s); err != nil {
				t.Fatalf("%q: %v", Decode(s), err)
			}
			var gone []uint16
			removed := func(_ int, text []uint16, _ []int32) { gone = append(gone, text...) }
			if err := text.ApplyFunc(c, removed); err != nil {
				t.Fatalf("%q to %q: %v", Decode(s), Decode(old), err)
			}
			if _, n := c.Inserted(); n != len(gone) {
				t.Fatalf("%q removes %d units and tells of %d", Decode(s), n, len(gone))
			}
			lines := 0
			for _, k := range text.chunks {
				if len(k.text) != len(k.attr) || k.lines != countLines(k.text) || len(k.text) > maxChunk {
					t.Fatalf("a chunk of %d units, %d attributes, %d line feeds", len(k.text), len(k.attr), k.lines)
				}
				lines += k.lines
			}
			if text.Len() != len(m.units) || lines != countLines(m.units) {
				t.Fatalf("%d units and %d lines, want %d and %d", text.Len(), lines, len(m.units), countLines(m.units))
			}
		}
		if got := text.String(); got != Decode(m.units) {
			t.Fatalf("%q, want %q", got, Decode(m.units))
		}
		if diff := cmp.Diff(m.attrs, attributes(text), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("attributes (-want +got):\n%s", diff)
		}
		again, err := FromUnits(m.units, []byte(text.Attribs()), pool)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Equal(m.units, []byte(text.Attribs())); err != nil {
			t.Fatal(err)
		}
		if again.Attribs() != text.Attribs() || again.Clone().Attribs() != text.Attribs() {
			t.Fatalf("%q read back is %q", text.Attribs(), again.Attribs())
		}
		var joined []string
		for _, line := range text.Lines() {
			whole := ""
			for _, run := range line {
				whole += run.Text
			}
			joined = append(joined, whole)
		}
		want := strings.Split(Decode(m.units), "\n")
		if n := len(want) - 1; want[n] == "" {
			want = want[:n]
		}
		if diff := cmp.Diff(want, joined, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("lines (-want +got):\n%s", diff)
		}
	})
}

// TestLongTexts has texts of many chunks.
func TestLongTexts(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	pool := &Pool{}
	text := New(pool)
	m := &naive{units: []uint16{'\n'}, attrs: []map[string]string{{}}}
	for i := range 40 {
		add := strings.Repeat("zeile "+strconv.Itoa(i)+"\n", 300)
		c, err := Parse("Z:" + strconv.FormatInt(int64(len(m.units)), 36) + ">" + strconv.FormatInt(int64(len(add)), 36) + "|" + strconv.FormatInt(300, 36) + "+" + strconv.FormatInt(int64(len(add)), 36) + "$" + add)
		if err != nil {
			t.Fatal(err)
		}
		m.units = append(utf16.Encode([]rune(add)), m.units...)
		m.attrs = append(slices.Repeat([]map[string]string{{}}, len(add)), m.attrs...)
		if err := text.Apply(c); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			s := m.edit(pool, r.IntN)
			if err := c.Parse(s); err != nil {
				t.Fatal(err)
			}
			if err := text.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
		if text.String() != Decode(m.units) {
			t.Fatal("the texts differ after edit", i)
		}
		small := 0
		for _, k := range text.chunks {
			if len(k.text) < maxChunk/4 {
				small++
			}
		}
		if small > 100 {
			t.Fatalf("%d of %d chunks are small", small, len(text.chunks))
		}
	}
	if diff := cmp.Diff(m.attrs, attributes(text), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("attributes (-want +got):\n%s", diff)
	}
}

func TestFromATextRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, attribs string }{
		{"too short", "ab\n", "|1+2"},
		{"too long", "ab\n", "|1+4"},
		{"attributes for less", "ab\n", "+1"},
		{"no lines", "ab\n", "+3"},
		{"an unknown attribute", "ab\n", "*5|1+3"},
		{"another operation", "ab\n", "|1=3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if text, err := FromAText(test.text, test.attribs, &Pool{}); err == nil {
				t.Errorf("accepted: %q", text)
			}
		})
	}
}

func TestRenumber(t *testing.T) {
	wire, pool := &Pool{}, &Pool{}
	bold := wire.Put(Attrib{"bold", "true"})
	pool.Put(Attrib{"author", "a.1"})
	c, err := Parse("Z:1>1*" + strconv.Itoa(bold) + "+1$a")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Renumber(wire, pool); err != nil {
		t.Fatal(err)
	}
	text := New(pool)
	if err := text.Apply(c); err != nil {
		t.Fatal(err)
	}
	if text.Attribs() != "*1+1|1+1" {
		t.Error(text.Attribs())
	}
	if err := c.Renumber(&Pool{}, pool); err == nil {
		t.Error("an attribute of no pool is accepted")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"Z:1>1t|3+1t$Welcome to Etherpad!\n\nThis pad text is synchronized as you type.\n",
		"Z:1u<1t|3-1t$", "Z:26>1|2=25*3*4*5*6+1$*", "Z:59>0-5*c+5$TITRE", "Z:5a<1-1$", "Z:4h>s|6=4g*c|1+s$emoji 🎉 𝒳 arabe مرحبا\ttab\n",
	} {
		f.Add(s, "a\nb\n", "*0+1|2+3")
	}
	f.Add("Z:4>0=1*1=1$", "a\nb\n", "*0+1|1+1|1+2")
	f.Fuzz(func(t *testing.T, s, text, attribs string) {
		c, err := Parse(s)
		if err != nil {
			return
		}
		pool := &Pool{}
		for i := range 12 {
			pool.Put(Attrib{strconv.Itoa(i % 4), strconv.Itoa(i % 3)})
		}
		a, err := FromAText(text, attribs, pool)
		if err != nil {
			a = New(pool)
		}
		before := utf16.Encode([]rune(a.String()))
		if err := a.Equal(before, []byte(a.Attribs())); err != nil && !strings.Contains(a.String(), "\ufffd") {
			t.Fatal("a text is not itself:", err)
		}
		if err := a.Apply(c); err != nil {
			return
		}
		if a.Len() != c.NewLen {
			t.Fatalf("%d units, want %d", a.Len(), c.NewLen)
		}
		if _, err := FromUnits(units(a), []byte(a.Attribs()), pool); err != nil {
			t.Fatalf("%q %q is not a text: %v", a, a.Attribs(), err)
		}
	})
}

func units(t *Text) []uint16 {
	var all []uint16
	for _, k := range t.chunks {
		all = append(all, k.text...)
	}
	return all
}

func BenchmarkApply(b *testing.B) {
	pool := &Pool{}
	line := strings.Repeat("x", 79) + "\n"
	for _, size := range []int{10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			n := size / 80
			text, err := FromAText(strings.Repeat(line, n), "|"+strconv.FormatInt(int64(n), 36)+"+"+strconv.FormatInt(int64(n*80), 36), pool)
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			c := &Changeset{}
			for b.Loop() {
				k := r.IntN(n)
				s := "Z:" + strconv.FormatInt(int64(text.Len()), 36) + ">0"
				if k > 0 {
					s += "|" + strconv.FormatInt(int64(k), 36) + "=" + strconv.FormatInt(int64(k*80), 36)
				}
				if err := c.Parse(utf16.Encode([]rune(s + "-1+1$y"))); err != nil {
					b.Fatal(err)
				}
				if err := text.Apply(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
