package store

import (
	"context"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

// SourcePlaces returns the directories of a folder into which something is backed up, each once.
func (s *Store) SourcePlaces(ctx context.Context, folder havre.FolderID) ([]svn.Path, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT DISTINCT path FROM sources WHERE folder_id = ?`, folder)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var places []svn.Path
	for rows.Next() {
		var p svn.Path
		if err := rows.Scan(&p); err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	return places, rows.Err()
}
