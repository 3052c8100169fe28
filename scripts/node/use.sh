# shellcheck shell=sh
# Sourced with $root set: puts a Node 24 first on PATH. The machine's own is used when it fits; otherwise Node comes from
# its npm platform package, which needs no install script, by the lock file beside this one.

node_fits() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major === 24 && minor >= 12 ? 0 : 1)' 2>/dev/null
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
  if [ -d /usr/share/nodejs/npm ]; then
    NODE_PATH=/usr/share/nodejs npm "$@" --no-update-notifier --no-progress --loglevel=error
  else
    npm "$@" --no-update-notifier --no-progress --loglevel=error
  fi
}

node_install() {
  if ! command -v npm >/dev/null 2>&1; then
    echo "writ needs Node 24, or npm to fetch it (Debian: apt-get install nodejs npm)" >&2
    exit 1
  fi
  echo "prepare: fetching Node 24 (this machine has $(node --version 2>/dev/null || echo none))" >&2
  (cd "$root/scripts/node" && run_npm ci --ignore-scripts --no-audit --no-fund) >/dev/null
}

if ! node_fits; then
  if [ "$(node_platform)" = none ]; then
    echo "writ needs Node 24.12 or a later 24 (nodejs.org); $(uname -s) $(uname -m) has no package of it" >&2
    exit 1
  fi
  node_bin="$root/scripts/node/node_modules/node-$(node_platform)/bin"
  [ -x "$node_bin/node" ] || node_install
  PATH="$node_bin:$PATH"
  export PATH
  if ! node_fits; then
    echo "writ needs Node 24.12 or a later 24; $node_bin/node does not run here" >&2
    exit 1
  fi
fi
