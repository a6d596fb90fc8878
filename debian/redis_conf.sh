#!/bin/sh
# Makes the package's redis.conf of the one in the sources: nginx's workers (www-data) share the socket through its
# group, and systemd is told when Redis is ready.
set -eu
# shellcheck disable=SC2016 # no command, but words of a comment
sed -e 's/^unixsocketperm 700$/unixsocketperm 770/' \
    -e 's/^# Owner only: nginx.*$/# nginx'"'"'s workers are another user of the same group (www-data, see wallet-sync-redis.service)./' \
    -e '/^# group instead\. /d' \
    -e 's/^daemonize no$/daemonize no\nsupervised systemd/' \
    -e 's|^#     redis-server /path/to/this/redis.conf$|#     systemctl start wallet-sync-redis|' \
    -e 's|^# after adapting `dir`.*$|# or let it start with the machine, which is how the package leaves it.|' \
    -e '/^# includes this one\. /s/includes this one\. //' "$1"
