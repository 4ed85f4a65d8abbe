package hub

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
	"github.com/havre-cloud/havre/svn"
)

// settingViewKey is the key of seal, shared by all servers on the same database.
const settingViewKey store.Setting = "view.key"

// maxShape is the length in bytes up to which a shape is kept in a view. Of a longer one only the digest
// is, which tells whether it is still the same, and not what has changed.
const maxShape = 24 << 10

// maxView is the length in bytes of the longest view that can be one of ours.
const maxView = (maxShape+128)*4/3 + 4

// seal makes and reads the views that clients keep: which revision of a folder they have, and what
// the person could read of it. They are encrypted, for they name paths that the person may not know,
// and authentic, so that a client can claim to have read only what it has: what it is told has vanished
// it knows already. The same view is the same text each time.
type seal struct {
	gcm cipher.AEAD
	mac []byte
}

// sealed is what a view says.
type sealed struct {
	rev    svn.Revnum
	reach  *reach // nil if the shape was too long
	digest [sha256.Size]byte
}

func newSeal(ctx context.Context, s *store.Store) (*seal, error) {
	fresh := make([]byte, 64)
	_, _ = rand.Read(fresh) // never fails
	text, err := s.InitSetting(ctx, settingViewKey, hex.EncodeToString(fresh))
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != 64 {
		return nil, fmt.Errorf("the setting %s is damaged: delete it", settingViewKey)
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return &seal{gcm: gcm, mac: key[32:]}, err
}

// The kinds of views, their first byte.
const (
	viewShape  = 1
	viewDigest = 2
)

// make returns the view of a person who has what the reach lets read of the folder at rev.
func (s *seal) make(user havre.UserID, folder havre.FolderID, rev svn.Revnum, r *reach) string {
	plain := make([]byte, 0, 16+min(len(r.shape), maxShape))
	digest := r.digest()
	if len(r.shape) > maxShape {
		plain = append(binary.AppendUvarint(append(plain, viewDigest), uint64(rev)), digest[:]...)
	} else {
		plain = append(binary.AppendUvarint(append(plain, viewShape), uint64(rev)), r.shape...)
	}
	about := viewContext(user, folder)
	mac := hmac.New(sha256.New, s.mac)
	mac.Write(about)
	mac.Write(plain)
	nonce := mac.Sum(nil)[:s.gcm.NonceSize()]
	return base64.RawURLEncoding.EncodeToString(s.gcm.Seal(nonce, nonce, plain, about))
}

// viewContext is what a view is good for, and nothing else.
func viewContext(user havre.UserID, folder havre.FolderID) []byte {
	b := binary.AppendUvarint(nil, uint64(len(user)))
	return append(append(b, user...), folder...)
}

// open reads a view of the person and folder. What is not one is not told from one of somebody else.
func (s *seal) open(view string, user havre.UserID, folder havre.FolderID) (*sealed, bool) {
	if len(view) > maxView {
		return nil, false
	}
	b, err := base64.RawURLEncoding.DecodeString(view)
	if err != nil || len(b) < s.gcm.NonceSize() {
		return nil, false
	}
	n := s.gcm.NonceSize()
	plain, err := s.gcm.Open(nil, b[:n], b[n:], viewContext(user, folder))
	if err != nil || len(plain) == 0 {
		return nil, false
	}
	rev, length := binary.Uvarint(plain[1:])
	if length <= 0 || rev > 1<<62 {
		return nil, false
	}
	rest := plain[1+length:]
	v := &sealed{rev: svn.Revnum(rev)}
	switch {
	case plain[0] == viewDigest && len(rest) == sha256.Size:
		copy(v.digest[:], rest)
		return v, true
	case plain[0] == viewShape:
		r, ok := parseShape(string(rest))
		if !ok {
			return nil, false
		}
		v.reach, v.digest = r, r.digest()
		return v, true
	}
	return nil, false
}

// fits says whether what the caller may read is what the text, a view of the folder, says.
func (s *seal) fits(text string, user havre.UserID, v *view) bool {
	had, ok := s.open(text, user, v.folder.ID)
	return ok && had.digest == v.reach.digest()
}

func errRightsChanged() error {
	return havre.Errorf(havre.CodeRightsChanged, "what you may read here has just changed: it is listed anew")
}
