# shellcheck shell=bash disable=SC2034
# What every script of this folder shares: where the cache is, how progress and
# errors are told, and how a started process is recognised again.
# Sourced, never run. All progress goes to stderr; stdout is for answers.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
CAISSON_HOME=${CAISSON_HOME:-$HOME/.cache/caisson}
CLUSTER=${CAISSON_CLUSTER:-caisson}
export CAISSON_HOME KUBECONFIG="$CAISSON_HOME/kubeconfig"
export PATH="$CAISSON_HOME/bin:$CAISSON_HOME/go/bin:/usr/local/go/bin:$PATH"
mkdir -p "$CAISSON_HOME/bin" "$CAISSON_HOME/log" "$CAISSON_HOME/stamp"
. "$here/versions"

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step "what" command...: run it with its output in a log, and say how long it took.
step() {
  local what=$1 start=$SECONDS log; shift
  log="$CAISSON_HOME/log/$(printf '%s' "$what" | tr -cs 'A-Za-z0-9._-' '-').log"
  printf '  %-52s ' "$what" >&2
  # A subshell of its own with errexit on: "if ! command" would switch it off inside.
  set +e; (set -e; "$@") >"$log" 2>&1; local code=$?; set -e
  if ((code)); then
    printf 'failed after %ds\n' $((SECONDS - start)) >&2
    tail -n 25 "$log" >&2
    die "$what failed; the whole log is $log"
  fi
  printf '%3ds\n' $((SECONDS - start)) >&2
}

# Only one script at a time may build or change the cluster; the others wait for it.
# The descriptor is closed in daemons (9>&-), or they would hold the lock for ever.
lock() {
  exec 9>"$CAISSON_HOME/$1.lock"
  flock -n 9 || { say "  waiting for another run ($1)"; flock 9; }
}

# hash_paths FOLDER PATH...: twelve digits which change when a name, a mode or a byte does.
# Compiled Python does not count, since it comes and goes by itself.
hash_paths() (
  cd "$1"; shift
  find "$@" \( -name __pycache__ -o -name '*.pyc' -o -name '*.egg-info' -o -name .venv \) -prune -o \( -type f -o -type l \) -printf '%m %p\0' |
    LC_ALL=C sort -z | while IFS=' ' read -r -d '' mode path; do
      printf '%s %s %s\n' "$mode" "$path" "$(sha256sum < "$path")"
    done | sha256sum | cut -c1-12
)

is_up_to_date() { [ "$(cat "$CAISSON_HOME/stamp/$1" 2>/dev/null)" = "$2" ]; }
set_stamp() { printf '%s\n' "$2" > "$CAISSON_HOME/stamp/$1"; }

# apt_install COMMAND=PACKAGE...: installs the packages whose command is missing.
apt_install() {
  local pair missing=()
  for pair; do
    command -v "${pair%%=*}" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  ((${#missing[@]})) || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "missing here: ${missing[*]}. As root on Debian or Ubuntu: apt-get install --no-install-recommends ${missing[*]}"
  fi
  step "install ${missing[*]}" install_packages "${missing[@]}"
}
install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -yq --no-install-recommends "$@" ||
    { apt-get update -q && apt-get install -yq --no-install-recommends "$@"; }
}
