// Package svnaccounts reads and writes the files by which Subversion's servers know who may do what: the passwords
// of svnserve (passwd) and of Apache (htpasswd), and the rights on paths (authz) that both share.
//
// It decides nothing about havre's own accounts: package hub turns what is read here into people, groups and
// grants, and the other way round.
//
// # Formats
//
// All but htpasswd are written in the syntax of Subversion's configuration files: sections in brackets, lines
// "name = value" or "name: value", lines that begin with white space continue the value before them, and a
// comment has its # in the first column. Whatever Subversion 1.14 refuses is refused here, with the number of the line:
// a server with such a file lets nobody in, so there is nothing to take over.
//
// An authz file has the sections [groups], [aliases], and rules: [/path] for all repositories, [repository:/path]
// for one, and [:glob:/path] or [:glob:repository:/path] with *, ** and ? in the path. At one path all lines that fit a
// person add up; those of the repository's own section are asked before those of the section for all. The nearest path
// upwards with any line that fits decides.
//
// Values are immutable once they are read, and may be used concurrently.
package svnaccounts
