package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pquerna/otp/totp"
	"github.com/trustelem/zxcvbn"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// MinPassword is how many characters a password has at least.
const MinPassword = 10

// WeakPasswordError says why a password is not taken.
type WeakPasswordError struct {
	Short bool // fewer than MinPassword characters
	Long  bool // more than what is looked at
	Name  bool // much like the person's name or the server's
	Guess bool // among the first that a program would try
}

func (e *WeakPasswordError) Error() string { return e.said().String() }

func (e *WeakPasswordError) said() havre.Sentence {
	switch {
	case e.Short:
		return havre.Say("the password is too short: take %d characters or more", MinPassword)
	case e.Long:
		return havre.Say("the password is too long: take %d bytes or less", maxPassword)
	case e.Name:
		return havre.Say("the password is much like a name: take something else")
	default:
		return havre.Say("a program would guess this password soon: take several words that do not belong together")
	}
}

// Unwrap makes it a *havre.Error.
func (e *WeakPasswordError) Unwrap() error {
	return havre.ErrorSaying(havre.CodeInvalid, e.said())
}

// goodScore is that of zxcvbn, 0 to 4: 10^8 guesses and more.
const goodScore = 3

// CheckPassword returns a *WeakPasswordError for a password that is not to be taken by a person with
// these names.
func (h *Hub) CheckPassword(password string, names ...string) error {
	return checkNewPassword(password, append(slices.Clone(names), h.ServerName())...)
}

func checkNewPassword(password string, names ...string) error {
	if utf8.RuneCountInString(password) < MinPassword {
		return &WeakPasswordError{Short: true}
	}
	if len(password) > maxPassword {
		return &WeakPasswordError{Long: true}
	}
	names = append(slices.Clone(names), "havre")
	folded := strings.ToLower(password)
	for _, n := range names {
		if n = strings.ToLower(n); len(n) > 3 && strings.Contains(folded, n) && len(folded) < len(n)+6 {
			return &WeakPasswordError{Name: true}
		}
	}
	// zxcvbn takes time that grows with the square of the length and more; its verdict is clear long before.
	start := strings.ToValidUTF8(password[:min(len(password), 64)], "?")
	if distinct(start) < minDistinct || zxcvbn.PasswordStrength(start, names).Score < goodScore {
		return &WeakPasswordError{Guess: true}
	}
	return nil
}

// minDistinct is how many different characters a password has at least: zxcvbn finds the repetition of ASCII alone.
const minDistinct = 4

func distinct(text string) int {
	seen := map[rune]bool{}
	for _, r := range text {
		seen[r] = true
	}
	return len(seen)
}

// ChangePassword sets a new password for who is signed in and knows the present one, and signs the
// other browsers out.
func (h *Hub) ChangePassword(ctx context.Context, s *Session, present, password string) error {
	if err := h.confirm(ctx, s, present); err != nil {
		return err
	}
	if err := h.CheckPassword(password, s.User.Name, s.User.DisplayName); err != nil {
		return err
	}
	hash, err := h.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	defer h.access.forget()
	return full(h.store.SetPassword(ctx, s.actor(), s.User.ID, hash, s.ID))
}

// confirm fails unless the password is that of the person; failures count like those of signing in.
func (h *Hub) confirm(ctx context.Context, s *Session, password string) error {
	keys := failureKeys(s.User.Name, s.Address)
	if err := h.paused(ctx, keys); err != nil {
		return err
	}
	secrets, err := h.store.Secrets(ctx, s.User.ID)
	if err != nil {
		return err
	}
	good, err := h.passwords.check(ctx, password, secrets.PasswordHash)
	if err != nil {
		return err
	}
	if !good {
		return errors.Join(h.store.CountSignInFailure(ctx, keys.account, forgetFailure), errWrongPassword())
	}
	return h.store.ClearSignInFailures(ctx, keys.account)
}

func (s *Session) actor() store.Actor { return store.Actor{Name: s.User.Name, Address: s.Address} }

// Factor is a second factor that is being set up.
type Factor struct {
	Secret string // base32, for typing
	URL    string // for the QR code
}

// NewFactor proposes a second factor. Nothing is kept until EnableFactor.
func (h *Hub) NewFactor(s *Session) (*Factor, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: h.ServerName(), AccountName: s.User.Name, Period: totpPeriod})
	if err != nil {
		return nil, err
	}
	return &Factor{Secret: key.Secret(), URL: key.URL()}, nil
}

// recoveryCodes is how many codes a person gets for the day when the phone is lost.
const recoveryCodes = 10

// EnableFactor makes the secret the person's second factor, once a code shows that the app has it, and
// returns the recovery codes, which are not shown again.
func (h *Hub) EnableFactor(ctx context.Context, s *Session, secret, code string) ([]string, error) {
	step, ok := totpStep(secret, strings.ReplaceAll(code, " ", ""), h.now())
	if len(secret) < 16 || len(secret) > 128 || !ok {
		return nil, invalid("this code does not fit: look at the app once more, and at the clock of the phone")
	}
	codes, hashes := newRecoveryCodes()
	defer h.access.forget()
	return codes, full(h.store.SetTOTP(ctx, s.actor(), s.User.ID, secret, step, hashes))
}

func newRecoveryCodes() (codes, hashes []string) {
	for range recoveryCodes {
		c := strings.ToLower(rand.Text()[:10]) // 50 bits, each good once, tries are counted
		codes = append(codes, c[:5]+"-"+c[5:])
		hashes = append(hashes, hashSecret(c))
	}
	return codes, hashes
}

// DisableFactor takes the second factor away from who knows the password.
func (h *Hub) DisableFactor(ctx context.Context, s *Session, password string) error {
	if err := h.confirm(ctx, s, password); err != nil {
		return err
	}
	defer h.access.forget()
	return full(h.store.SetTOTP(ctx, s.actor(), s.User.ID, "", 0, nil))
}

// RecoveryCodesLeft returns how many recovery codes the person has.
func (h *Hub) RecoveryCodesLeft(ctx context.Context, s *Session) (int, error) {
	return h.store.RecoveryCodesLeft(ctx, s.User.ID)
}

// Sessions returns the browsers in which the person is signed in.
func (h *Hub) Sessions(ctx context.Context, s *Session) ([]store.Session, error) {
	return h.store.Sessions(ctx, s.User.ID)
}

// EndSession signs one of the person's browsers out.
func (h *Hub) EndSession(ctx context.Context, s *Session, id string) error {
	defer h.access.forget()
	return full(h.store.EndSession(ctx, s.actor(), s.User.ID, id))
}

// EndOtherSessions signs all of the person's browsers out but this one.
func (h *Hub) EndOtherSessions(ctx context.Context, s *Session) error {
	defer h.access.forget()
	return full(h.store.EndSessions(ctx, s.actor(), s.User.ID, s.ID))
}

// ChangeProfile changes how the person is called and reached.
func (h *Hub) ChangeProfile(ctx context.Context, s *Session, display, email string) error {
	defer h.access.forget()
	return full(h.store.ChangeUser(ctx, s.actor(), s.User.ID, func(u *store.User) { u.DisplayName, u.Email = display, email }))
}

// SetPreferences keeps what the person chose for the pages, as JSON.
func (h *Hub) SetPreferences(ctx context.Context, s *Session, preferences string) error {
	defer h.access.forget()
	return full(h.store.SetPreferences(ctx, s.User.ID, preferences))
}

// InvitationState is what a person who opens an invitation may know.
type InvitationState struct {
	User           store.User
	Expires        time.Time
	ChoosePassword bool // the person has none yet, or asked for a new one
	Device         bool // a device can still join with it
}

// Invitation looks at the invitation with the secret, for who comes from that address. Wrong ones
// count as failures of the address.
func (h *Hub) Invitation(ctx context.Context, secret, address string) (*InvitationState, error) {
	key := failureKeys("", address).address
	f, err := h.store.SignInFailures(ctx, key)
	if err != nil {
		return nil, err
	}
	if pause := pauseLeft(f, addressTries, addressPause, firstPause, h.now()); pause > 0 {
		return nil, havre.Errorf(havre.CodeUnavailable, "too many wrong invitations came from this address: try again later")
	}
	v, u, err := h.store.InvitationByHash(ctx, hashSecret(secret))
	if err != nil {
		if havre.CodeOf(err) == havre.CodeDenied {
			err = errors.Join(h.store.CountSignInFailure(ctx, key, forgetFailure), err)
		}
		return nil, err
	}
	return &InvitationState{
		User: u, Expires: v.Expires,
		ChoosePassword: !v.PasswordUsed && (v.Password || !u.Password),
		Device:         !v.Password && !v.DeviceUsed,
	}, nil
}

// Accept sets the password that the person with the invitation chose, and signs in.
func (h *Hub) Accept(ctx context.Context, secret, password, address, agent string) (string, *Session, error) {
	v, err := h.Invitation(ctx, secret, address)
	if err != nil {
		return "", nil, err
	}
	if err := h.CheckPassword(password, v.User.Name, v.User.DisplayName); err != nil {
		return "", nil, err
	}
	hash, err := h.passwords.hash(ctx, password)
	if err != nil {
		return "", nil, err
	}
	u, err := h.store.RedeemPassword(ctx, hashSecret(secret), hash)
	if err != nil {
		return "", nil, full(err)
	}
	h.access.forget()
	if u.SecondFactor {
		return "", nil, nil // signing in asks for it
	}
	return h.openSession(ctx, u, address, agent)
}

// Setup is what the person says who sets the server up.
type Setup struct {
	Code              string // as the server printed it
	Name, DisplayName string
	Email, Password   string
	Address, Agent    string
}

// NeedsSetup says whether the code that the server printed at its first start was not used yet.
func (h *Hub) NeedsSetup(ctx context.Context) (bool, error) {
	v, err := h.store.Setting(ctx, store.SettingSetupHash)
	return v != "", err
}

// setupKey counts wrong setup codes.
const setupKey = "setup"

// SetUp gives the administrator of the first start a name and a password, and signs in. The code is
// worthless afterwards. Wrong codes cost pauses.
func (h *Hub) SetUp(ctx context.Context, r Setup) (string, *Session, error) {
	f, err := h.store.SignInFailures(ctx, setupKey)
	if err != nil {
		return "", nil, err
	}
	if pause := pauseLeft(f, accountTries, addressPause, firstPause, h.now()); pause > 0 {
		return "", nil, denied("too many wrong codes: wait %v", pause)
	}
	want, err := h.store.Setting(ctx, store.SettingSetupHash)
	if err != nil {
		return "", nil, err
	}
	code := strings.ToUpper(strings.Map(func(c rune) rune {
		if c == '-' || c == ' ' {
			return -1
		}
		return c
	}, r.Code))
	if len(code) == 12 {
		code = code[:4] + "-" + code[4:8] + "-" + code[8:]
	}
	if want == "" || hashSecret(code) != want {
		return "", nil, errors.Join(denied("this is not the code that the server printed"),
			h.store.CountSignInFailure(ctx, setupKey, forgetFailure))
	}
	if err := h.CheckPassword(r.Password, r.Name, r.DisplayName); err != nil {
		return "", nil, err
	}
	hash, err := h.passwords.hash(ctx, r.Password)
	if err != nil {
		return "", nil, err
	}
	u, err := h.firstAdmin(ctx)
	if err != nil {
		return "", nil, err
	}
	by := store.Actor{Name: u.Name, Address: hostOf(r.Address)}
	if r.Name != "" && r.Name != u.Name {
		if err := h.store.RenameUser(ctx, by, u.ID, r.Name); err != nil {
			return "", nil, err
		}
	}
	err = h.store.ChangeUser(ctx, by, u.ID, func(n *store.User) { n.DisplayName, n.Email = r.DisplayName, r.Email })
	if err != nil {
		return "", nil, err
	}
	if err := h.store.SetPassword(ctx, by, u.ID, hash, ""); err != nil {
		return "", nil, full(err)
	}
	if err := h.store.SetSetting(ctx, store.SettingSetupHash, ""); err != nil {
		return "", nil, full(err)
	}
	h.access.forget()
	if u, err = h.store.User(ctx, u.ID); err != nil {
		return "", nil, err
	}
	return h.openSession(ctx, u, r.Address, r.Agent)
}

// firstAdmin returns the administrator of the first start.
func (h *Hub) firstAdmin(ctx context.Context) (store.User, error) {
	users, err := h.store.Users(ctx)
	if err != nil {
		return store.User{}, err
	}
	users = slices.DeleteFunc(users, func(u store.User) bool { return !u.IsAdmin() })
	if len(users) == 0 {
		return store.User{}, havre.Errorf(havre.CodeNotFound, "the server has no administrator: start it once more")
	}
	return slices.MinFunc(users, func(u, v store.User) int { return u.Created.Compare(v.Created) }), nil
}

// FirstAdminName returns the name that the setup page proposes.
func (h *Hub) FirstAdminName(ctx context.Context) (string, error) {
	u, err := h.firstAdmin(ctx)
	return u.Name, err
}

// FactorOf returns what NewFactor returned with that secret.
func (h *Hub) FactorOf(s *Session, secret string) *Factor {
	u := url.URL{
		Scheme: "otpauth", Host: "totp", Path: "/" + h.ServerName() + ":" + s.User.Name,
		RawQuery: url.Values{"secret": {secret}, "issuer": {h.ServerName()}}.Encode(),
	}
	return &Factor{Secret: secret, URL: u.String()}
}
