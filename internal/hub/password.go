package hub

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/alexedwards/argon2id"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/svnaccounts"
)

// passwordCost are the parameters of argon2id: some 50 ms of one core and 46 MiB, the first choice
// of RFC 9106's "memory constrained" kind as OWASP states it for 46 MiB.
var passwordCost = argon2id.Params{Memory: 46 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// maxPassword is the length in bytes of a password that is looked at.
const maxPassword = 1024

func newHashing() *hashing { return &hashing{slots: make(chan struct{}, max(runtime.NumCPU(), 2))} }

// hash returns what the store keeps of a password.
func (p *hashing) hash(ctx context.Context, password string) (string, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return hashPassword(password)
}

func hashPassword(password string) (string, error) {
	h, err := argon2id.CreateHash(password, &passwordCost)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return h, nil
}

// check says whether the password has the hash. Without one it takes as long and is false.
func (p *hashing) check(ctx context.Context, password, hash string) (bool, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return checkPassword(password, hash)
}

// checkPassword is check for who has entered.
func checkPassword(password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		var err error
		if hash, err = onceDummy(); err != nil {
			return false, err
		}
	}
	if len(password) > maxPassword {
		return false, nil
	}
	if svnaccounts.Wrapped(hash) {
		return checkImported(password, hash)
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("check a password: %w", err)
	}
	return ok && known, nil
}

// checkImported is checkPassword for a hash from a file of another server. It takes as long as for one of ours, and
// a little more.
func checkImported(password, hash string) (bool, error) {
	compared := false
	ok, err := svnaccounts.CheckWrapped(password, hash, func(text, sealed string) (bool, error) {
		compared = true
		return argon2id.ComparePasswordAndHash(text, sealed)
	})
	if !compared && err == nil {
		dummy, dummyErr := onceDummy()
		if dummyErr != nil {
			return false, dummyErr
		}
		_, err = argon2id.ComparePasswordAndHash(password, dummy)
	}
	if err != nil {
		return false, fmt.Errorf("check an imported password: %w", err)
	}
	return ok, nil
}

// renewPassword puts our own hash of the password, which is right, into the place of one from another server.
func (h *Hub) renewPassword(ctx context.Context, user havre.UserID, password, old string) error {
	if !svnaccounts.Wrapped(old) {
		return nil
	}
	renewed, err := hashPassword(password)
	if err != nil {
		return err
	}
	return full(h.store.RenewPasswordHash(ctx, user, old, renewed))
}

// hashing bounds how many passwords are hashed at once: each takes memory and a core.
type hashing struct{ slots chan struct{} }

func (p *hashing) enter(ctx context.Context) (func(), error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var onceDummy = sync.OnceValues(func() (string, error) { return hashPassword(newSecret()) })
