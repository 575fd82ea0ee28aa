# What dev-init.sh and test.sh share: installing what is missing. Sourced, not run; sets ROOT and BUILD.
# shellcheck shell=bash
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
VENV=$BUILD/venv

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# with_progress LOG COMMAND...: runs the command, its output in LOG. The last line of that shows how far it is: in place
# on a terminal, every half minute elsewhere.
with_progress() {
  local log=$1 reporter status=0
  shift
  : >"$log"
  show_progress "$log" $$ &
  reporter=$!
  "$@" >"$log" 2>&1 || status=$?
  kill "$reporter" 2>/dev/null || true
  wait "$reporter" 2>/dev/null || true
  [ ! -t 2 ] || printf '\r\033[K' >&2
  return "$status"
}
show_progress() {
  local every=30 begin='  ' end='\n' seconds=0
  [ ! -t 2 ] || { every=1 begin='\r\033[K  ' end=''; }
  # A sleep that outlives this must not hold a pipe that somebody reads to its end.
  while sleep 1 >/dev/null 2>&1 && kill -0 "$2" 2>/dev/null; do
    seconds=$((seconds + 1))
    [ $((seconds % every)) -ne 0 ] || printf "$begin%s$end" "$(tail -n 1 "$1" | cut -c 1-100)" >&2
  done
}

# packages_of dev|test: the names in packages.txt that the purpose needs.
packages_of() {
  awk -v want="$1" '!/^#/ && NF && ($2 == "" || $2 == want) { print $1 }' "$ROOT/scripts/packages.txt"
}

# Installs the missing packages of the purpose; touches nothing if all are there.
install_packages() {
  command -v dpkg-query >/dev/null || die "this needs a Debian system; elsewhere install what scripts/packages.txt lists and build with CMake (CONTRIBUTING.md)"
  local missing=() name
  for name in $(packages_of "$1"); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo: ask an administrator to install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${#missing[@]} packages and what they need (a minute or more): ${missing[*]}"
  "${as_root[@]}" apt-get update -qq || die "apt-get update failed"
  with_progress "$BUILD/apt.log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
    die "apt-get install failed; see build/apt.log"
}

# Makes the virtual environment hold what the given requirement files pin; a stamp makes the next call free.
install_python() {
  local stamp=$VENV/.stamp-$1
  shift
  cmp -s <(cat "$@") "$stamp" && return
  say "preparing build/venv"
  [ -x "$VENV/bin/pip" ] || python3 -m venv "$VENV" || die "python3 -m venv failed"
  local arguments=() file
  for file in "$@"; do arguments+=(-r "$file"); done
  "$VENV/bin/pip" install --quiet --disable-pip-version-check "${arguments[@]}" || die "pip install failed"
  cat "$@" >"$stamp"
}

# configure PRESET [ARGS]: cmake, only if the build folder is new or the arguments changed.
configure() {
  local preset=$1 dir=$BUILD/$1
  shift
  [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.arguments" 2>/dev/null)" = "$*" ] && return
  (cd "$ROOT" && cmake --preset "$preset" "$@" >"$BUILD/configure-$preset.log" 2>&1) ||
    { tail -n 20 "$BUILD/configure-$preset.log" >&2; die "configuring $preset failed; see build/configure-$preset.log"; }
  printf '%s' "$*" >"$dir/.arguments"
}
