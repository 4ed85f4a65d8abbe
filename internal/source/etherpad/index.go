package etherpad

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// ErrIndex is the error for an index that is damaged, of another version, or of another file.
var ErrIndex = errors.New("the index is not of this file")

// The layout of an index: magic; length (4 bytes, little endian) and JSON of the head; for each revision, as varints:
// offset less the end of the one before, length, author, time less the one before, added, removed and 1 if there is a snapshot;
// for each chat message: offset less the end of the one before, length; CRC-32 of it all.
const (
	indexMagic = "havre pad 1\n"
	maxHead    = 32 << 20
)

type indexHead struct {
	Size    int64
	Sum     []byte // see fingerprint
	Name    string
	Off     int64
	Len     int32
	Authors map[string]Author
	IDs     []string
	Revs    int
	Chats   int
}

// fingerprint is a hash of the pad's record and of the first and last bytes of the file. The record has the text and the
// number of revisions; a file with the same one and the same size that differs elsewhere is made on purpose.
func (d *Document) fingerprint() ([]byte, error) {
	h := sha256.New()
	const part = 64 << 10
	for _, s := range []span{d.at, {0, int32(min(part, d.size))}, {max(0, d.size-part), int32(min(part, d.size))}} {
		if s.off < 0 || s.len < 0 || s.off+int64(s.len) > d.size {
			return nil, ErrIndex
		}
		if _, err := io.Copy(h, io.NewSectionReader(d.r, s.off, int64(s.len))); err != nil {
			return nil, err
		}
	}
	return h.Sum(nil), nil
}

// WriteIndex writes what is remembered of the file, about 12 bytes for a revision, so that OpenIndexed need not read
// it all again.
func (d *Document) WriteIndex(w io.Writer) error {
	sum, err := d.fingerprint()
	if err != nil {
		return err
	}
	head, err := json.Marshal(indexHead{
		Size: d.size, Sum: sum, Name: d.name, Off: d.at.off, Len: d.at.len,
		Authors: d.authors, IDs: d.ids, Revs: len(d.revs), Chats: len(d.chats),
	})
	if err != nil {
		return err
	}
	crc := crc32.NewIEEE()
	b := bufio.NewWriter(io.MultiWriter(w, crc))
	buf := append([]byte(indexMagic), binary.LittleEndian.AppendUint32(nil, uint32(len(head)))...)
	if _, err := b.Write(append(buf, head...)); err != nil {
		return err
	}
	end, time := int64(0), int64(0)
	for i := range d.revs {
		e := &d.revs[i]
		buf = binary.AppendVarint(buf[:0], e.off-end)
		buf = binary.AppendUvarint(buf, uint64(e.len))
		buf = binary.AppendUvarint(buf, uint64(e.author))
		buf = binary.AppendVarint(buf, e.time-time)
		buf = binary.AppendUvarint(buf, uint64(e.added))
		buf = binary.AppendUvarint(buf, uint64(e.removed))
		buf = append(buf, 0)
		if e.snapshot {
			buf[len(buf)-1] = 1
		}
		end, time = e.off+int64(e.len), e.time
		if _, err := b.Write(buf); err != nil {
			return err
		}
	}
	for _, s := range d.chats {
		buf = binary.AppendVarint(buf[:0], s.off-end)
		buf = binary.AppendUvarint(buf, uint64(s.len))
		end = s.off + int64(s.len)
		if _, err := b.Write(buf); err != nil {
			return err
		}
	}
	if err := b.Flush(); err != nil {
		return err
	}
	_, err = w.Write(binary.LittleEndian.AppendUint32(nil, crc.Sum32()))
	return err
}

// OpenIndexed returns the document of a file that was checked before, with what WriteIndex wrote then. The file's size, both
// its ends and the pad's record are compared; everything else is believed. ErrIndex means that Open is needed.
func OpenIndexed(r io.ReaderAt, size int64, index io.Reader) (*Document, error) {
	// 64 bytes for each of more revisions than fit into the file.
	all, err := io.ReadAll(io.LimitReader(index, maxHead+size))
	if err != nil {
		return nil, err
	}
	n := len(all) - 4
	if n < len(indexMagic)+4 || !bytes.HasPrefix(all, []byte(indexMagic)) || crc32.ChecksumIEEE(all[:n]) != binary.LittleEndian.Uint32(all[n:]) {
		return nil, ErrIndex
	}
	all = all[len(indexMagic):n]
	n = int(binary.LittleEndian.Uint32(all))
	if all = all[4:]; n > len(all) {
		return nil, ErrIndex
	}
	var head indexHead
	if err := json.Unmarshal(all[:n], &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrIndex, err)
	}
	d := &Document{r: r, size: size, name: head.Name, at: span{head.Off, head.Len}, authors: head.Authors, ids: head.IDs}
	// Each revision has 7 bytes at least, each message 2.
	if head.Size != size || len(head.IDs) == 0 || head.Revs < 1 || head.Chats < 0 || head.Revs > len(all)/7 || head.Chats > len(all)/2 {
		return nil, ErrIndex
	}
	sum, err := d.fingerprint()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(sum, head.Sum) {
		return nil, ErrIndex
	}
	if err := d.readEntries(all[n:], head.Revs, head.Chats); err != nil {
		return nil, err
	}
	if d.authors == nil {
		d.authors = map[string]Author{}
	}
	return d, d.readPad()
}

// readEntries reads what is remembered of revisions and messages.
func (d *Document) readEntries(b []byte, revs, chats int) error {
	in := bytes.NewReader(b)
	bad := false
	signed := func() int64 {
		n, err := binary.ReadVarint(in)
		bad = bad || err != nil
		return n
	}
	unsigned := func(limit int64) int32 {
		n, err := binary.ReadUvarint(in)
		if bad = bad || err != nil || n > uint64(limit); bad {
			return 0
		}
		return int32(n)
	}
	end, time := int64(0), int64(0)
	next := func() span {
		s := span{off: end + signed()}
		s.len = unsigned(maxRecord)
		end = s.off + int64(s.len)
		bad = bad || s.off < 0 || end > d.size || end < s.off
		return s
	}
	d.revs = make([]entry, revs)
	for i := range d.revs {
		e := entry{span: next(), author: unsigned(int64(len(d.ids) - 1))}
		time += signed()
		e.time = time
		e.added, e.removed = unsigned(maxRecord), unsigned(1<<30)
		e.snapshot = unsigned(1) == 1
		d.revs[i] = e
	}
	d.chats = make([]span, chats)
	for i := range d.chats {
		d.chats[i] = next()
	}
	if bad || in.Len() > 0 {
		return ErrIndex
	}
	return nil
}

// readPad reads the pad's record, which the fingerprint has compared.
func (d *Document) readPad() error {
	raw := make([]byte, d.at.len)
	if _, err := io.ReadFull(io.NewSectionReader(d.r, d.at.off, int64(d.at.len)), raw); err != nil {
		return err
	}
	if err := d.pad.read(&reader{}, raw); err != nil {
		return fmt.Errorf("%w: %w", ErrIndex, err)
	}
	if d.pad.head != d.Head() || d.pad.chatHead != d.ChatHead() || slices.Contains(d.ids[1:], "") {
		return ErrIndex
	}
	d.pad.text, d.pad.attribs = nil, nil
	return nil
}
