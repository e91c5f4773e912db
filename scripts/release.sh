#!/bin/sh
# Builds what is published: a static program, a Debian package, and their checksums.
set -eu
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: scripts/release.sh [--help]

Builds a static program for Linux (musl), which runs everywhere on this kind of machine, and a
Debian package. It puts them into target/dist, with checksums. The program comes with its man pages,
completions and units. It installs cargo-deb if that is missing.
END
}

case ${1:-} in
    '') ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        echo "release.sh: there is no $1; see --help" >&2
        exit 2
        ;;
esac

machine=$(uname -m)
target=$machine-unknown-linux-musl
version=$(sed -n 's/^version = "\(.*\)"/\1/p;/^version/q' Cargo.toml)
CHINWAG_COMMIT=$(git rev-parse --short=10 HEAD)
# What was changed since that commit is told too.
git diff --quiet HEAD || CHINWAG_COMMIT=$CHINWAG_COMMIT-changed
export CHINWAG_COMMIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

rustup target list --installed | grep -qx "$target" || rustup target add "$target"
dist=target/dist/chinwag-$version-$machine
rm -rf target/dist target/docs
mkdir -p "$dist/service" "$dist/docs"

# The program that writes the pages is another one, so that the published one is small.
cargo run --locked --quiet --features docs -- docs target/docs
# Neither names a folder of this machine.
RUSTFLAGS="--remap-path-prefix $PWD=. --remap-path-prefix ${CARGO_HOME:-$HOME/.cargo}=cargo"
export RUSTFLAGS
cargo build --locked --release --bin chinwag --target "$target" --config profile.release.strip=true
cp "target/$target/release/chinwag" LICENSE README.md SECURITY.md "$dist"
cp target/docs/* "$dist/docs"
cp -R scripts/service/. "$dist/service"
if file -b "$dist/chinwag" 2>/dev/null | grep -q 'dynamically linked'; then
    echo "release.sh: the program is not static" >&2
    exit 1
fi
tar -C target/dist --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -czf "$dist.tar.gz" "chinwag-$version-$machine"

date=$(date -uRd "@$SOURCE_DATE_EPOCH")
cat >target/docs/changelog <<END
chinwag ($version-1) unstable; urgency=medium

  * Version $version. CHANGELOG.md of the source says what is new.

 -- The chinwag authors <chinwag@users.noreply.github.com>  $date
END
cargo deb --version >/dev/null 2>&1 || cargo install --locked cargo-deb
cargo deb --locked --strip --output target/dist

cd target/dist
rm -r "chinwag-$version-$machine"
sha256sum chinwag* >SHA256SUMS
cat SHA256SUMS
