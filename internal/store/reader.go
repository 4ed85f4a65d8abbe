package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxPrepared is how many texts of statements a reader prepares once; those that come later, which only
// a search of the audit log can make, are prepared for each use. The constant ones are fewer.
const maxPrepared = 200

// reader reads the database. It keeps its statements prepared: SQLite spends more time on reading the
// text of such a small statement than on executing it. It is safe for concurrent use.
type reader struct {
	db *sql.DB

	mu       sync.RWMutex // guards prepared
	prepared map[string]*sql.Stmt
}

func newReader(db *sql.DB) *reader { return &reader{db: db, prepared: map[string]*sql.Stmt{}} }

// statement returns the prepared statement of a text, nil if there are too many.
func (r *reader) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	r.mu.RLock()
	s, full := r.prepared[text], len(r.prepared) >= maxPrepared
	r.mu.RUnlock()
	if s != nil || full {
		return s, nil
	}
	s, err := r.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.prepared[text]; other != nil || len(r.prepared) >= maxPrepared {
		return other, s.Close() //nolint:sqlclosecheck // no other way leads here
	}
	r.prepared[text] = s
	return s, nil
}

// QueryContext is that of sql.DB.
func (r *reader) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := r.statement(ctx, text) //nolint:sqlclosecheck // it is kept until Close
	if err != nil {
		return nil, err
	}
	if s == nil {
		return r.db.QueryContext(ctx, text, args...)
	}
	return s.QueryContext(ctx, args...)
}

// QueryRowContext is that of sql.DB.
func (r *reader) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	// What is wrong with the text is said by the row.
	if s, err := r.statement(ctx, text); s != nil && err == nil { //nolint:sqlclosecheck // it is kept until Close
		return s.QueryRowContext(ctx, args...)
	}
	return r.db.QueryRowContext(ctx, text, args...)
}

// Close closes the statements and the database.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.prepared {
		errs = append(errs, s.Close())
	}
	clear(r.prepared)
	return errors.Join(append(errs, r.db.Close())...)
}
