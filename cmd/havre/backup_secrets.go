package main

import (
	"cmp"
	"sync"

	"github.com/havre-cloud/havre/internal/source"
)

// givenSecrets are secrets that the command line or an address has, until they have worked: a wrong key does not replace the
// right one that is stored. It is safe for concurrent use.
type givenSecrets struct {
	stored *secretStore

	mu    sync.Mutex                // guards given
	given map[string]source.Secrets // by address
}

func newGivenSecrets(stored *secretStore) *givenSecrets {
	return &givenSecrets{stored: stored, given: map[string]source.Secrets{}}
}

// give notes what is to be tried with an address.
func (g *givenSecrets) give(address string, s source.Secrets) {
	if s == (source.Secrets{}) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.given[address] = over(s, g.given[address])
}

// get returns the secrets of an address: what was given, and what is stored of all else.
func (g *givenSecrets) get(address string) (source.Secrets, error) {
	old, err := g.stored.get(address)
	g.mu.Lock()
	defer g.mu.Unlock()
	return over(g.given[address], old), err
}

// tried is told how a look at an address went. What worked is stored. Of an instance that cannot be reached nothing is known:
// what was given for it is stored unless that would replace something, so that the next run need not be told again.
func (g *givenSecrets) tried(address string, o source.Outcome) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	given, ok := g.given[address]
	if !ok || o == source.OutcomePrivate || o == source.OutcomeGone {
		return nil
	}
	old, err := g.stored.get(address)
	if err != nil {
		return err
	}
	kept := over(given, old)
	if worked := o.Good() || o == source.OutcomeSuspect; !worked && kept != over(old, given) {
		return nil
	} else if worked {
		delete(g.given, address)
	}
	return g.stored.put(address, kept)
}

// over returns the secrets, and the others where there are none.
func over(s, others source.Secrets) source.Secrets {
	return source.Secrets{
		Address: cmp.Or(s.Address, others.Address), User: cmp.Or(s.User, others.User), Password: cmp.Or(s.Password, others.Password),
		Session: cmp.Or(s.Session, others.Session), APIKey: cmp.Or(s.APIKey, others.APIKey), Author: cmp.Or(s.Author, others.Author),
	}
}
