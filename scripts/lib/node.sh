# shellcheck shell=sh
# Sourced. `use_node <root>` puts a Node 24 first on PATH: the machine's own when it fits, otherwise the one of
# scripts/node, an npm platform package that needs no install script and has a lock file of its own.

node_fits() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
    process.exit(major === 24 && minor >= 12 ? 0 : 1)' 2>/dev/null
}

node_platform() {
  case "$(uname -s) $(uname -m)" in
    'Linux x86_64') echo linux-x64 ;;
    'Linux aarch64' | 'Linux arm64') echo linux-arm64 ;;
    *) echo none ;;
  esac
}

# npm, run by whichever node is first on PATH. Debian patches its npm to look for its own modules in
# /usr/share/nodejs, which only Debian's node does unasked.
run_npm() {
  set -- "$@" --no-update-notifier --no-progress --loglevel=error
  if [ -d /usr/share/nodejs/npm ]; then
    NODE_NO_WARNINGS=1 NODE_PATH=/usr/share/nodejs npm "$@"
  else
    NODE_NO_WARNINGS=1 npm "$@"
  fi
}

fetch_node() {
  if ! command -v npm >/dev/null 2>&1; then
    echo "writ needs Node 24, or npm to fetch it (Debian: apt-get install nodejs npm)" >&2
    exit 1
  fi
  echo "prepare: fetching Node 24 (this machine has $(node --version 2>/dev/null || echo none))" >&2
  (cd "$1" && run_npm ci --ignore-scripts --no-audit --no-fund >/dev/null)
}

use_node() {
  # What was parsed once need not be parsed again by the next short-lived process.
  NODE_COMPILE_CACHE="$1/node_modules/.cache/compile"
  export NODE_COMPILE_CACHE
  if node_fits; then return 0; fi
  if [ "$(node_platform)" = none ]; then
    echo "writ needs Node 24.12 or a later 24 (nodejs.org); $(uname -s) $(uname -m) has no package of it" >&2
    exit 1
  fi
  node_bin="$1/scripts/node/node_modules/node-$(node_platform)/bin"
  [ -x "$node_bin/node" ] || fetch_node "$1/scripts/node"
  PATH="$node_bin:$PATH"
  export PATH
  node_fits && return 0
  echo "writ needs Node 24.12 or a later 24; $node_bin/node does not run here" >&2
  exit 1
}
