package svnaccounts

import (
	"crypto/sha1" //nolint:gosec // what htpasswd -s writes
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/GehirnInc/crypt"
	"github.com/GehirnInc/crypt/apr1_crypt"
	"github.com/GehirnInc/crypt/md5_crypt"
	"github.com/GehirnInc/crypt/sha256_crypt"
	"github.com/GehirnInc/crypt/sha512_crypt"
	"golang.org/x/crypto/bcrypt"
)

// What checking one password may cost: whoever wrote the file chose the numbers, and everybody may ask for a check.
const (
	maxBcryptCost  = 14      // some 1 s
	maxCryptRounds = 400_000 // some 0.3 s
)

// Kinds of hashes in files of htpasswd. bcrypt is the only one that nobody can compute from outside with a given salt.
var (
	isBcrypt = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./0-9A-Za-z]{53}$`)
	isSHA1   = regexp.MustCompile(`^\{SHA\}[+/0-9A-Za-z]{27}=$`)
	isMD5    = regexp.MustCompile(`^\$(apr1|1)\$[^$:]{1,8}\$[./0-9A-Za-z]{22}$`)
	isSHA2   = regexp.MustCompile(`^\$([56])\$(rounds=([0-9]{1,9})\$)?[^$:]{1,16}\$([./0-9A-Za-z]+)$`)
)

// whyNot says why a password with the hash cannot be checked, "" if it can.
func whyNot(hash string) string {
	switch {
	case isSHA1.MatchString(hash), isMD5.MatchString(hash):
		return ""
	case isBcrypt.MatchString(hash):
		cost, err := strconv.Atoi(isBcrypt.FindStringSubmatch(hash)[1])
		if err != nil || cost < bcrypt.MinCost || cost > maxBcryptCost {
			return "its bcrypt hash costs too much to check"
		}
		return ""
	case isSHA2.MatchString(hash):
		m := isSHA2.FindStringSubmatch(hash)
		if m[3] != "" {
			// Rounds outside of the bounds are not those that the hash was made with.
			if n, err := strconv.Atoi(m[3]); err != nil || n < 1000 || n > maxCryptRounds {
				return "its hash costs too much to check"
			}
		}
		if want := map[string]int{"5": 43, "6": 86}[m[1]]; len(m[4]) != want {
			return "its hash is damaged"
		}
		return ""
	case len(hash) == 13:
		return "it is of the old crypt, which looks at the first eight letters of a password only"
	default:
		return "the kind of its hash is unknown"
	}
}

// ErrHash is for a hash that Sealed did not take.
var ErrHash = errors.New("unknown kind of password hash")

// Wrap returns what is kept of a hash from a file until the person comes for the first time. seal makes a strong hash
// of a text; it is used for those kinds that a stolen database must not hold: they are quick to guess.
// CheckWrapped knows the result by its beginning.
func Wrap(hash string, seal func(string) (string, error)) (string, error) {
	if whyNot(hash) != "" {
		return "", ErrHash
	}
	if isBcrypt.MatchString(hash) {
		return wrapped + hash, nil
	}
	sealed, err := seal(hash)
	if err != nil {
		return "", err
	}
	return wrapped + settingOf(hash) + separator + sealed, nil
}

const (
	wrapped   = "imported:"
	separator = "|" // in no setting: see the kinds
)

// Wrapped says whether CheckWrapped is for the hash.
func Wrapped(hash string) bool { return strings.HasPrefix(hash, wrapped) }

// settingOf returns what of a hash is not the digest.
func settingOf(hash string) string {
	if isSHA1.MatchString(hash) {
		return "{SHA}"
	}
	return hash[:strings.LastIndexByte(hash, '$')]
}

// CheckWrapped says whether the password is the one whose hash Wrap was given. check is the inverse of Wrap's seal.
func CheckWrapped(password, kept string, check func(text, sealed string) (bool, error)) (bool, error) {
	rest, ok := strings.CutPrefix(kept, wrapped)
	if !ok {
		return false, ErrHash
	}
	if isBcrypt.MatchString(rest) {
		// Apache looks at the first 72 bytes; the library refuses more.
		err := bcrypt.CompareHashAndPassword([]byte(rest), []byte(password[:min(len(password), 72)]))
		if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			return false, nil
		}
		return err == nil, err
	}
	setting, sealed, ok := strings.Cut(rest, separator)
	if !ok {
		return false, ErrHash
	}
	text, err := hashAs(setting, password)
	if err != nil {
		return false, err
	}
	return check(text, sealed)
}

// hashAs returns the line of htpasswd for the password.
func hashAs(setting, password string) (string, error) {
	if setting == "{SHA}" {
		sum := sha1.Sum([]byte(password)) //nolint:gosec // see above
		return "{SHA}" + base64.StdEncoding.EncodeToString(sum[:]), nil
	}
	var c crypt.Crypter
	switch {
	case strings.HasPrefix(setting, apr1_crypt.MagicPrefix):
		c = apr1_crypt.New()
	case strings.HasPrefix(setting, md5_crypt.MagicPrefix):
		c = md5_crypt.New()
	case strings.HasPrefix(setting, sha256_crypt.MagicPrefix):
		c = sha256_crypt.New()
	case strings.HasPrefix(setting, sha512_crypt.MagicPrefix):
		c = sha512_crypt.New()
	default:
		return "", ErrHash
	}
	return c.Generate([]byte(password), []byte(setting))
}

// SameHash says whether the password has a hash as a file has it.
func SameHash(password, hash string) bool {
	if whyNot(hash) != "" {
		return false
	}
	kept, err := Wrap(hash, func(s string) (string, error) { return s, nil })
	if err != nil {
		return false
	}
	ok, err := CheckWrapped(password, kept, func(text, sealed string) (bool, error) {
		return subtle.ConstantTimeCompare([]byte(text), []byte(sealed)) == 1, nil
	})
	return ok && err == nil
}
