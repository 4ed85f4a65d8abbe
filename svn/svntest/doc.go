// Package svntest is what the tests of everything under svn/ share. Only tests import it.
//
// Subversion's own programs are the oracle: Run starts them, Judge has them, and checks of our own
// for what they do not see, look at a repository directory. RandomHistory makes valid commits
// together with the trees they have to lead to, for our code (as svn.Commit) and for libsvn (as a
// dump stream) to write. TestRepository is the contract of svn.Repository.
//
// Nothing here imports an implementation of svn.Repository.
package svntest
