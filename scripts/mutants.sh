#!/bin/sh
# Usage: scripts/mutants.sh [FOLDER...]
#
# Breaks the values, or the named folders of src/, in every small way that cargo-mutants knows. It
# lists each change that neither a unit test nor tests/words nor tests/wire notices: there should be
# none. .cargo/mutants.toml explains what it leaves out. It takes two hours. The results are in
# target/mutants.out.
set -eu
cd "$(dirname "$0")/.."

[ "${1-}" != --help ] || {
    sed -n 's/^# \{0,1\}//p' "$0" | sed '1d;/^Fewer/,$d'
    exit 0
}
[ $# != 0 ] || set -- words pace wire room bus config
for folder; do
    [ -f "src/$folder.rs" ] || [ -d "src/$folder" ] || {
        echo "mutants.sh: no folder is called $folder; try --help" >&2
        exit 2
    }
    set -- "$@" --file "src/$folder.rs" --file "src/$folder/**/*.rs"
    shift
done

command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
mkdir -p target
# Fewer cases find nearly as much in a fraction of the time. Nobody reads the shrunken ones.
PROPTEST_CASES=64 PROPTEST_MAX_SHRINK_ITERS=0 cargo mutants --output target "$@"
