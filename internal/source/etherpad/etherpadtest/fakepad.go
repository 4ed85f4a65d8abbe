package etherpadtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source/etherpad/changeset"
)

type fakePad struct {
	name    string
	text    *changeset.Text
	revs    []fakeRev
	chat    []fakeChat
	saved   []any
	public  bool
	missing map[string]bool
	lose    bool
}

type fakeRev struct {
	changeset, author string
	time              int64
	snapshot          *snapshot // of each hundredth
}

type snapshot struct{ text, attribs, pool string }

type fakeChat struct {
	Text string `json:"text"`
	Time int64  `json:"time"`
	User string `json:"userId"`
	Name any    `json:"userName,omitempty"`
}

func (f *Fake) padNames() []string { return slices.Sorted(maps.Keys(f.pads)) }

// makePad makes a pad; without a text it has the default one.
func (f *Fake) makePad(name string, text *string, author string) (*fakePad, error) {
	p := &fakePad{name: name, missing: map[string]bool{}}
	p.text = changeset.New(&changeset.Pool{})
	begin := defaultText
	if !f.old() {
		begin = "Welcome to Etherpad!\n\nThis pad text is synchronized as you type, so that everyone viewing this page sees the same " +
			"text. This allows you to collaborate seamlessly on documents!\n\nEtherpad on Github: https://github.com/ether/etherpad-lite"
	}
	if text != nil {
		begin = *text
	}
	if f.old() {
		author = ""
	}
	if author != "" {
		p.text.Pool().Put(changeset.Attrib{Key: "author", Value: author})
	}
	c, err := changeset.Parse(splice("\n", 0, 0, begin, ""))
	if err != nil {
		return nil, err
	}
	if err := p.append(c, author); err != nil {
		return nil, err
	}
	f.pads[name] = p
	f.readOnly[f.readOnlyID(name)] = name
	return p, nil
}

func (f *Fake) readOnlyID(name string) string {
	return id("r.", fmt.Sprint(f.address, name, f.pads[name].revs[0].time), 32)
}

func (p *fakePad) head() int { return len(p.revs) - 1 }

// append makes a revision of a changeset whose attributes are those of the pad's pool.
func (p *fakePad) append(c *changeset.Changeset, author string) error {
	written := format(c)
	next := p.text.Clone()
	if err := next.Apply(c); err != nil {
		return err
	}
	p.text = next
	r := fakeRev{changeset: written, author: author, time: time.Now().UnixMilli()}
	if len(p.revs)%100 == 0 {
		r.snapshot = &snapshot{text: p.text.String(), attribs: p.text.Attribs(), pool: string(poolJSON(p.text.Pool(), true))}
	}
	p.revs = append(p.revs, r)
	return nil
}

// splice makes a revision that replaces a part of the text.
func (p *fakePad) splice(at, n int, insert, author string) error {
	c, err := changeset.Parse(splice(p.text.String(), at, n, insert, ""))
	if err != nil {
		return err
	}
	return p.append(c, author)
}

func poolJSON(pool *changeset.Pool, both bool) []byte {
	numToAttrib, attribToNum := map[string]any{}, map[string]int{}
	for n := range pool.Len() {
		if a, ok := pool.Attrib(n); ok {
			numToAttrib[strconv.Itoa(n)] = []string{a.Key, a.Value}
			attribToNum[a.Key+","+a.Value] = n
		}
	}
	v := map[string]any{"numToAttrib": numToAttrib, "nextNum": pool.Len()}
	if both {
		v["attribToNum"] = attribToNum
	}
	return mustJSON(v)
}

func mustJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// export writes the .etherpad file of a pad, under the name that the version gives it.
func (f *Fake) export(p *fakePad, asked string) ([]byte, error) {
	name := p.name
	if !f.old() {
		name = asked
	}
	var b bytes.Buffer
	record := func(key string, value []byte) {
		b.WriteByte(map[bool]byte{true: '{', false: ','}[b.Len() == 0])
		b.Write(mustJSON(key))
		b.WriteByte(':')
		b.Write(value)
	}
	atext := mustJSON(map[string]any{"text": p.text.String(), "attribs": p.text.Attribs()})
	saved := p.saved
	if saved == nil {
		saved = []any{}
	}
	record("pad:"+name, mustJSON(map[string]any{
		"atext": json.RawMessage(atext), "pool": json.RawMessage(poolJSON(p.text.Pool(), false)), "head": p.head(),
		"chatHead": len(p.chat) - 1, "publicStatus": p.public, "savedRevisions": saved,
	}))
	for n := range p.text.Pool().Len() {
		a, _ := p.text.Pool().Attrib(n)
		known := f.authors[a.Value]
		if a.Key != "author" || a.Value == "" || known == nil {
			continue
		}
		record("globalAuthor:"+a.Value, mustJSON(map[string]any{
			"colorId": known.Color, "name": known.Name, "timestamp": known.Seen, "padIDs": name,
		}))
	}
	for n, r := range p.revs {
		if p.missing[fmt.Sprint("revs:", n)] {
			return nil, fmt.Errorf("revision %d is missing", n)
		}
		meta := map[string]any{"author": r.author, "timestamp": r.time}
		if r.snapshot != nil {
			meta["pool"] = json.RawMessage(r.snapshot.pool)
			meta["atext"] = map[string]any{"text": r.snapshot.text, "attribs": r.snapshot.attribs}
		}
		record(fmt.Sprintf("pad:%s:revs:%d", name, n), mustJSON(map[string]any{"changeset": r.changeset, "meta": meta}))
	}
	for n, c := range p.chat {
		if p.missing[fmt.Sprint("chat:", n)] {
			return nil, fmt.Errorf("chat %d is missing", n)
		}
		one := map[string]any{"text": c.Text, "userId": c.User, "time": c.Time}
		if !f.old() {
			one["userName"] = c.Name
		}
		record(fmt.Sprintf("pad:%s:chat:%d", name, n), mustJSON(one))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// record is any record of an .etherpad file.
type record struct {
	AText struct{ Text, Attribs string }
	Pool  struct {
		NumToAttrib map[string][2]string
	}
	Head           int
	ChatHead       int
	PublicStatus   bool
	SavedRevisions []any

	Changeset string
	Meta      struct {
		Author    string
		Timestamp int64
	}

	Text     string
	Time     int64
	UserID   string
	UserName any

	ColorID any
	Name    any
}

// read makes a pad of an .etherpad file. The error says what is missing: "revs" or "chat".
func (f *Fake) read(body []byte, name string) (*fakePad, string, error) {
	var file map[string]*record
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, "", err
	}
	var key string
	for k := range file {
		if rest, ok := strings.CutPrefix(k, "pad:"); ok && !strings.Contains(rest, ":revs:") && !strings.Contains(rest, ":chat:") {
			key = k
		}
	}
	if key == "" {
		return nil, "nothing", nil
	}
	main := file[key]
	p := &fakePad{name: name, missing: map[string]bool{}, public: main.PublicStatus, saved: main.SavedRevisions}
	pool := &changeset.Pool{}
	if err := fill(pool, main.Pool.NumToAttrib); err != nil {
		return nil, "", err
	}
	p.text = changeset.New(pool)
	for n := range main.Head + 1 {
		r := file[fmt.Sprintf("%s:revs:%d", key, n)]
		if r == nil {
			return p, "revs", nil
		}
		c, err := changeset.Parse(r.Changeset)
		if err != nil {
			return nil, "", err
		}
		if err := p.append(c, r.Meta.Author); err != nil {
			return nil, "", err
		}
		p.revs[n].time = r.Meta.Timestamp
	}
	for n := range main.ChatHead + 1 {
		c := file[fmt.Sprintf("%s:chat:%d", key, n)]
		if c == nil {
			return p, "chat", nil
		}
		p.chat = append(p.chat, fakeChat{Text: c.Text, Time: c.Time, User: c.UserID, Name: c.UserName})
	}
	for k, r := range file {
		author, ok := strings.CutPrefix(k, "globalAuthor:")
		if ok && f.authors[author] == nil { // what the server knows of an author stays
			f.authors[author] = &fakeAuthor{Name: r.Name, Color: r.ColorID, Seen: time.Now().UnixMilli()}
		}
	}
	return p, "", nil
}

// units is the length of a text in UTF-16.
func units(s string) int { return len(utf16Of(s)) }
