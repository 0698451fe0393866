#!/bin/sh
# Builds a release into dist/: for each platform a static binary and a list of what is
# in it (an SBOM, CycloneDX), and SHA256SUMS of them all.
#
#   deploy/release.sh v0.1.0 linux/amd64 linux/arm64 …
#
# The same source and the same Go make the same bytes, wherever and whenever: nothing
# of a folder, a clock or the clone gets in, but the revision.
set -eu

sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

fail() {
	echo "release: error: $1" >&2
	exit 1
}
version=${1:-}
case $version in
v[0-9]*.[0-9]*.[0-9]*) shift ;;
*) fail "the version is to be like v0.1.0: make release VERSION=v0.1.0" ;;
esac
[ $# -gt 0 ] || fail "for which platforms?"

cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
revision=$(git rev-parse HEAD 2>/dev/null) || revision=unknown
if [ -n "$(git status --porcelain 2>/dev/null)" ]; then
	echo "release: WARNING: there are changes that are in no commit" >&2
	revision="$revision (with changes)"
fi

# What a shell may have set is not part of a release.
unset GOOS GOARCH GOEXPERIMENT GOARM64 GOFIPS140
export GOWORK=off GOFLAGS=-mod=readonly GOENV=off CGO_ENABLED=0 GOAMD64=v1 GO386=sse2
# The list names the tool by its hash.
if ! GOBIN=$work go install -trimpath "$sbom" >"$work/log" 2>&1; then
	cat "$work/log" >&2
	fail "could not install $sbom"
fi

rm -rf dist
mkdir dist
for platform; do
	os=${platform%/*} arch=${platform#*/}
	name=weft-$version-$os-$arch
	file=$name
	[ "$os" != windows ] || file=$name.exe
	GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X main.version=$version -X 'main.revision=$revision'" \
		-o "dist/$file" ./cmd/weft
	"$work/cyclonedx-gomod" bin -json -std -noserial -notimestamp -version "$version" \
		-output "dist/$name.cdx.json" "dist/$file" 2>"$work/log" || {
		cat "$work/log" >&2
		fail "could not list what is in $file"
	}
	echo "release: dist/$file"
done
cd dist
if command -v sha256sum >/dev/null; then
	sha256sum weft-* >SHA256SUMS
else
	shasum -a 256 weft-* >SHA256SUMS
fi
echo "release: dist/SHA256SUMS; built with $(go env GOVERSION)"
