package hub

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

// NewFeed gives the person's feed a new secret, so that an address of before leads nowhere, and returns it. Nobody
// can be told it again.
func (h *Hub) NewFeed(ctx context.Context, s *Session) (string, error) {
	secret := newSecret()
	return secret, full(h.store.SetFeed(ctx, s.actor(), s.User.ID, hashSecret(secret)))
}

// RemoveFeed takes the person's feed away.
func (h *Hub) RemoveFeed(ctx context.Context, s *Session) error {
	return full(h.store.SetFeed(ctx, s.actor(), s.User.ID, ""))
}

// HasFeed says whether the person has one.
func (h *Hub) HasFeed(ctx context.Context, s *Session) (bool, error) {
	return h.store.HasFeed(ctx, s.User.ID)
}

// FeedOf returns whose feed has the secret: havre.CodeNotFound for nobody's, and for a closed account.
func (h *Hub) FeedOf(ctx context.Context, secret string) (*store.User, error) {
	u, err := h.store.UserByFeed(ctx, hashSecret(secret))
	if err == nil && u.Closed(h.now()) {
		err = havre.Errorf(havre.CodeNotFound, "there is no such feed")
	}
	if err != nil {
		return nil, err
	}
	return &u, nil
}
