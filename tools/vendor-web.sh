#!/bin/sh
# Fetches what the web pages take from others, at fixed versions, from the npm packages of their
# makers, and checks each package's SHA-256. What it writes is committed, so a build needs none of
# this:
#   internal/web/static/vendor/     scripts and fonts, and README.md with versions and licences
#   internal/web/static/sprite/     icons.svg, the symbols of the list below
#   internal/web/webtest/testdata/  what only the tests use
set -eu

cd "$(dirname "$0")/.."
vendor=$PWD/internal/web/static/vendor
sprite=$PWD/internal/web/static/sprite
testdata=$PWD/internal/web/webtest/testdata
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$vendor"
mkdir -p "$vendor/licences" "$sprite" "$testdata"

icons='waves notebook-pen calendar-check link trash-2 folder folders folder-plus folder-input folder-tree folder-open
laptop monitor monitor-smartphone smartphone binoculars user-round user-round-plus user-round-x user-round-cog users-round
grid-3x3 scroll-text sliders-horizontal history rotate-ccw undo-2 redo-2 columns-2 git-fork lock lock-open key-round
ellipsis ellipsis-vertical search plus minus x check chevron-left chevron-right chevron-down chevron-up chevrons-up-down
chevrons-down-up arrow-left arrow-right arrow-up arrow-down arrow-up-down arrow-left-right list layout-grid list-filter
download upload copy pencil move file file-plus file-text file-spreadsheet file-type file-axis-3d file-image
file-chart-column file-play file-music file-archive file-code file-diff file-lock file-question-mark file-search image eye
eye-off settings log-out log-in sun moon languages menu cloud-off wifi-off circle-alert circle-check circle-help
triangle-alert info mail send calendar clock hourglass timer play pause skip-forward skip-back server hard-drive database
shield shield-check shield-alert refresh-cw external-link share-2 tag archive package message-square bell activity gauge
fingerprint-pattern qr-code ticket house command corner-down-left option keyboard zoom-in zoom-out maximize-2 minimize-2
unplug plug power ban flag star text-search scan-search split square-pen clipboard sticky-note equal text-cursor-input unfold-vertical rss'

cat >"$vendor/README.md" <<'TEXT'
# Whose work the pages contain

Written by tools/vendor-web.sh; the texts of the licences are in `licences/`.

| package | version | licence | what is here |
| --- | --- | --- | --- |
TEXT

take() { # PACKAGE VERSION SHA256 LICENCE WHAT
	file=$(cd "$work" && npm pack --silent "$1@$2")
	echo "$3  $work/$file" | sha256sum --check --quiet
	rm -rf "$work/package"
	tar -xzf "$work/$file" -C "$work"
	if [ -n "$5" ]; then
		cp "$work/package/LICENSE" "$vendor/licences/$(echo "$1" | tr -d @ | tr / -).txt"
		echo "| $1 | $2 | $4 | $5 |" >>"$vendor/README.md"
	fi
}
from=$work/package

take htmx.org 2.0.11 165a2655073e9e6e55e307a7c74e8ebcdb76afb7701f9c16cfd106a13add408e 0BSD htmx.min.js
cp "$from/dist/htmx.min.js" "$vendor/"
take idiomorph 0.8.0 c2b48584153f0167b5c98cb815576338ccd82a97378e53fbf29d139dfd67207e 0BSD idiomorph-ext.min.js
cp "$from/dist/idiomorph-ext.min.js" "$vendor/"
take tus-js-client 4.3.1 919f46808b2c689be9214df5c0f21879bee4a4599b34e212ada8f14de1db9bc0 MIT 'tus.min.js, for uploads only'
sed '/^\/\/# sourceMappingURL/d' "$from/dist/tus.min.js" >"$vendor/tus.min.js"

next=$from/files/atkinson-hyperlegible-next
take @fontsource-variable/atkinson-hyperlegible-next 5.3.0 75d5156505841b7dd4251398f0a5ff9e44120c87c2e388e9a108879b4def23a6 OFL-1.1 'next-*.woff2'
cp "$next-latin-wght-normal.woff2" "$vendor/next-latin.woff2"
cp "$next-latin-ext-wght-normal.woff2" "$vendor/next-latin-ext.woff2"
mono=$from/files/atkinson-hyperlegible-mono
take @fontsource-variable/atkinson-hyperlegible-mono 5.3.0 883a10d68a0149e0dcbfaa30e9084ae6197c6987520db83c1bba4ede43a91b3f OFL-1.1 'mono-latin.woff2'
cp "$mono-latin-wght-normal.woff2" "$vendor/mono-latin.woff2"

take lucide-static 1.62.0 386f9080c440d6f5049cefe3456ae8357f7a0c7f76e59670cd1cb83bc7050a44 ISC '../sprite/icons.svg'
{
	echo '<svg xmlns="http://www.w3.org/2000/svg">'
	for i in $icons; do
		tr '\n' ' ' <"$from/icons/$i.svg" |
			sed -E "s/<!--[^>]*-->//; s/<svg[^>]*>/<symbol id=\"i-$i\" viewBox=\"0 0 24 24\">/; s/<\/svg>/<\/symbol>/; s/ +/ /g; s/> </></g; s/ \/>/\/>/g"
		echo
	done
	echo '</svg>'
} >"$sprite/icons.svg"

# Checks pages for what keeps people from using them; MPL-2.0, in the tests only.
take axe-core 4.14.1 e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745 MPL-2.0 ''
cp "$from/axe.min.js" "$testdata/axe.min.js"
cp "$from/LICENSE" "$testdata/axe-licence.txt"
