package hub

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// sessionLife is how long a browser stays signed in.
const sessionLife = 12 * time.Hour

// Signing in may fail this often in a row before each further failure costs a pause, which doubles up
// to the longest. The few tries are those of an account from one network, so that who guesses from
// elsewhere does not keep the person out; an account from all networks together and an address, which
// an office shares, have more tries and shorter pauses. Who is signed in is never touched.
const (
	accountTries  = 5
	everyTries    = 50
	addressTries  = 30
	firstPause    = 5 * time.Minute
	longestPause  = time.Hour
	addressPause  = time.Minute
	forgetFailure = 24 * time.Hour
)

// Session is a person who is signed in with a browser.
type Session struct {
	ID      string // may be shown
	User    store.User
	Created time.Time
	Expires time.Time
	Address string
	// NeedsFactor: the person administers, but the server wants a second factor for that.
	NeedsFactor bool
}

// Caller is the person as the other methods of Hub want it.
func (s *Session) Caller() *havre.Caller {
	return &havre.Caller{User: s.User.ID, UserName: s.User.Name, Device: havre.WebDevice(s.User.ID), DeviceName: "web"}
}

// Admin says whether the person may administer the server in this session.
func (s *Session) Admin() bool { return s.User.IsAdmin() && !s.NeedsFactor }

// SignIn is what a person shows to come in: the name or the e-mail address and the password, and where
// there is a second factor, after that the ticket and the code.
type SignIn struct {
	Name, Password string
	Ticket         string // of SignInError, in the place of name and password
	Code           string // of the second factor, or a recovery code
	Address        string // HOST:PORT or HOST that the request came from
	Agent          string // what the browser calls itself
}

// SignInError is a refused sign-in. Its Err is a *havre.Error with the sentence for the person.
type SignInError struct {
	Err error
	// Ticket: the password was right, and the second factor is asked for. For a few minutes it
	// stands for name and password.
	Ticket string
	// Left is how many tries there are before a pause; 0 in one.
	Left int
	// Pause is how long nobody may try.
	Pause time.Duration
}

func (e *SignInError) Error() string { return e.Err.Error() }
func (e *SignInError) Unwrap() error { return e.Err }

// SignIn lets a person in and returns the token that the browser shows from then on. A refusal is a
// *SignInError, havre.CodeDenied; it takes as long for a name that does not exist.
func (h *Hub) SignIn(ctx context.Context, in SignIn) (string, *Session, error) {
	u, secrets, err := h.signingIn(ctx, &in)
	if err != nil {
		return "", nil, err
	}
	keys := failureKeys(in.Name, in.Address)
	if err := h.paused(ctx, keys); err != nil {
		return "", nil, err
	}
	leave, err := h.passwords.enter(ctx)
	if err != nil {
		return "", nil, err
	}
	defer leave()
	// Of those who waited here together, few may fail before the others are told to pause.
	if err := h.paused(ctx, keys); err != nil {
		return "", nil, err
	}
	if in.Ticket == "" {
		good, err := checkPassword(in.Password, secrets.PasswordHash)
		if err != nil {
			return "", nil, err
		}
		if !good || u.Closed(h.now()) {
			return "", nil, h.signInFailed(ctx, keys, in, havre.Say("the name or the password is wrong"))
		}
	}
	if secrets.TOTPSecret != "" {
		if err := h.signInFactor(ctx, &u, secrets, keys, in); err != nil {
			return "", nil, err
		}
	}
	if in.Ticket == "" {
		if err := h.renewPassword(ctx, u.ID, in.Password, secrets.PasswordHash); err != nil {
			return "", nil, err
		}
	}
	for _, key := range []string{keys.account, keys.everywhere} {
		if err := h.store.ClearSignInFailures(ctx, key); err != nil {
			return "", nil, full(err)
		}
	}
	return h.openSession(ctx, u, in.Address, in.Agent)
}

// signingIn returns whose account it is, an empty one if there is none, and puts its name into in.
func (h *Hub) signingIn(ctx context.Context, in *SignIn) (store.User, store.Secrets, error) {
	if in.Ticket != "" {
		u, secrets, err := h.ticketUser(ctx, in.Ticket)
		in.Name = u.Name
		return u, secrets, err
	}
	in.Name = strings.TrimSpace(in.Name)
	u, err := h.store.UserToSignIn(ctx, in.Name)
	if havre.CodeOf(err) == havre.CodeNotFound && err != nil {
		return store.User{}, store.Secrets{}, nil //nolint:nilerr // the password is looked at nevertheless
	}
	if err != nil {
		return store.User{}, store.Secrets{}, err
	}
	in.Name = u.Name
	secrets, err := h.store.Secrets(ctx, u.ID)
	return u, secrets, err
}

// signInFactor checks the second factor of who has shown the password.
func (h *Hub) signInFactor(ctx context.Context, u *store.User, secrets store.Secrets, keys failures, in SignIn) error {
	ticket, err := h.ticket(ctx, u.ID, secrets)
	if err != nil {
		return err
	}
	if in.Code == "" {
		return &SignInError{Err: denied("the code of the second factor is needed"), Ticket: ticket, Left: accountTries}
	}
	good, err := h.secondFactor(ctx, u.ID, secrets, in.Code)
	if err != nil || good {
		return full(err)
	}
	refused := h.signInFailed(ctx, keys, in, havre.Say("this code is wrong, or was used already"))
	if e, is := errors.AsType[*SignInError](refused); is {
		e.Ticket = ticket
	}
	return refused
}

// openSession signs a person in who has proved who it is.
func (h *Hub) openSession(ctx context.Context, u store.User, address, agent string) (string, *Session, error) {
	token := newSecret()
	by := store.Actor{Name: u.Name, Address: hostOf(address)}
	v, err := h.store.AddSession(ctx, by, hashSecret(token), store.Session{
		User: u.ID, Expires: h.now().Add(h.SessionLength(ctx)), Address: hostOf(address), Agent: agent,
	})
	if err != nil {
		return "", nil, full(err)
	}
	return token, newSession(*v, u), nil
}

func newSession(v store.Session, u store.User) *Session {
	return &Session{ID: v.ID, User: u, Created: v.Created, Expires: v.Expires, Address: v.Address}
}

// Session returns who shows the token: havre.CodeUnauthenticated if nobody does any more.
func (h *Hub) Session(ctx context.Context, token string) (*Session, error) {
	if token == "" {
		return nil, havre.Errorf(havre.CodeUnauthenticated, "you are not signed in")
	}
	s, err := h.access.session(ctx, hashSecret(token), h.now())
	if err != nil {
		return nil, err
	}
	if h.mustTouch(havre.DeviceID("session-"+s.ID), time.Now()) {
		if err := h.store.TouchSession(ctx, s.ID); err != nil {
			h.log.LogAttrs(ctx, slog.LevelWarn, "last contact not recorded", slog.String("session", s.ID), slog.Any("error", err))
		}
	}
	return s, nil
}

// SignOut ends the session.
func (h *Hub) SignOut(ctx context.Context, s *Session) error {
	defer h.access.forget()
	return full(h.store.EndSession(ctx, store.Actor{Name: s.User.Name, Address: s.Address}, s.User.ID, s.ID))
}

// secondFactor says whether the code is one of now, or a recovery code; either is good once.
func (h *Hub) secondFactor(ctx context.Context, user havre.UserID, secrets store.Secrets, code string) (bool, error) {
	code = strings.ToLower(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, code))
	if step, ok := totpStep(secrets.TOTPSecret, code, h.now()); ok {
		return h.store.UseTOTPStep(ctx, user, step)
	}
	return h.store.UseRecoveryCode(ctx, user, hashSecret(code))
}

// The parameters that all authenticator apps assume (RFC 6238): SHA-1, 6 digits, 30 seconds.
const totpPeriod = 30

var totpOptions = totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// totpStep returns the time step that the code belongs to: that of now or one beside it.
func totpStep(secret, code string, now time.Time) (int64, bool) {
	for d := int64(-1); d <= 1; d++ {
		at := now.Add(time.Duration(d) * totpPeriod * time.Second)
		if ok, err := totp.ValidateCustom(code, secret, at, totpOptions); err == nil && ok {
			return at.Unix() / totpPeriod, true
		}
	}
	return 0, false
}

// failures are the keys by which failed sign-ins are counted: of the account from this network, of the
// account from everywhere, and of the network.
type failures struct{ account, everywhere, address string }

func failureKeys(name, address string) failures {
	k := failures{everywhere: "user " + store.NameKey(store.ShortName(name)), address: "net " + networkOf(address)}
	k.account = k.everywhere + " " + k.address
	return k
}

// hostOf returns the address without its port.
func hostOf(address string) string {
	if ap, err := netip.ParseAddrPort(address); err == nil {
		return ap.Addr().Unmap().WithZone("").String()
	}
	return address
}

// networkOf returns what failures are counted by: an IPv4 address, or the /64 that one IPv6 host chooses
// its addresses from.
func networkOf(address string) string {
	a, err := netip.ParseAddr(hostOf(address))
	if err != nil {
		return ""
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// signInPause returns how long the account or the address has to wait.
func (h *Hub) signInPause(ctx context.Context, k failures) (time.Duration, error) {
	now, pause := h.now(), time.Duration(0)
	for _, of := range []struct {
		key            string
		tries          int
		first, longest time.Duration
	}{
		{k.account, accountTries, firstPause, longestPause},
		{k.everywhere, everyTries, addressPause, firstPause},
		{k.address, addressTries, addressPause, firstPause},
	} {
		f, err := h.store.SignInFailures(ctx, of.key)
		if err != nil {
			return 0, err
		}
		pause = max(pause, pauseLeft(f, of.tries, of.first, of.longest, now))
	}
	return pause, nil
}

// paused refuses who has to wait.
func (h *Hub) paused(ctx context.Context, k failures) error {
	pause, err := h.signInPause(ctx, k)
	if err == nil && pause > 0 {
		err = &SignInError{Err: denied("too many tries: wait %v", pause), Pause: pause}
	}
	return err
}

// pauseLeft returns what is left of the pause after f, which doubles with each failure beyond tries.
func pauseLeft(f store.Failures, tries int, first, longest time.Duration, now time.Time) time.Duration {
	if f.Count < tries || now.Sub(f.LastAt) > forgetFailure {
		return 0
	}
	pause := longest
	if beyond := f.Count - tries; beyond < 10 {
		pause = min(first<<beyond, longest)
	}
	return max(pause-now.Sub(f.LastAt), 0).Round(time.Second)
}

// signInFailed counts the failure and returns the refusal.
func (h *Hub) signInFailed(ctx context.Context, k failures, in SignIn, why havre.Sentence) error {
	for _, key := range []string{k.account, k.everywhere, k.address} {
		if err := h.store.CountSignInFailure(ctx, key, forgetFailure); err != nil {
			return full(err)
		}
	}
	name := store.ShortName(in.Name)
	if err := h.store.Record(ctx, store.AuditEntry{
		Actor: name, Action: "session.refuse", Subject: name, Address: hostOf(in.Address),
	}); err != nil {
		return full(err)
	}
	f, err := h.store.SignInFailures(ctx, k.account)
	if err != nil {
		return err
	}
	pause, err := h.signInPause(ctx, k)
	if err != nil {
		return err
	}
	return &SignInError{Err: havre.ErrorSaying(havre.CodeDenied, why), Left: max(accountTries-f.Count, 0), Pause: pause}
}

func denied(format string, args ...any) error {
	return havre.Errorf(havre.CodeDenied, format, args...)
}

// session returns the session whose token has the hash.
func (a *access) session(ctx context.Context, hash string, now time.Time) (*Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(ctx); err != nil {
		return nil, err
	}
	if s, ok := a.sessions[hash]; ok {
		if !now.Before(s.Expires) || s.User.Closed(now) {
			return nil, havre.Errorf(havre.CodeUnauthenticated, "you are signed out: sign in again")
		}
		return s, nil
	}
	v, u, err := a.store.SessionByToken(ctx, hash)
	if err != nil {
		return nil, err
	}
	s := newSession(v, u)
	if u.IsAdmin() && !u.SecondFactor {
		required, err := a.store.Setting(ctx, store.SettingFactor)
		if err != nil {
			return nil, err
		}
		s.NeedsFactor = required == "yes"
	}
	a.sessions[hash] = s
	return s, nil
}
