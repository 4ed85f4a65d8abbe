package hub

import (
	"context"
	"errors"
	"fmt"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/svn"
)

func invalid(format string, args ...any) error {
	return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf(format, args...)}
}

// full gives err the code CodeFull if it is about space.
func full(err error) error {
	if err == nil || !isFull(err) {
		return err
	}
	return &havre.Error{Code: havre.CodeFull, Text: "the server's disk is full: free some space there, then it goes on by itself", Cause: err}
}

// explain turns what a repository says about a path into what a person is told.
func explain(err error, path svn.Path) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case has[*havre.Error](err):
		return err
	case has[*svn.NotFoundError](err):
		return &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("%s is not there in that revision", show(path)), Cause: err}
	case has[*svn.NoSuchRevisionError](err):
		return &havre.Error{Code: havre.CodeNotFound, Text: "the folder has no such revision yet", Cause: err}
	case has[*svn.NotFileError](err):
		return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s is a directory", show(path)), Cause: err}
	case has[*svn.NotDirError](err):
		return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s is not a directory", show(path)), Cause: err}
	}
	return full(err)
}

func has[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func show(p svn.Path) string {
	if p == "" {
		return "the directory"
	}
	return fmt.Sprintf("%q", string(p))
}
