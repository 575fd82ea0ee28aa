#!/usr/bin/env bash
# Installs what is missing, builds, runs the whole suite. The last line is the count.
# See scripts/suite.py for the parts and `scripts/test.sh --help` for the flags.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What was asked for is looked at before anything is installed; where there is no Python yet, after that.
if command -v python3 >/dev/null; then
  case " $* " in *" --help "* | *" -h "*) exec python3 "$ROOT/scripts/suite.py" --help ;; esac
  python3 "$ROOT/scripts/suite.py" "$@" --help >/dev/null || exit 2
else
  case " $* " in *" --help "* | *" -h "*) die "--help needs python3; scripts/dev-init.sh installs it" ;; esac
fi
mkdir -p "$BUILD"
install_packages dev
install_packages test
install_python test "$ROOT/scripts/requirements.txt" "$ROOT/tests/e2e/requirements.txt"
configure release "-DAKIDB_PYARROW_PYTHON=$VENV/bin/python"
for preset in asan tsan; do configure "$preset"; done
exec "$VENV/bin/python" "$ROOT/scripts/suite.py" "$@"
