#!/usr/bin/env bash
# From a clone to a running server: installs what is missing, builds release, starts `akidb serve`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<END
usage: scripts/dev-init.sh [--port N] [--data-dir DIR] [--minio] [--no-start]
       scripts/dev-init.sh --stop [--data-dir DIR]

Installs what is missing, builds, and starts a server on 127.0.0.1 whose store is a directory, or a bucket of a local MinIO.

  --port N        port to listen on (default: 8080)
  --data-dir DIR  log, lock and store (default: akidb-data in the repository)
  --minio         the store is a bucket: obtains MinIO (scripts/minio.sh --help), starts it on 127.0.0.1 with its drives in
                  DIR-minio, creates the bucket; the data directory may then be deleted while the server is stopped
  --stop          stop the server of that data directory, and its MinIO, and end
  --no-start      install and build only
END
}

port=8080
data_dir=$ROOT/akidb-data
action=start
minio=''
while [ $# -gt 0 ]; do
  case $1 in
    --port) [ $# -ge 2 ] || die "--port needs a number"; port=$2; shift ;;
    --data-dir) [ $# -ge 2 ] || die "--data-dir needs a directory"; data_dir=${2%/}; shift ;;
    --minio) minio=yes ;;
    --stop) action=stop ;;
    --no-start) action=build ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; say; say "error: there is no flag $1"; exit 2 ;;
  esac
  shift
done
case $port in *[!0-9]* | '' | ??????*) port_bad=yes ;; *) [ "$port" -ge 1 ] && [ "$port" -le 65535 ] || port_bad=yes ;; esac
[ -z "${port_bad:-}" ] || die "--port is '$port', expected a number from 1 to 65535"

# The id of the process that serves the data directory, if any. A pid file may outlive its process and the number may
# belong to somebody else by then, so the command is looked at too.
pid_file=$data_dir/akidb.pid
running_pid() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 1
  [ "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | awk '{ n = split($1, part, "/"); print part[n] " " $2 }')" = "akidb serve" ] || return 1
  echo "$pid"
}

stop_command() {
  local stop="scripts/dev-init.sh --stop"
  [ "$data_dir" = "$ROOT/akidb-data" ] || stop+=" --data-dir $data_dir"
  echo "$stop"
}

stop_server() {
  local pid
  pid=$(running_pid) || { say "no server is running on $data_dir"; return; }
  kill -TERM "$pid"
  for _ in $(seq 400); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$pid_file"; say "stopped"; return; }
    sleep 0.1
  done
  die "process $pid is still stopping after 40 s; see $data_dir/server.log"
}

minio_sh() { "$ROOT/scripts/minio.sh" "$@" --data "$data_dir-minio"; }

if [ "$action" = stop ]; then
  # First the server, which still has to write what it holds.
  stop_server
  [ ! -f "$data_dir-minio/minio.pid" ] || minio_sh stop
  exit 0
fi

# What would stop the server is said before the build, which takes minutes.
if [ "$action" = start ] && pid=$(running_pid); then
  on_minio=''
  ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- '--store s3://' || on_minio=yes
  [ "$minio" = "$on_minio" ] ||
    die "a server with ${minio:+a directory}${on_minio:+MinIO} as its store is running on $data_dir; stop it first: $(stop_command)"
elif [ "$action" = start ]; then
  mkdir -p "$data_dir" || die "the data directory $data_dir cannot be made; choose another with --data-dir"
  # A server that was killed a moment ago may still hold it.
  for ((tenths = 0; ; ++tenths)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    ((tenths < 30)) || die "port $port is in use by another process; choose another with --port"
    sleep 0.1
  done
fi

mkdir -p "$BUILD"
install_packages dev
if (install_python dev "$ROOT/scripts/requirements.txt"); then
  configure release "-DAKIDB_PYARROW_PYTHON=$VENV/bin/python"
else
  say "note: going on without Parquet, which needs it; JSONL and CSV work. The next start tries again"
  configure release -DAKIDB_PYARROW_PYTHON=
fi
akidb=$BUILD/release/bin/akidb
first_time=''
[ -x "$akidb" ] || first_time=", ten minutes on two cores the first time"
say "building (build/release$first_time)"
with_progress "$BUILD/build-release.log" ninja -C "$BUILD/release" akidb ||
  { grep -A 12 -m 3 -E 'error:|FAILED' "$BUILD/build-release.log" >&2 || true; die "the build failed; see build/build-release.log"; }
[ -z "$minio" ] || "$ROOT/scripts/minio.sh" path >/dev/null
[ "$action" = build ] && { say "built build/release/bin/akidb"; exit 0; }

first_line() {
  cat <<END
AkiDB serves $data_dir on http://127.0.0.1:$1 (stop: $(stop_command))
Try:  curl http://127.0.0.1:$1/version
END
  [ "$1" = 8080 ] || echo "      export AKIDB_SERVER=http://127.0.0.1:$1    # for build/release/bin/akidb"
}

if [ -n "$minio" ]; then
  minio_sh start
  minio_sh bucket akidb
fi

if pid=$(running_pid); then
  port=$(sed -n 's/.*:\([0-9]*\)$/\1/p' "$data_dir/ready" 2>/dev/null || true)
  [ -n "$port" ] || die "process $pid is starting on this data directory; try again"
  say "a server is running already (process $pid); --stop ends it"
  first_line "$port"
  exit 0
fi

mkdir -p "$data_dir"
data_dir=$(cd "$data_dir" && pwd)
pid_file=$data_dir/akidb.pid
rm -f "$data_dir/ready"
store=()
if [ -n "$minio" ]; then
  settings=$(minio_sh env)
  eval "$settings"
  store=(--store s3://akidb/dev)
  [ ! -d "$data_dir/store" ] || say "note: what was written without --minio is in $data_dir/store and not served now"
elif [ -d "$data_dir-minio" ]; then
  say "note: what was written with --minio is in $data_dir-minio and not served now"
fi
setsid "$akidb" serve --data-dir "$data_dir" "${store[@]}" --listen "127.0.0.1:$port" --ready-file "$data_dir/ready" \
  </dev/null >>"$data_dir/server.log" 2>&1 &
pid=$!
echo "$pid" >"$pid_file"
# A log that must be replayed takes as long as it takes; only the end of the process is a failure.
until [ -f "$data_dir/ready" ] && curl --silent --fail --output /dev/null "http://127.0.0.1:$port/health/ready"; do
  kill -0 "$pid" 2>/dev/null || { tail -n 5 "$data_dir/server.log" >&2; rm -f "$pid_file"; die "the server did not start; see $data_dir/server.log"; }
  sleep 0.05
done
first_line "$port"
