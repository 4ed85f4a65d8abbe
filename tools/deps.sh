#!/bin/sh
# Installs what the tests use and this machine lacks: Subversion's programs, which judge what
# havre writes, Apache and sshd, which serve their repositories, git, whose ignore rules are compared with ours, Chromium without its windows, which
# looks at the pages, Node.js, on which the
# Etherpad of the tests runs, and a C compiler for the race detector.
set -eu

missing=
need() { # PACKAGE PROGRAM...
	package=$1
	shift
	for program; do
		command -v "$program" >/dev/null 2>&1 || { missing="$missing $package"; return 0; }
	done
}

need subversion svn svnadmin svnlook svnmucc svnsync svnrdump svnserve
need subversion-tools svnauthz
need apache2-bin apache2
need apache2-utils htpasswd
need openssh-server sshd ssh ssh-keygen
need git git
need chromium-headless-shell chromium-headless-shell
need nodejs node
need npm npm
need gcc gcc
# A module of Apache is no program.
[ -e /usr/lib/apache2/modules/mod_dav_svn.so ] || missing="$missing libapache2-mod-svn"
# A compiler without the C library's headers cannot link the race detector.
if command -v gcc >/dev/null 2>&1 && ! echo '#include <stdlib.h>' | gcc -E - >/dev/null 2>&1; then
	missing="$missing libc6-dev"
fi
case "$missing" in *' gcc'*) missing="$missing libc6-dev" ;; esac

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "tools/deps.sh: the tests need the programs of these Debian packages; install them:$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "tools/deps.sh: the tests need:$missing; run: sudo apt-get install$missing" >&2
	exit 1
fi
echo "installing what the tests need:$missing"
apt-get -q update
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
