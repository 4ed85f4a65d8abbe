package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/havre-cloud/havre/internal/source"
)

// backupRecord is what is remembered of one document in a directory of copies. It holds no secrets.
type backupRecord struct {
	source.Item

	// Candidates are what the address could be, as long as nobody has answered who could tell.
	Candidates []source.Address `json:"candidates,omitempty"`
	// Dropped is why it is not looked at any more though it stands in a file; such a record is never written.
	dropped string
	// From is the collection that listed the document.
	From string `json:"from,omitempty"`

	explicit bool
}

func (r *backupRecord) id() string {
	sum := sha256.Sum256([]byte(r.Address.URL))
	return hex.EncodeToString(sum[:10])
}

// backupState is what a directory of copies remembers, one file for each document, so that a thousand unchanged
// documents are not written again because of one.
type backupState struct {
	dir *source.Directory
}

const (
	backupItems   = source.OwnDir + "/documents"
	backupBudgets = source.OwnDir + "/instances.json"
	backupFormat  = source.OwnDir + "/format"
	formatOne     = "havre backup 1\n"
)

// isBackup says what is wrong with a directory whose documents are to be brought up to date.
func isBackup(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, source.OwnDir)); err != nil {
		return &backupError{exitUsage, fmt.Sprintf("nothing is saved in %s yet: give the addresses of pads, polls or sheets before the directory", shown(dir))}
	}
	return nil
}

// open makes what is missing and refuses what a later version wrote.
func (s *backupState) open() error {
	root := s.dir.Root()
	if err := root.MkdirAll(backupItems, 0o777); err != nil {
		return fmt.Errorf("make %s: %w", backupItems, err)
	}
	format, err := root.ReadFile(backupFormat)
	if errors.Is(err, fs.ErrNotExist) {
		return s.dir.WriteFile(backupFormat, []byte(formatOne))
	}
	if err != nil {
		return fmt.Errorf("read the format of the backup: %w", err)
	}
	if string(format) != formatOne {
		return fmt.Errorf("the backup was made by another version of havre (%s)", shown(strings.TrimSpace(string(format[:min(len(format), 40)]))))
	}
	return nil
}

// load returns all records.
func (s *backupState) load() ([]*backupRecord, error) {
	root := s.dir.Root()
	entries, err := fs.ReadDir(root.FS(), backupItems)
	if err != nil {
		return nil, fmt.Errorf("read what is saved: %w", err)
	}
	var records []*backupRecord
	for _, e := range entries {
		data, err := root.ReadFile(path.Join(backupItems, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read what is saved: %w", err)
		}
		r := &backupRecord{}
		if err := json.Unmarshal(data, r); err != nil || r.id()+".json" != e.Name() {
			return nil, fmt.Errorf("%s is damaged: remove it, and the document is saved anew when its address is given", filepath.Join(root.Name(), backupItems, e.Name()))
		}
		r.explicit = true // the others are not written
		records = append(records, r)
	}
	return records, nil
}

// save writes a record.
func (s *backupState) save(r *backupRecord) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("note what was saved: %w", err)
	}
	return s.dir.WriteFile(path.Join(backupItems, r.id()+".json"), append(data, '\n'))
}

// remove removes a record.
func (s *backupState) remove(r *backupRecord) error {
	err := s.dir.Root().Remove(path.Join(backupItems, r.id()+".json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget a document: %w", err)
	}
	return nil
}

// budgets returns what an earlier run learned of instances.
func (s *backupState) budgets() map[string]source.Budget {
	list := map[string]source.Budget{}
	data, err := s.dir.Root().ReadFile(backupBudgets)
	if err != nil || json.Unmarshal(data, &list) != nil {
		return nil // it is learned again
	}
	return list
}

func (s *backupState) saveBudgets(list map[string]source.Budget) error {
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("note what instances take: %w", err)
	}
	return s.dir.WriteFile(backupBudgets, data)
}

// secretStore keeps the secrets of documents in the person's configuration directory, each encrypted (AES-GCM) in a file
// of its own whose name tells nothing. The key lies beside them, readable by the person only: what is copied or
// synchronised of the documents' directory has neither.
//
// It is safe for concurrent use.
type secretStore struct {
	dir string

	mu  sync.Mutex // guards key, and that what is read and written again is not written by others meanwhile
	key []byte
}

// storedSecrets is source.Secrets as it is encrypted.
type storedSecrets struct {
	Address, User, Password, Session, APIKey, Author string
}

// openSecrets opens the store; nothing is made before the first secret.
func openSecrets(dir string) *secretStore { return &secretStore{dir: dir} }

// open reads the key, or makes one. The caller holds the lock.
func (s *secretStore) open(create bool) error {
	if s.key != nil {
		return nil
	}
	name := filepath.Join(s.dir, "key")
	key, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return fmt.Errorf("make a place for secrets: %w", err)
		}
		key = make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("make the key for secrets: %w", err)
		}
		_, err = f.Write(key)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return errors.Join(fmt.Errorf("make the key for secrets: %w", err), os.Remove(name))
		}
	} else if err != nil {
		return err
	}
	if len(key) != 32 {
		return fmt.Errorf("%s is damaged", name)
	}
	s.key = key
	return nil
}

// file returns the name of the file for an address.
func (s *secretStore) file(address string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(address))
	return filepath.Join(s.dir, hex.EncodeToString(h.Sum(nil)[:16]))
}

// get returns the secrets of an address, empty if there are none.
func (s *secretStore) get(address string) (source.Secrets, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read(address)
}

func (s *secretStore) read(address string) (source.Secrets, error) {
	if err := s.open(false); errors.Is(err, fs.ErrNotExist) {
		return source.Secrets{}, nil
	} else if err != nil {
		return source.Secrets{}, fmt.Errorf("read secrets: %w", err)
	}
	data, err := os.ReadFile(s.file(address))
	if errors.Is(err, fs.ErrNotExist) {
		return source.Secrets{}, nil
	} else if err != nil {
		return source.Secrets{}, fmt.Errorf("read secrets: %w", err)
	}
	aead, err := s.aead()
	if err != nil {
		return source.Secrets{}, err
	}
	plain, err := aead.Open(nil, nil, data, []byte(address))
	var v storedSecrets
	if err == nil {
		err = json.Unmarshal(plain, &v)
	}
	if err != nil {
		return source.Secrets{}, fmt.Errorf("the secrets in %s cannot be decrypted", s.file(address))
	}
	return source.Secrets{
		Address: source.Secret(v.Address), User: v.User, Password: source.Secret(v.Password), Session: source.Secret(v.Session),
		APIKey: source.Secret(v.APIKey), Author: source.Secret(v.Author),
	}, nil
}

// put keeps the secrets of an address; empty ones are not kept.
func (s *secretStore) put(address string, v source.Secrets) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(address, v)
}

func (s *secretStore) write(address string, v source.Secrets) error {
	if v == (source.Secrets{}) {
		return nil
	}
	if err := s.open(true); err != nil {
		return err
	}
	plain, err := json.Marshal(storedSecrets{
		Address: v.Address.Reveal(), User: v.User, Password: v.Password.Reveal(), Session: v.Session.Reveal(),
		APIKey: v.APIKey.Reveal(), Author: v.Author.Reveal(),
	})
	if err != nil {
		return fmt.Errorf("keep secrets: %w", err)
	}
	aead, err := s.aead()
	if err != nil {
		return err
	}
	name := s.file(address)
	temp := name + ".new"
	if err := os.WriteFile(temp, aead.Seal(nil, nil, plain, []byte(address)), 0o600); err != nil { //nolint:gosec // Seal makes the nonce
		return fmt.Errorf("keep secrets: %w", err)
	}
	if err := os.Rename(temp, name); err != nil {
		return fmt.Errorf("keep secrets: %w", err)
	}
	return nil
}

func (s *secretStore) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.key)
	if err != nil {
		return nil, fmt.Errorf("encrypt secrets: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("encrypt secrets: %w", err)
	}
	return aead, nil
}

// author returns the token with which documents of an instance are followed, always the same: to their
// people it is one silent reader.
func (s *secretStore) author(instance string) (source.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := "author of " + instance
	v, err := s.read(key)
	if err != nil || v.Author != "" {
		return v.Author, err
	}
	random := make([]byte, 15)
	_, _ = rand.Read(random) // it never fails
	v.Author = source.Secret("t." + base64.RawURLEncoding.EncodeToString(random))
	return v.Author, s.write(key, v)
}
