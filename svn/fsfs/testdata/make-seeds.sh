#!/bin/sh
# Makes the files in seeds/, which the fuzz tests begin with: revisions and packs as Subversion writes
# them in each format. They were made with Subversion 1.14.2.
set -eu
out=$(cd "$(dirname "$0")" && pwd)/seeds
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
seq 1 40 > "$work/one"
seq 1 41 > "$work/two"
for version in 1.1 1.4 1.5 1.6 1.8 1.9 1.14; do
	repo=$work/$version
	svnadmin create --compatible-version $version "$repo"
	format=$(head -n 1 "$repo/db/format")
	sed -i 's/sharded 1000/sharded 4/' "$repo/db/format"
	commit() { svnmucc --config-dir "$work/config" -U "file://$repo" -m seed "$@" > "$work/log"; }
	commit mkdir d put "$work/one" d/f propset k v d/f
	commit put "$work/two" d/f propset k w d/f propset svn:mergeinfo /d:1 d
	commit cp 2 d e rm d/f put "$work/one" e/g
	for rev in 1 2 3; do
		for name in "$repo/db/revs/0/$rev" "$repo/db/revs/$rev"; do
			if [ -f "$name" ]; then cp "$name" "$out/revision-$format-$rev"; fi
		done
	done
	case $format in 4 | 6 | 8)
		svnadmin pack -q "$repo"
		cp "$repo/db/revs/0.pack/pack" "$out/pack-$format"
		if [ -f "$repo/db/revs/0.pack/manifest" ]; then cp "$repo/db/revs/0.pack/manifest" "$out/manifest-$format"; fi
		if [ "$format" = 6 ]; then
			cp "$repo/db/revprops/0.pack/manifest" "$out/revprops-manifest-$format"
			cp "$repo"/db/revprops/0.pack/1.* "$out/revprops-$format"
		fi ;;
	esac
done
chmod 644 "$out"/*
