package hub

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// doorWorld is a server with a clock that the test moves, where tom has a password.
type doorWorld struct {
	*Hub
	t   *testing.T
	dir string
	mu  sync.Mutex
	at  time.Time
}

const (
	home       = "203.0.113.7:4711"
	elsewhere  = "198.51.100.9:4711"
	goodPhrase = "correct horse battery staple"
)

func newDoor(t *testing.T) *doorWorld {
	t.Helper()
	w := &doorWorld{t: t, dir: t.TempDir(), at: time.Now().Truncate(time.Second)}
	w.open()
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	ok(w.Admin(store.Console).AddUser(t.Context(), store.NewUser{Name: "maelle", Role: store.RoleAdmin}))(t)
	ok(w.Admin(store.Console).AddUser(t.Context(), store.NewUser{Name: "tom", Email: "Tom@example.org", Role: store.RoleMember}))(t)
	w.password("tom", goodPhrase)
	return w
}

func (w *doorWorld) open() {
	w.t.Helper()
	w.Hub = ok(Open(w.t.Context(), w.dir, Options{ServerName: "test", Version: "test", Now: w.clock}))(w.t)
}

func (w *doorWorld) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *doorWorld) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// password lets a person choose a password by an invitation.
func (w *doorWorld) password(name, password string) {
	w.t.Helper()
	inv := ok(w.Admin(store.Console).InvitePassword(w.t.Context(), name))(w.t)
	if _, _, err := w.Accept(w.t.Context(), inv.Secret, password, home, "test"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *doorWorld) signIn(name, password, from string) (string, *Session, error) {
	return w.SignIn(w.t.Context(), SignIn{Name: name, Password: password, Address: from, Agent: "test"})
}

// must signs in.
func (w *doorWorld) must(name, password, from string) (string, *Session) {
	w.t.Helper()
	token, s, err := w.signIn(name, password, from)
	if err != nil {
		w.t.Fatal(err)
	}
	return token, s
}

// refused returns why a sign-in was refused.
func refused(t *testing.T, err error) *SignInError {
	t.Helper()
	e, is := errors.AsType[*SignInError](err)
	if !is {
		t.Fatalf("%v, want a refusal", err)
	}
	return e
}

func TestSignIn(t *testing.T) {
	w := newDoor(t)
	for _, name := range []string{"tom", "TOM", " tom ", "tom@EXAMPLE.org"} {
		token, s := w.must(name, goodPhrase, home)
		if s.User.Name != "tom" || s.Admin() || s.Caller().Device != havre.WebDevice(s.User.ID) {
			t.Errorf("%q signed in as %+v", name, s)
		}
		if got := ok(w.Session(t.Context(), token))(t); got.ID != s.ID {
			t.Errorf("session %s, want %s", got.ID, s.ID)
		}
	}
	for _, row := range [][2]string{{"tom", "wrong"}, {"tom", ""}, {"nobody", goodPhrase}, {"maelle", ""}, {"", ""}, {"tom", strings.Repeat("x", 1<<20)}} {
		_, _, err := w.signIn(row[0], row[1], elsewhere)
		wantCode(t, err, havre.CodeDenied)
	}
	_, err := w.Session(t.Context(), "nonsense")
	wantCode(t, err, havre.CodeUnauthenticated)
}

func TestEveryTokenIsNew(t *testing.T) {
	w := newDoor(t)
	first, s := w.must("tom", goodPhrase, home)
	second, _ := w.must("tom", goodPhrase, home)
	if first == second || len(first) < 50 {
		t.Errorf("tokens %q and %q", first, second)
	}
	if err := w.SignOut(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	_, err := w.Session(t.Context(), first)
	wantCode(t, err, havre.CodeUnauthenticated)
	ok(w.Session(t.Context(), second))(t)
}

func TestSessionEnds(t *testing.T) {
	ctx := t.Context()
	for _, row := range []struct {
		name string
		do   func(*doorWorld, *Session) error
	}{
		{"after its time", func(w *doorWorld, _ *Session) error { w.pass(sessionLife); return nil }},
		{"by the person", func(w *doorWorld, s *Session) error { return w.EndSession(ctx, s, s.ID) }},
		{"from another browser", func(w *doorWorld, s *Session) error {
			_, other := w.must("tom", goodPhrase, home)
			return w.EndOtherSessions(ctx, other)
		}},
		{"with the password", func(w *doorWorld, _ *Session) error {
			_, other := w.must("tom", goodPhrase, home)
			return w.ChangePassword(ctx, other, goodPhrase, "three odd marmots whistle")
		}},
		{"with the account closed", func(w *doorWorld, _ *Session) error {
			return w.Admin(store.Console).SetUserDisabled(ctx, "tom", true)
		}},
		{"with the account deleted", func(w *doorWorld, _ *Session) error { return w.Admin(store.Console).DeleteUser(ctx, "tom") }},
		{"with the account expired", func(w *doorWorld, s *Session) error {
			at := w.clock().Add(time.Hour)
			err := w.Admin(store.Console).ChangeUser(ctx, "tom", func(u *store.User) { u.Expires = at })
			w.pass(2 * time.Hour)
			return err
		}},
		{"by an administrator", func(w *doorWorld, _ *Session) error { return w.Admin(store.Console).EndSessions(ctx, "tom") }},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newDoor(t)
			token, s := w.must("tom", goodPhrase, home)
			ok(w.Session(ctx, token))(t)
			if err := row.do(w, s); err != nil {
				t.Fatal(err)
			}
			_, err := w.Session(ctx, token)
			wantCode(t, err, havre.CodeUnauthenticated)
		})
	}
}

func TestDisabledSessionsStayEnded(t *testing.T) {
	w := newDoor(t)
	token, _ := w.must("tom", goodPhrase, home)
	for _, disabled := range []bool{true, false} {
		if err := w.Admin(store.Console).SetUserDisabled(t.Context(), "tom", disabled); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Session(t.Context(), token)
	wantCode(t, err, havre.CodeUnauthenticated)
}

func TestGuessing(t *testing.T) {
	w := newDoor(t)
	token, _ := w.must("tom", goodPhrase, home)
	for left := accountTries - 1; left > 0; left-- {
		_, _, err := w.signIn("tom", "guess", elsewhere)
		if e := refused(t, err); e.Left != left || e.Pause != 0 {
			t.Errorf("%d tries left and a pause of %v, want %d and none", e.Left, e.Pause, left)
		}
	}
	_, _, err := w.signIn("Tom", "guess", elsewhere)
	if e := refused(t, err); e.Left != 0 || e.Pause != firstPause {
		t.Errorf("%d tries left and a pause of %v, want %v", e.Left, e.Pause, firstPause)
	}
	// The right password does not help in a pause, a restart forgives nothing, an address is no other name.
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	for _, name := range []string{"tom", "tom@example.org"} {
		_, _, err = w.signIn(name, goodPhrase, elsewhere)
		if e := refused(t, err); e.Pause == 0 {
			t.Errorf("%s: no pause", name)
		}
	}
	// The person is not kept out from where he is, and who is signed in stays.
	w.must("tom", goodPhrase, home)
	ok(w.Session(t.Context(), token))(t)
	w.pass(firstPause)
	_, _, err = w.signIn("tom", "guess", elsewhere)
	if e := refused(t, err); e.Pause != 2*firstPause {
		t.Errorf("the second pause is %v, want %v", e.Pause, 2*firstPause)
	}
	w.pass(2 * firstPause)
	w.must("tom", goodPhrase, elsewhere)
	_, _, err = w.signIn("tom", "guess", elsewhere)
	if e := refused(t, err); e.Left != accountTries-1 {
		t.Errorf("%d tries left after a success, want %d", e.Left, accountTries-1)
	}
}

// TestGuessingAtOnce: those who come together get no more tries than those who come one by one, but for
// the few that are hashed at the same time.
func TestGuessingAtOnce(t *testing.T) {
	w := newDoor(t)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() { _, _, _ = w.signIn("tom", "guess", elsewhere) })
	}
	wg.Wait()
	f := ok(w.store.SignInFailures(t.Context(), failureKeys("tom", elsewhere).account))(t)
	if most := accountTries + cap(w.passwords.slots); f.Count > most {
		t.Errorf("%d passwords were looked at, want %d at most", f.Count, most)
	}
}

func TestGuessingNames(t *testing.T) {
	w := newDoor(t)
	var pause time.Duration
	tries := 0
	for ; pause == 0 && tries < 2*addressTries; tries++ {
		_, _, err := w.signIn("name"+strings.Repeat("x", tries), "guess", elsewhere)
		pause = refused(t, err).Pause
	}
	if tries != addressTries {
		t.Errorf("%d names were tried from one address, want %d", tries, addressTries)
	}
	w.must("tom", goodPhrase, home)
	// Nobody is kept out for good.
	w.pass(firstPause)
	w.must("tom", goodPhrase, elsewhere)
}

// TestUnknownNamesTakeAsLong compares what is done, which is a hash each time.
func TestUnknownNamesTakeAsLong(t *testing.T) {
	w := newDoor(t)
	took := func(name string) time.Duration {
		start := time.Now()
		_, _, err := w.signIn(name, "guess", home)
		refused(t, err)
		w.pass(time.Hour) // the delays after wrong passwords are over
		return time.Since(start)
	}
	// Other programs make a sign-in take longer, and never shorter: the shortest of each is compared.
	known, unknown := took("tom"), took("nobody")
	alike := func() bool { return known < 2*unknown && unknown < 2*known }
	for i := 0; i < 4 || i < 100 && !alike(); i++ {
		known, unknown = min(known, took("tom")), min(unknown, took("nobody"))
	}
	if !alike() {
		t.Errorf("a known name takes %v, an unknown one %v", known, unknown)
	}
}

func TestSecondFactor(t *testing.T) {
	w := newDoor(t)
	ctx := t.Context()
	_, s := w.must("tom", goodPhrase, home)
	f := ok(w.NewFactor(s))(t)
	code := func(d time.Duration) string { return ok(totp.GenerateCode(f.Secret, w.clock().Add(d)))(t) }
	_, err := w.EnableFactor(ctx, s, f.Secret, "000000x")
	wantCode(t, err, havre.CodeInvalid)
	codes := ok(w.EnableFactor(ctx, s, f.Secret, code(0)))(t)
	if len(codes) != recoveryCodes {
		t.Fatalf("%d recovery codes, want %d", len(codes), recoveryCodes)
	}
	ticket := func() string {
		t.Helper()
		_, _, err := w.signIn("tom", goodPhrase, home)
		e := refused(t, err)
		if e.Ticket == "" {
			t.Fatal("the password alone is refused")
		}
		return e.Ticket
	}
	try := func(ticket, code string) error {
		_, _, err := w.SignIn(ctx, SignIn{Ticket: ticket, Code: code, Address: home})
		return err
	}
	// The code that turned it on is used already.
	tick := ticket()
	refused(t, try(tick, code(0)))
	w.pass(totpPeriod * time.Second)
	if err := try(tick, code(0)); err != nil {
		t.Errorf("a good code: %v", err)
	}
	refused(t, try(tick, code(0))) // a replay
	refused(t, try(tick, code(-totpPeriod*time.Second)))
	if err := try(tick, code(totpPeriod*time.Second)); err != nil {
		t.Errorf("the code of a clock that is 30 s ahead: %v", err)
	}
	// Recovery codes, once each, however they are typed.
	if err := try(ticket(), strings.ToUpper(strings.ReplaceAll(codes[0], "-", " "))); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	refused(t, try(ticket(), codes[0]))
	if left := ok(w.RecoveryCodesLeft(ctx, s))(t); left != recoveryCodes-1 {
		t.Errorf("%d recovery codes left", left)
	}
	// Tickets: of somebody else, forged, old, after a change of the password.
	for _, bad := range []string{"", ".", "..", tick + "0", strings.Replace(tick, ".", "x.", 1), "x." + tick} {
		if err := try(bad, codes[1]); err == nil {
			t.Errorf("the ticket %q was taken", bad)
		}
	}
	tick = ticket()
	w.pass(ticketLife + time.Second)
	refused(t, try(tick, codes[1]))
	tick = ticket()
	w.password("tom", "three odd marmots whistle")
	refused(t, try(tick, codes[1]))
}

func TestCodesAreGuessedNoFaster(t *testing.T) {
	w := newDoor(t)
	_, s := w.must("tom", goodPhrase, home)
	f := ok(w.NewFactor(s))(t)
	ok(w.EnableFactor(t.Context(), s, f.Secret, ok(totp.GenerateCode(f.Secret, w.clock()))(t)))(t)
	_, _, err := w.signIn("tom", goodPhrase, elsewhere)
	tick := refused(t, err).Ticket
	for range accountTries {
		_, _, err = w.SignIn(t.Context(), SignIn{Ticket: tick, Code: "000000", Address: elsewhere})
	}
	if refused(t, err).Pause == 0 {
		t.Error("no pause after wrong codes")
	}
	_, _, err = w.signIn("tom", goodPhrase, elsewhere)
	if e := refused(t, err); e.Pause == 0 || e.Ticket != "" {
		t.Error("the password starts the count anew")
	}
}

func TestWeakPasswords(t *testing.T) {
	w := newDoor(t)
	for password, want := range map[string]WeakPasswordError{
		"short":                            {Short: true},
		strings.Repeat("é", 9):             {Short: true},
		strings.Repeat("x", maxPassword+1): {Long: true},
		"Tom Whitfield1":                   {Name: true},
		"password123":                      {Guess: true},
		"azertyuiop":                       {Guess: true},
		"aaaaaaaaaaaaaaaaaaaaaaaa":         {Guess: true},
		"1234567890123":                    {Guess: true},
		"motdepasse12":                     {Guess: true},
		strings.Repeat("é", 30):            {Guess: true},
		strings.Repeat("\xff", 30):         {Guess: true},
	} {
		err := w.CheckPassword(password, "tom", "Tom Whitfield")
		if got, is := errors.AsType[*WeakPasswordError](err); !is || *got != want {
			t.Errorf("%.20q: %v, want %v", password, err, &want)
		}
	}
	for _, password := range []string{goodPhrase, "trois marmottes sifflent tard", "Ж8#kq!vzR2wd", strings.Repeat("long & good; ", 70), "xжук ёлка ночь снег пар лёд соль мост"} {
		if err := w.CheckPassword(password, "tom", "Tom Whitfield"); err != nil {
			t.Errorf("%.20q: %v", password, err)
		}
	}
}

func TestInvitationChoosesOnePassword(t *testing.T) {
	w := newDoor(t)
	ctx := t.Context()
	ok(w.Admin(store.Console).AddUser(ctx, store.NewUser{Name: "ada", Role: store.RoleMember}))(t)
	inv := ok(w.Admin(store.Console).Invite(ctx, "ada"))(t)
	if v := ok(w.Invitation(ctx, inv.Secret, home))(t); !v.ChoosePassword || !v.Device || v.User.Name != "ada" {
		t.Errorf("the invitation is %+v", v)
	}
	_, _, err := w.Accept(ctx, inv.Secret, "short", home, "test")
	wantCode(t, err, havre.CodeInvalid)
	token, _, err := w.Accept(ctx, inv.Secret, goodPhrase, home, "test")
	if err != nil {
		t.Fatal(err)
	}
	ok(w.Session(ctx, token))(t)
	_, _, err = w.Accept(ctx, inv.Secret, "three odd marmots whistle", elsewhere, "test")
	wantCode(t, err, havre.CodeDenied)
	// The device still joins with it, once; an address for a password pairs nothing.
	ok(w.Join(ctx, havre.JoinRequest{Secret: inv.Secret, DeviceName: "laptop"}))(t)
	reset := ok(w.Admin(store.Console).InvitePassword(ctx, "ada"))(t)
	_, err = w.Join(ctx, havre.JoinRequest{Secret: reset.Secret, DeviceName: "laptop"})
	wantCode(t, err, havre.CodeDenied)
	w.password("ada", "three odd marmots whistle")
	_, err = w.Session(ctx, token)
	wantCode(t, err, havre.CodeUnauthenticated)
	_, err = w.Invitation(ctx, reset.Secret, home)
	wantCode(t, err, havre.CodeDenied) // the later one took its place
}

func TestSetUp(t *testing.T) {
	h := ok(Open(t.Context(), t.TempDir(), Options{}))(t)
	defer h.Close()
	ctx := t.Context()
	first := ok(h.Admin(store.Console).Bootstrap(ctx, "admin"))(t)
	r := Setup{Code: "AAAA-BBBB-CCCC", Name: "maelle", DisplayName: "Maëlle Kerjean", Password: goodPhrase, Address: home}
	_, _, err := h.SetUp(ctx, r)
	wantCode(t, err, havre.CodeDenied)
	r.Code, r.Password = first.SetupCode, "short"
	_, _, err = h.SetUp(ctx, r)
	wantCode(t, err, havre.CodeInvalid)
	r.Code, r.Password = strings.ToLower(strings.ReplaceAll(first.SetupCode, "-", "")), goodPhrase
	token, s, err := h.SetUp(ctx, r)
	if err != nil || !s.Admin() || s.User.Name != "maelle" || s.User.ID != first.Admin.ID {
		t.Fatalf("set up as %+v, %v", s, err)
	}
	ok(h.Session(ctx, token))(t)
	if needs := ok(h.NeedsSetup(ctx))(t); needs {
		t.Error("it can be set up again")
	}
	_, _, err = h.SetUp(ctx, r)
	wantCode(t, err, havre.CodeDenied)
	// The invitation that the first start printed is still hers.
	if joined := ok(h.Join(ctx, havre.JoinRequest{Secret: first.Invitation.Secret, DeviceName: "laptop"}))(t); joined.UserName != "maelle" {
		t.Errorf("joined as %s", joined.UserName)
	}
}

func TestSetupCodeIsNotGuessed(t *testing.T) {
	h := ok(Open(t.Context(), t.TempDir(), Options{}))(t)
	defer h.Close()
	first := ok(h.Admin(store.Console).Bootstrap(t.Context(), "admin"))(t)
	for range accountTries {
		_, _, err := h.SetUp(t.Context(), Setup{Code: "AAAA-BBBB-CCCC", Password: goodPhrase})
		wantCode(t, err, havre.CodeDenied)
	}
	_, _, err := h.SetUp(t.Context(), Setup{Code: first.SetupCode, Name: "admin", DisplayName: "admin", Password: goodPhrase})
	wantCode(t, err, havre.CodeDenied)
}

func TestLastAdministratorStays(t *testing.T) {
	w := newDoor(t)
	a := w.Admin(store.Console)
	for name, do := range map[string]func(context.Context) error{
		"delete":  func(ctx context.Context) error { return a.DeleteUser(ctx, "maelle") },
		"disable": func(ctx context.Context) error { return a.SetUserDisabled(ctx, "maelle", true) },
		"demote": func(ctx context.Context) error {
			return a.ChangeUser(ctx, "maelle", func(u *store.User) { u.Role = store.RoleMember })
		},
		"expire": func(ctx context.Context) error {
			return a.ChangeUser(ctx, "maelle", func(u *store.User) { u.Expires = w.clock() })
		},
	} {
		if err := do(t.Context()); havre.CodeOf(err) != havre.CodeInvalid || err == nil {
			t.Errorf("%s the last administrator: %v", name, err)
		}
	}
	if err := a.ChangeUser(t.Context(), "tom", func(u *store.User) { u.Role = store.RoleAdmin }); err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteUser(t.Context(), "maelle"); err != nil {
		t.Errorf("delete one of two administrators: %v", err)
	}
}

func TestAdministratorsNeedTheSecondFactor(t *testing.T) {
	w := newDoor(t)
	w.password("maelle", goodPhrase)
	if err := w.Admin(store.Console).SetFactorRequired(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	token, _ := w.must("maelle", goodPhrase, home)
	s := ok(w.Session(t.Context(), token))(t)
	if s.Admin() || !s.NeedsFactor {
		t.Error("she administers without a second factor")
	}
	f := ok(w.NewFactor(s))(t)
	ok(w.EnableFactor(t.Context(), s, f.Secret, ok(totp.GenerateCode(f.Secret, w.clock()))(t)))(t)
	if s := ok(w.Session(t.Context(), token))(t); !s.Admin() {
		t.Error("she does not administer with a second factor")
	}
}

func TestExpiredAccountsDevicesStop(t *testing.T) {
	w := newWorld(t)
	ada := w.join("ada", "laptop", havre.RightWrite)
	err := w.console().ChangeUser(t.Context(), "ada", func(u *store.User) { u.Expires = time.Now().Add(-time.Second) })
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.access.alive(t.Context(), ada.Device), havre.CodeUnauthenticated)
	wantCode(t, w.access.alive(t.Context(), havre.WebDevice(ada.User)), havre.CodeUnauthenticated)
	_, err = w.Head(t.Context(), ada, w.scope)
	if err == nil {
		t.Error("an expired account reads")
	}

	// Nothing but the time ends what is open.
	err = w.console().ChangeUser(t.Context(), "ada", func(u *store.User) { u.Expires = time.Now().Add(300 * time.Millisecond) })
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.Follow(t.Context(), ada, w.scope, 0, "", func(*havre.Revision) error { return nil }), havre.CodeUnauthenticated)
	if u := ok(w.store.User(t.Context(), ada.User))(t); time.Since(u.Expires) > 10*time.Second { // twice accessAge; the machine is busy
		t.Errorf("the stream ended %v after the account", time.Since(u.Expires))
	}
}

func TestSignInsAreLogged(t *testing.T) {
	w := newDoor(t)
	_, _, err := w.signIn("tom", "guess", elsewhere)
	refused(t, err)
	_, s := w.must("tom", goodPhrase, home)
	if err := w.SignOut(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range ok(w.Admin(store.Console).Audit(t.Context(), 0, 3))(t) {
		got = append(got, e.Action+" "+e.Subject+" "+e.Address)
	}
	want := "session.end tom 203.0.113.7, session.begin tom 203.0.113.7, session.refuse tom 198.51.100.9"
	if strings.Join(got, ", ") != want {
		t.Errorf("the log says %s, want %s", strings.Join(got, ", "), want)
	}
}
