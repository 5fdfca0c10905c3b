#!/usr/bin/env bash
# Installs a build into a folder of its own, moves it, and uses it as programs of others would:
# with find_package, and with pkg-config and a compiler alone.
#   run.sh BUILD_FOLDER VERSION SANITIZERS      the compiler is $CXX
set -euo pipefail
build=$1 version=$2 sanitize=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KVSWARM_RUNTIME_DIR=$work/runtime
mkdir -m 700 "$work/runtime"
flags=(-O0)
[ -z "$sanitize" ] || flags+=("-fsanitize=$sanitize")

fail() { echo "install: $*" >&2; exit 1; }
# works PROGRAM: runs the consumer on a new folder.
works() {
  mkdir -m 700 "$work/data"
  [ "$("$1" "$work/data")" = "kvswarm $version" ] || fail "$1 does not work"
  rm -r "$work/data"
}

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/usr"  # nothing may remember where it was installed

"$work/usr/bin/kvswarm" --version >/dev/null
[ -n "$(find "$work/usr/share/doc" -name LICENSE)" ] || fail "no licence"
[ -f "$work/usr/share/kvswarm/kvswarm.service" ] || fail "no unit file"
# Folders in it: the name of a short one, as /kvswarm, may well stand in there.
source=$(dirname "$(dirname "$here")")
named=$(grep -rlF -e "$source/src" -e "$source/include" -e "$build" \
  --include='*.h' --include='*.cmake' --include='*.pc' "$work/usr" || true)
[ -z "$named" ] || fail "names the source tree: $named"

cmake -S "$here" -B "$work/found" -G Ninja -DCMAKE_PREFIX_PATH="$work/usr" \
  -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS="${flags[*]}" >/dev/null
ninja -C "$work/found" >/dev/null
works "$work/found/consumer"
# A program that asks for the next minor version must be told no.
sed 's/kvswarm 0.1/kvswarm 0.2/' "$here/CMakeLists.txt" >"$work/CMakeLists.txt"
cp "$here/consumer.cc" "$work/"
if cmake -S "$work" -B "$work/newer" -G Ninja -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null 2>&1; then
  fail "version 0.2 was found"
fi

PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name kvswarm.pc)")
export PKG_CONFIG_PATH
[ "$(pkg-config --modversion kvswarm)" = "$version" ] || fail "kvswarm.pc has another version"
# shellcheck disable=SC2046 # words are wanted
"$CXX" "${flags[@]}" $(pkg-config --cflags kvswarm) "$here/consumer.cc" -o "$work/consumer" \
  $(pkg-config --static --libs kvswarm)
works "$work/consumer"
echo "installed, found and linked"
