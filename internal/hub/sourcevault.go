package hub

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/source"
)

// vaultFile is beside the database and not in it, so that a copy of the database alone tells no secret.
const vaultFile = "sources.key"

// vault encrypts what is secret about sources: AES-256-GCM, with a random nonce before the ciphertext. The
// additional data says what a text belongs to, so that nothing sealed can be moved to another row.
type vault struct{ gcm cipher.AEAD }

// openVault reads the key, which is made if it is not there. A key that was lost cannot be replaced: what was
// sealed with it has to be given again.
func openVault(dir string) (*vault, error) {
	path := filepath.Join(dir, vaultFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = newVaultKey(path)
	}
	if err != nil {
		return nil, full(fmt.Errorf("the key of the sources' secrets: %w", err))
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s is damaged: bring it back from a backup, or delete it and give all secrets of sources again", path)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return &vault{gcm}, err
}

// newVaultKey makes the file as a whole. The lock of the data directory is held.
func newVaultKey(path string) ([]byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	f, err := os.CreateTemp(filepath.Dir(path), vaultFile+"-*")
	if err != nil {
		return nil, err
	}
	text := []byte(hex.EncodeToString(key) + "\n")
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return text, nil
}

// seal encrypts a value as JSON for what is named by about.
func (v *vault) seal(about string, value any) (string, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, v.gcm.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawStdEncoding.EncodeToString(v.gcm.Seal(nonce, nonce, plain, []byte(about))), nil
}

// open decrypts what seal made; nothing was sealed if it is empty.
func (v *vault) open(about, sealed string, into any) error {
	if sealed == "" {
		return nil
	}
	b, err := base64.RawStdEncoding.DecodeString(sealed)
	if n := v.gcm.NonceSize(); err == nil && len(b) >= n {
		var plain []byte
		if plain, err = v.gcm.Open(nil, b[:n], b[n:], []byte(about)); err == nil {
			return json.Unmarshal(plain, into)
		}
	}
	return source.Errorf(source.ReasonOurs, "the server cannot read the secrets of this backup any more, for its file %s is another one: give them again", vaultFile)
}

// plainSecrets are source.Secrets in a form that JSON shows. It only goes into the vault.
type plainSecrets struct {
	Address  string `json:"address,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Session  string `json:"session,omitempty"`
	APIKey   string `json:"key,omitempty"`
	Author   string `json:"author,omitempty"`
}

func revealed(s *source.Secrets) plainSecrets {
	return plainSecrets{
		Address: s.Address.Reveal(), User: s.User, Password: s.Password.Reveal(), Session: s.Session.Reveal(),
		APIKey: s.APIKey.Reveal(), Author: s.Author.Reveal(),
	}
}

func (p *plainSecrets) secrets() source.Secrets {
	return source.Secrets{
		Address: source.Secret(p.Address), User: p.User, Password: source.Secret(p.Password), Session: source.Secret(p.Session),
		APIKey: source.Secret(p.APIKey), Author: source.Secret(p.Author),
	}
}

// sealSecrets returns the secrets of a source encrypted, and which there are.
func (v *vault) sealSecrets(id SourceID, s *source.Secrets) (sealed, kinds string, err error) {
	kinds = strings.Join(secretKinds(s), " ")
	if kinds == "" {
		return "", "", nil
	}
	sealed, err = v.seal("source "+string(id), revealed(s))
	return sealed, kinds, err
}

func (v *vault) openSecrets(id SourceID, sealed string) (source.Secrets, error) {
	var p plainSecrets
	err := v.open("source "+string(id), sealed, &p)
	return p.secrets(), err
}

// secretKinds says which secrets there are.
func secretKinds(s *source.Secrets) []string {
	var kinds []string
	for _, k := range []struct {
		name string
		is   bool
	}{
		{"address", s.Address != ""},
		{"password", s.User != "" || s.Password != ""},
		{"session", s.Session != ""},
		{"key", s.APIKey != ""},
	} {
		if k.is {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// mergeSecrets returns the first with what the second has and it has not.
func mergeSecrets(first, second *source.Secrets) source.Secrets {
	s := *first
	if s.Address == "" {
		s.Address = second.Address
	}
	if s.User == "" && s.Password == "" {
		s.User, s.Password = second.User, second.Password
	}
	if s.Session == "" {
		s.Session = second.Session
	}
	if s.APIKey == "" {
		s.APIKey = second.APIKey
	}
	if s.Author == "" {
		s.Author = second.Author
	}
	return s
}

// sealedFound is what is kept of an address until it has become a source.
type sealedFound struct {
	Given      string           `json:"given"`
	Candidates []foundCandidate `json:"candidates,omitempty"` // the likeliest first
	Secrets    plainSecrets     `json:"secrets"`              // that a person gave besides
	At         time.Time        `json:"at"`
}

type foundCandidate struct {
	Address    source.Address    `json:"address"`
	Secrets    plainSecrets      `json:"secrets"`
	Likelihood source.Likelihood `json:"likelihood"`
}

func (f *foundCandidate) recognised(more *plainSecrets) source.Recognised {
	own, given := f.Secrets.secrets(), more.secrets()
	return source.Recognised{Address: f.Address, Secrets: mergeSecrets(&given, &own), Likelihood: f.Likelihood}
}

func candidatesOf(list []source.Recognised) []foundCandidate {
	list = slices.DeleteFunc(slices.Clone(list), func(r source.Recognised) bool { return r.Likelihood == source.Unlikely })
	slices.SortStableFunc(list, func(a, b source.Recognised) int { return int(b.Likelihood) - int(a.Likelihood) })
	var all []foundCandidate
	for i := range list {
		all = append(all, foundCandidate{list[i].Address, revealed(&list[i].Secrets), list[i].Likelihood})
	}
	return all
}
