package web

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

// padBuilder writes a pad's history as its authors would, for an ".etherpad" file.
type padBuilder struct {
	t       testing.TB
	name    string
	pool    *changeset.Pool
	text    *changeset.Text
	plain   []uint16
	now     time.Time
	records map[string]any
	head    int
	saved   []any
	chat    int
}

func newPad(t testing.TB, name string, start time.Time) *padBuilder {
	b := &padBuilder{t: t, name: name, pool: &changeset.Pool{}, now: start, records: map[string]any{}, head: -1, chat: -1, saved: []any{}}
	b.text = changeset.New(b.pool)
	b.plain = []uint16{'\n'}
	b.revision("", "Z:1>0$")
	return b
}

// author adds somebody; name "" for one without.
func (b *padBuilder) author(id, name string) {
	var n any
	if name != "" {
		n = name
	}
	b.records["globalAuthor:"+id] = map[string]any{"colorId": len(b.records) % 64, "name": n, "timestamp": b.now.UnixMilli(), "padIDs": b.name}
}

// revision applies a change at the present time.
func (b *padBuilder) revision(author, change string) {
	b.t.Helper()
	c, err := changeset.Parse(change)
	if err == nil {
		err = b.text.Apply(c)
	}
	if err != nil {
		b.t.Fatalf("%q: %v", change, err)
	}
	b.head++
	meta := map[string]any{"author": author, "timestamp": b.now.UnixMilli()}
	if b.head%100 == 0 {
		meta["pool"] = b.poolRecord()
		meta["atext"] = map[string]any{"text": b.text.String(), "attribs": b.text.Attribs()}
	}
	b.records["pad:"+b.name+":revs:"+strconv.Itoa(b.head)] = map[string]any{"changeset": change, "meta": meta}
}

func (b *padBuilder) poolRecord() map[string]any {
	table := map[string]any{}
	for i := range b.pool.Len() {
		a, _ := b.pool.Attrib(i)
		table[strconv.Itoa(i)] = []string{a.Key, a.Value}
	}
	return map[string]any{"numToAttrib": table, "nextNum": b.pool.Len()}
}

// ops writes a step for units, in two parts if they end within a line.
func ops(code, attribs string, units []uint16) string {
	last, lines := 0, 0
	for i, u := range units {
		if u == '\n' {
			last, lines = i+1, lines+1
		}
	}
	s := ""
	if lines > 0 {
		s += attribs + "|" + strconv.FormatInt(int64(lines), 36) + code + strconv.FormatInt(int64(last), 36)
	}
	if rest := len(units) - last; rest > 0 {
		s += attribs + code + strconv.FormatInt(int64(rest), 36)
	}
	return s
}

// insert writes a text at a place, remove takes n units away there; attributes are keys and values.
func (b *padBuilder) insert(author string, at int, text string, attributes ...string) {
	b.t.Helper()
	units := utf16.Encode([]rune(text))
	attribs := "*" + strconv.FormatInt(int64(b.pool.Put(changeset.Attrib{Key: "author", Value: author})), 36)
	for i := 0; i+1 < len(attributes); i += 2 {
		attribs += "*" + strconv.FormatInt(int64(b.pool.Put(changeset.Attrib{Key: attributes[i], Value: attributes[i+1]})), 36)
	}
	b.revision(author, fmt.Sprintf("Z:%s>%s%s%s$%s", strconv.FormatInt(int64(len(b.plain)), 36), strconv.FormatInt(int64(len(units)), 36),
		ops("=", "", b.plain[:at]), ops("+", attribs, units), text))
	b.plain = append(b.plain[:at:at], append(units, b.plain[at:]...)...)
}

func (b *padBuilder) remove(author string, at, n int) {
	b.t.Helper()
	b.pool.Put(changeset.Attrib{Key: "author", Value: author})
	b.revision(author, fmt.Sprintf("Z:%s<%s%s%s$", strconv.FormatInt(int64(len(b.plain)), 36), strconv.FormatInt(int64(n), 36),
		ops("=", "", b.plain[:at]), ops("-", "", b.plain[at:at+n])))
	b.plain = append(b.plain[:at:at], b.plain[at+n:]...)
}

// after finds the place after a text.
func (b *padBuilder) after(text string) int {
	units := utf16.Encode([]rune(text))
	for i := len(b.plain) - len(units); i >= 0; i-- {
		if string(utf16.Decode(b.plain[i:i+len(units)])) == text {
			return i + len(units)
		}
	}
	b.t.Fatalf("there is no %q in %q", text, string(utf16.Decode(b.plain)))
	return 0
}

// typing writes a text at a place in small pieces, with the times of a person.
func (b *padBuilder) typing(r *rand.Rand, author string, at int, text string) {
	b.t.Helper()
	letters := []rune(text)
	for len(letters) > 0 {
		n := min(1+r.IntN(5), len(letters))
		b.now = b.now.Add(time.Duration(400+r.IntN(1800)) * time.Millisecond)
		if r.IntN(12) == 0 {
			b.now = b.now.Add(time.Duration(5+r.IntN(50)) * time.Second)
		}
		b.insert(author, at, string(letters[:n]))
		at += len(utf16.Encode(letters[:n]))
		letters = letters[n:]
	}
}

func (b *padBuilder) say(author, text string) {
	b.chat++
	b.records["pad:"+b.name+":chat:"+strconv.Itoa(b.chat)] = map[string]any{"text": text, "userId": author, "time": b.now.UnixMilli()}
}

func (b *padBuilder) save() {
	b.saved = append(b.saved, map[string]any{"revNum": b.head, "savedById": "a.1", "label": "Revision " + strconv.Itoa(b.head), "timestamp": b.now.UnixMilli(), "id": strconv.Itoa(b.head)})
}

// file is the ".etherpad" file.
func (b *padBuilder) file() []byte {
	b.t.Helper()
	b.records["pad:"+b.name] = map[string]any{
		"atext": map[string]any{"text": b.text.String(), "attribs": b.text.Attribs()}, "pool": b.poolRecord(),
		"head": b.head, "chatHead": b.chat, "publicStatus": false, "savedRevisions": b.saved,
	}
	out, err := json.Marshal(b.records)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// The authors of the pad of the pictures.
const (
	padMaelle  = "a.maelle0000000000"
	padYannick = "a.yannick000000000"
	padAicha   = "a.aicha00000000000"
	padUnnamed = "a.nobody0000000000"
)

// meetingPad is the pad of the pictures: four authors, one without a name, in a meeting of an afternoon.
// It returns the file and the revision of the pictures.
func meetingPad(t testing.TB, start time.Time) (file []byte, rev int) {
	r := rand.New(rand.NewPCG(1, 2))
	b := newPad(t, "cr-reunion-18-nov", start)
	b.author(padMaelle, "Maëlle Kerjean")
	b.author(padYannick, "Yannick Le Goff")
	b.author(padAicha, "Aïcha")
	b.author(padUnnamed, "")
	b.insert(padMaelle, 0, "*\n", "lmkr", "1", "insertorder", "first", "heading", "h1")
	b.typing(r, padMaelle, 1, "Réunion de chantier n° 14")
	end := func() int { return len(b.plain) - 1 }
	b.typing(r, padMaelle, end(), "Présents : Maëlle, Yannick, Aïcha, Priya (en visio), M. Quéré (charpente)\n")
	b.now = b.now.Add(4 * time.Minute)
	b.typing(r, padYannick, end(), "1. Charpente : ferme 3, talon à remplacer. L’entreprise propose du chêne vert, livraison semaine 49.\n")
	b.typing(r, padMaelle, end(), "2. Sabot acier ferme 5 : ")
	b.save()
	b.now = b.now.Add(7 * time.Minute)
	b.typing(r, padAicha, end(), "devis reçu, 1 840 € HT, à valider avant vendredi\n")
	b.typing(r, padMaelle, end(), "4. Point planning reporté\n")
	b.now = b.now.Add(8 * time.Minute)
	b.say(padYannick, "le devis du sabot est dans Projets")
	b.typing(r, padYannick, b.after("vendredi\n"), "3. Sablage façade nord terminé. ")
	b.typing(r, padUnnamed, b.after("terminé. "), "Photos à verser dans « Photos chantier ».\n")
	b.now = b.now.Add(5 * time.Minute)
	b.say(padAicha, "vu, je le mets au budget")
	b.now = b.now.Add(4 * time.Minute)
	place := b.after("chantier ».\n")
	b.insert(padUnnamed, place, "\n")
	b.typing(r, padUnnamed, place, "4. Falmouth team asks for the load cases in English: Priya translates the")
	b.now = b.now.Add(2 * time.Second)
	// One change that writes and removes.
	at, written, gone := b.after("translates the"), utf16.Encode([]rune(" n")), utf16.Encode([]rune("4. Point planning reporté\n"))
	attribs := "*" + strconv.FormatInt(int64(b.pool.Put(changeset.Attrib{Key: "author", Value: padUnnamed})), 36)
	b.revision(padUnnamed, fmt.Sprintf("Z:%s<%s%s%s%s%s$ n", strconv.FormatInt(int64(len(b.plain)), 36), strconv.FormatInt(int64(len(gone)-len(written)), 36),
		ops("=", "", b.plain[:at]), ops("+", attribs, written), ops("=", "", b.plain[at:at+1]), ops("-", "", gone)))
	rest := b.plain[at+1+len(gone):]
	b.plain = append(append(append(b.plain[:at:at], written...), '\n'), rest...)
	rev = b.head
	b.typing(r, padUnnamed, b.after("translates the n"), "otes before Friday")
	b.now = b.now.Add(6 * time.Minute)
	b.save()
	b.typing(r, padYannick, end(), "5. Échafaudage : démontage de la travée est, accès pompiers à garder libre pendant tout le mois.\n")
	b.typing(r, padMaelle, end(), "6. Prochaine réunion mercredi 2 décembre à 14 h, sur place. Maëlle envoie la convocation aux entreprises.\n")
	b.say(padMaelle, "merci à tous, je mets au propre ce soir")
	b.now = b.now.Add(3 * time.Minute)
	b.typing(r, padAicha, end(), "Budget : avenant n° 2 à présenter au conseil, 12 400 € HT. Aïcha prépare la délibération.\n")
	return b.file(), rev
}
