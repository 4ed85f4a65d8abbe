// Package rasvn reaches a Subversion repository over the protocol of svnserve: svn://, svn+ssh://, or
// svnserve on a pair of pipes.
//
// Repository implements svn.Repository, with the paths of the whole repository even where the address is that of a
// directory in it: Base tells which. Servers from 1.4 on are spoken to; what newer ones can do is used where they
// announce it.
//
// With a name CRAM-MD5 is preferred to PLAIN, without one ANONYMOUS is asked for, and EXTERNAL at the end of a
// tunnel. The protocol encrypts nothing: a password in PLAIN, and all files, can be read on the way unless it is a
// tunnel's.
//
// A Repository is safe for concurrent use. It keeps connections open that nobody uses at the moment and makes
// more as they are needed; a Log that is ranged over and a File that is open each have one of their own. A
// connection that died while nobody used it is replaced, and what was to be read is asked for again, once. See
// Commit for what is known when its answer is lost.
//
// Servers are not trusted: an item of the protocol has at most 256 MiB and 64 levels, revisions have to come in
// their order, and contents are compared with the MD5 that was announced. Contents stream, so memory does not
// depend on the size of files.
//
// Protocol: subversion/libsvn_ra_svn/protocol in the Subversion sources.
package rasvn
