#!/usr/bin/env bash
# Install the Debian packages that are missing, or say which they are.
# Usage: tools/setup_debian.sh required|optional
#   required: fail when something stays missing (`make test`)
#   optional: succeed anyway, because the demo can do without (`make demo`)
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
    required) leave_with=1 ;;
    optional) leave_with=0 ;;
    *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;;
esac

mapfile -t wanted < <(sed 's/#.*//' tools/debian-packages.txt | tr -d ' \t' | grep .)
command -v node >/dev/null || wanted+=(nodejs)
command -v npm >/dev/null || wanted+=(npm)
command -v git >/dev/null || wanted+=(git)
python="$(command -v python3.11 || command -v python3 || true)"
if [[ -z $python ]] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    wanted+=(python3 python3-venv)
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system. Please install what these Debian packages hold: ${wanted[*]}" >&2
    exit "$leave_with"
fi

# Sets `missing`. dpkg-query fails for names that it has never heard of, which is no failure here.
find_missing() {
    local installed package
    installed=" $(dpkg-query --show --showformat='${db:Status-Status}/${Package} ' "${wanted[@]}" 2>/dev/null || true)"
    missing=()
    for package in "${wanted[@]}"; do
        [[ $installed == *" installed/$package "* ]] || missing+=("$package")
    done
}

find_missing
(( ${#missing[@]} )) || exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if (( EUID != 0 )); then
    echo "These Debian packages are missing: ${missing[*]}" >&2
    echo "Install them with: sudo apt-get update && sudo ${install[*]}" >&2
    exit "$leave_with"
fi

echo "Installing Debian packages: ${missing[*]}"
# Servers must not start when they are installed: tests start their own, and a container may have no init.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
# Output is shown only on failure: an installation that works has nothing to say.
log="$(mktemp)"
if ! { apt-get update && "${install[@]}"; } </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
fi
rm -f "$log"

find_missing
if (( ${#missing[@]} )); then
    echo "These Debian packages could not be installed: ${missing[*]}" >&2
    exit "$leave_with"
fi
