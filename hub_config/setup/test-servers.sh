#!/bin/sh
# What only some tests need: a PostgreSQL server, Java for Spark, and the program of nginx. Installed where that is possible without asking;
# otherwise it is said which tests will skip, and how to have them run.
set -eu
# Its package would start a web server of the machine: only the program is taken out of it.
nginx=.venv/servers/nginx
if ! command -v nginx >/dev/null 2>&1 && [ ! -x $nginx ] && command -v apt-get >/dev/null 2>&1; then
    fetched=$(mktemp -d)
    if (cd "$fetched" && { apt-get download nginx || { apt-get update && apt-get download nginx; }; } && dpkg-deb -x nginx_*.deb .) >/dev/null 2>&1; then
        mkdir -p .venv/servers
        cp "$fetched/usr/sbin/nginx" $nginx
    else
        echo "setup: tests of the example of a proxy will skip: nginx could not be fetched (sudo apt-get install nginx)"
    fi
    rm -rf "$fetched"
fi
missing=""
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v java >/dev/null 2>&1 || missing="$missing default-jre-headless"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "setup: installing for the tests:$missing"
    # shellcheck disable=SC2086  # a list of words
    if { DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y $missing ||
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y $missing; }; } >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "setup: tests of the PostgreSQL and Spark engines will skip, these are missing:$missing"
echo "    sudo apt-get install --no-install-recommends -y$missing"
