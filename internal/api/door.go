package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/time/rate"

	"github.com/havre-cloud/havre/internal/api/wire"
	"github.com/havre-cloud/havre/internal/havre"
)

const (
	// An address may fail this often at once, then once in each interval. Tokens and secrets
	// have 256 bits, so this spares the database, not the secrets.
	failureBurst    = 20
	failureInterval = 5 * time.Second
	// maxRemembered bounds both memories of a door, in entries of some 100 bytes.
	maxRemembered = 10_000
	// A token that was good this long ago passes even where others from the same address
	// fail: a revoked device must not shut out the office whose address it shares.
	goodFor = time.Hour

	maxToken = 256 // bytes
)

// door lets in who has a token, and slows down addresses that try many wrong ones.
type door struct {
	accounts Accounts
	now      func() time.Time

	mu sync.Mutex // guards what follows
	// failed has an entry for each address that failed lately; its limiter is full again when
	// it is forgotten.
	failed map[netip.Prefix]*rate.Limiter
	// good has the time of the last success of tokens, by their hashes.
	good map[[sha256.Size]byte]time.Time
}

func newDoor(accounts Accounts) *door {
	return &door{
		accounts: accounts,
		now:      time.Now,
		failed:   map[netip.Prefix]*rate.Limiter{},
		good:     map[[sha256.Size]byte]time.Time{},
	}
}

// open returns who sends a request, going by its Authorization header.
func (d *door) open(ctx context.Context, address string, header http.Header) (*havre.Caller, error) {
	scheme, token, _ := strings.Cut(header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return nil, &havre.Error{
			Code: havre.CodeUnauthenticated,
			Text: "the request has no device token; ask for an invitation and run `havre join`",
		}
	}
	hash := sha256.Sum256([]byte(token))
	if !d.wasGood(hash) {
		if err := d.check(address); err != nil {
			return nil, err
		}
	}
	caller, err := d.accounts.Authenticate(havre.WithPeer(ctx, address), token)
	switch {
	case err == nil:
		d.succeed(hash)
	case havre.CodeOf(err) == havre.CodeUnauthenticated:
		d.fail(address, hash)
	}
	return caller, err
}

// check refuses an address that failed too often.
func (d *door) check(address string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.failed[network(address)]
	if !ok {
		return nil
	}
	tokens := l.TokensAt(d.now())
	if tokens >= 1 {
		return nil
	}
	wait := time.Duration((1-tokens)*float64(failureInterval)).Round(time.Second) + time.Second
	return &havre.Error{
		Code: havre.CodeUnavailable,
		Text: fmt.Sprintf("too many wrong tokens or invitations came from this address: try again in %v", wait),
	}
}

// fail counts a failure of an address. The token is not good, whatever it was.
func (d *door) fail(address string, token [sha256.Size]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.good, token)
	n, now := network(address), d.now()
	l, ok := d.failed[n]
	if !ok {
		if len(d.failed) >= maxRemembered {
			d.forget(now)
		}
		l = rate.NewLimiter(rate.Every(failureInterval), failureBurst)
		d.failed[n] = l
	}
	l.AllowN(now, 1)
}

// forget makes room among the failed: those that have recovered go, and if there are none, all: an
// attacker with so many addresses is not stopped by counting them.
func (d *door) forget(now time.Time) {
	for n, l := range d.failed {
		if l.TokensAt(now) >= failureBurst {
			delete(d.failed, n)
		}
	}
	if len(d.failed) >= maxRemembered {
		clear(d.failed)
	}
}

func (d *door) wasGood(token [sha256.Size]byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.good[token]
	return ok && d.now().Sub(at) < goodFor
}

func (d *door) succeed(token [sha256.Size]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.good[token]; !ok && len(d.good) >= maxRemembered {
		clear(d.good)
	}
	d.good[token] = d.now()
}

// network returns what failures are counted by: an IPv4 address, or the /64 that one IPv6 host
// chooses its addresses from.
func network(address string) netip.Prefix {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	a := ap.Addr().Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

type callerKey struct{}

// caller returns who sends the request that ctx belongs to.
func caller(ctx context.Context) *havre.Caller {
	c, ok := ctx.Value(callerKey{}).(*havre.Caller)
	if !ok {
		panic("api: a request came past the gate")
	}
	return c
}

// gateToken stands before the requests of paired devices. It runs before a message is read.
func (s *server) gateToken(ctx context.Context, spec connect.Spec, peer connect.Peer, header http.Header) (context.Context, error) {
	c, err := s.door.open(ctx, peer.Addr, header)
	if err != nil {
		return nil, wire.ConnectError(s.public(ctx, spec.Procedure, err))
	}
	return context.WithValue(ctx, callerKey{}, c), nil
}

// gateAddress stands before the requests of strangers.
func (s *server) gateAddress(ctx context.Context, spec connect.Spec, peer connect.Peer, _ http.Header) (context.Context, error) {
	if err := s.door.check(peer.Addr); err != nil {
		return nil, wire.ConnectError(s.public(ctx, spec.Procedure, err))
	}
	return ctx, nil
}
