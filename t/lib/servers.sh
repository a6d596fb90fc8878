# Starting and stopping the nginx and the Redis of ./run. Sourced, not run; uses run's variables:
# root, dir, port, workers, accounts, redis_address, sentinel, cluster, nginx, user.
# shellcheck shell=bash
# shellcheck disable=SC2154

# ---- whose process is it

# A pid file may outlive its process and the number may be somebody else's by now, so the process must also
# look like ours: these two print the pid, or fail.
own_nginx_pid() {
    local pid
    pid=$(cat "$dir/nginx.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "-c $dir/nginx.conf" || return 1
    echo "$pid"
}

own_redis_pid() {
    local pid
    pid=$(cat "$dir/redis.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == redis-server ]] || return 1
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$dir/data" ]] || return 1
    echo "$pid"
}

own_mail_pid() {
    local pid
    pid=$(cat "$dir/mail.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "mail_receiver.py $dir " || return 1
    echo "$pid"
}

# within SECONDS COMMAND...: repeats the command until it succeeds.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

port_answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

# ---- who does it

# As root, nginx's workers get a user who may do nothing. Prints him, and his group.
workers_user() {
    local name
    for name in ${user:-www-data nobody}; do
        if id -u "$name" >/dev/null 2>&1; then
            echo "$name $(id -gn "$name")"
            return
        fi
    done
    die "--user: there is no user ${user:-www-data or nobody}"
}

# as_workers COMMAND...: with the rights of nginx's workers.
as_workers() {
    local name group
    if ((EUID != 0)); then
        "$@"
        return
    fi
    read -r name group < <(workers_user)
    setpriv --reuid "$name" --regid "$group" --clear-groups "$@"
}

# ---- Redis

# The state may lie where the workers' user cannot look, such as root's home: then it is no place for the socket.
redis_socket() {
    if ((EUID == 0)); then
        echo "/run/wallet-sync-$(fingerprint "$dir/" | head -c 12)/redis.sock"
    else
        echo "$dir/redis.sock"
    fi
}

start_redis() {
    local socket group perm=700
    socket=$(redis_socket)
    if ((EUID == 0)); then
        perm=770
        read -r _ group < <(workers_user)
        install -d -m 750 -g "$group" "$(dirname "$socket")"
    fi
    chmod 700 "$dir/data"
    {
        echo "# Written by ./run at each start from $root/redis/redis.conf."
        sed -E '/^(dir|unixsocket|unixsocketperm|pidfile|logfile|daemonize) /d' "$root/redis/redis.conf"
        cat <<END

################################### FROM ./run ##################################

dir "$dir/data"
unixsocket "$socket"
unixsocketperm $perm
pidfile "$dir/redis.pid"
logfile "$dir/logs/redis.log"
daemonize yes
END
    } >"$dir/redis.conf"
    if ! own_redis_pid >/dev/null; then # else it is left over from an nginx that was killed
        redis-server "$dir/redis.conf" >"$dir/logs/redis-start.log" 2>&1 {directory_lock}>&- \
            || die "Redis does not start: $(last_words "$dir/logs/redis-start.log" "$dir/logs/redis.log")"
        # A large append-only file takes its time to load; PING says LOADING until then.
        within 600 redis_settled || true
    fi
    ((EUID != 0)) || chgrp "$group" "$socket" || true
    [[ $(as_workers redis-cli -s "$socket" ping 2>/dev/null) == PONG ]] \
        || die "Redis does not serve: $(last_words "$dir/logs/redis.log")"
}

# Ready, or dead.
redis_settled() {
    [[ $(redis-cli -s "$(redis_socket)" ping 2>/dev/null) == PONG ]] && return
    [[ -s $dir/redis.pid ]] && ! own_redis_pid >/dev/null
}

# SIGTERM: Redis flushes its append-only file before it goes.
stop_redis() {
    local pid
    pid=$(own_redis_pid) || return 0
    kill -TERM "$pid"
    within 60 gone "$pid" || die "Redis (process $pid) does not stop; see $dir/logs/redis.log"
    rm -f "$dir/redis.pid" "$(redis_socket)"
    ((EUID != 0)) || rmdir "$(dirname "$(redis_socket)")" 2>/dev/null || true
}

check_foreign_redis() {
    local where reply host
    if [[ $redis_address == unix:* ]]; then
        where=(-s "${redis_address#unix:}")
    else
        host=${redis_address%:*} host=${host#[} host=${host%]}
        where=(-h "$host" -p "${redis_address##*:}")
    fi
    reply=$(timeout 5 redis-cli "${where[@]}" ping 2>&1) || reply=${reply:-no answer within 5 seconds}
    [[ $reply == PONG ]] || die "no usable Redis at $redis_address: $(head -n 1 <<<"$reply")"
    ((EUID != 0)) || [[ $(as_workers timeout 5 redis-cli "${where[@]}" ping 2>&1) == PONG ]] \
        || die "the user of nginx's workers, $(workers_user | cut -d' ' -f1), may not use $redis_address; name another one with --user"
}

# ---- the receiver of mails

# Its words go to the terminal as long as we stay in the foreground.
start_mail() {
    stop_mail # left over from a ./run that was killed: it talks to another terminal
    rm -f "$dir/mail.port"
    local receiver=(/usr/bin/python3 "$root/t/lib/mail_receiver.py" "$dir" "http://127.0.0.1:$port")
    if [[ $detach == yes ]]; then
        setsid "${receiver[@]}" >>"$dir/logs/mail.log" 2>&1 </dev/null {directory_lock}>&- &
    else
        "${receiver[@]}" 2>"$dir/logs/mail.log" </dev/null {directory_lock}>&- &
    fi
    echo $! >"$dir/mail.pid"
    within 20 mail_settled && [[ -s $dir/mail.port ]] \
        || die "the receiver of mails does not start: $(last_words "$dir/logs/mail.log")"
}

# Ready, or dead.
mail_settled() {
    [[ -s $dir/mail.port ]] || gone "$(cat "$dir/mail.pid")"
}

stop_mail() {
    local pid
    pid=$(own_mail_pid) || return 0
    kill -TERM "$pid"
    within 10 gone "$pid" || die "the receiver of mails (process $pid) does not stop"
    rm -f "$dir/mail.pid" "$dir/mail.port"
}

# ---- nginx

# Whether the module is compiled into this nginx.
nginx_has_module() {
    cat >"$dir/tmp/probe.conf" <<END
pid "$dir/tmp/probe.pid";
events {}
http { access_log off; wallet_sync_accounts open; }
END
    local words
    words=$("$nginx" -t -q -e stderr -p "$dir" -c "$dir/tmp/probe.conf" 2>&1) || true
    rm -f "$dir"/tmp/probe.*
    [[ $words != *'unknown directive "wallet_sync'* ]]
}

accounts_directives() {
    local address
    case $accounts in
        open) echo 'wallet_sync_accounts open;' ;;
        whitelist:*)
            printf 'wallet_sync_accounts whitelist'
            tr ',' '\n' <<<"${accounts#whitelist:}" | while read -r address; do
                [[ -z $address ]] || printf ' "%s"' "$address"
            done
            echo ';'
            ;;
        email)
            echo 'wallet_sync_accounts email;'
            echo "    wallet_sync_mail smtp://127.0.0.1:$(cat "$dir/mail.port") starttls=off sending_domain=localhost"
            echo "                     server_domain=127.0.0.1:$port;"
            ;;
    esac
}

store_address() {
    if [[ $sentinel == yes ]]; then
        sentinels_address
    elif [[ -n $cluster ]]; then
        cluster_address
    else
        echo "${redis_address:-unix:$(redis_socket)}"
    fi
}

# write_nginx_conf MODULE: with an empty MODULE for an nginx that has it compiled in.
write_nginx_conf() {
    local files
    files=$(ulimit -Hn)
    [[ $files != unlimited ]] && ((files < 16384)) || files=16384
    {
        echo '# Written by ./run at each start.'
        [[ -z $1 ]] || echo "load_module \"$1\";"
        ((EUID != 0)) || echo "user $(workers_user);"
        cat <<END
worker_processes $workers;
worker_rlimit_nofile $files;
worker_shutdown_timeout 10s;
pid "$dir/nginx.pid";
error_log "$dir/logs/error.log" warn;

events {
    worker_connections $((files / 2));
}

http {
    # Tokens come in the query string: the log names the path without it.
    log_format without_arguments '\$remote_addr [\$time_iso8601] "\$request_method \$uri \$server_protocol" '
                                 '\$status \$body_bytes_sent \$request_time';
    access_log "$dir/logs/access.log" without_arguments;

    client_body_temp_path "$dir/tmp/body";
    proxy_temp_path "$dir/tmp/proxy";
    fastcgi_temp_path "$dir/tmp/fastcgi";
    uwsgi_temp_path "$dir/tmp/uwsgi";
    scgi_temp_path "$dir/tmp/scgi";

    wallet_sync_redis "$(store_address)";
    $(accounts_directives)

    # What nginx itself answers, in the API's form.
    map \$status \$reason {
        default "Bad Request";
        403     "Forbidden";
        404     "Not Found";
        405     "Method Not Allowed";
        408     "Request Timeout";
        413     "Request Entity Too Large";
        414     "Request-URI Too Large";
        500     "Internal Server Error";
        501     "Not Implemented";
        503     "Service Unavailable";
        505     "HTTP Version Not Supported";
    }
    map \$status \$retry_after {
        503     1;
    }

    server {
        listen 127.0.0.1:$port;

$(page_locations)

        location / {
            wallet_sync;
        }

        location = /metrics {
            access_log off;
            wallet_sync_metrics;
        }

        location = /health {
            access_log off;
            wallet_sync_health ready;
        }

        error_page 400 403 404 405 408 413 414 500 501 503 505 /.error;
        error_page 494 =400 /.error;
        location = /.error {
            internal;
            default_type application/json;
            add_header Cache-Control no-store always;
            add_header Retry-After \$retry_after always;
            return 200 '{"error":"\$reason"}';
        }
    }
}
END
    } >"$dir/nginx.conf"
}

start_nginx() {
    write_nginx_conf "$1"
    # It goes to the background only when its sockets are bound.
    "$nginx" -e "$dir/logs/error.log" -p "$dir" -c "$dir/nginx.conf" >"$dir/logs/nginx-start.log" 2>&1 \
        {directory_lock}>&- \
        || die "nginx does not start: $(last_words "$dir/logs/nginx-start.log")"
    within 10 own_nginx_pid >/dev/null && within 10 port_answers \
        || die "nginx does not serve: $(last_words "$dir/logs/error.log")"
}

# SIGQUIT: requests in flight are finished, for at most worker_shutdown_timeout.
stop_nginx() {
    local pid
    pid=$(own_nginx_pid) || return 0
    kill -QUIT "$pid"
    within 20 gone "$pid" && return
    kill -TERM "$pid" 2>/dev/null || true
    within 10 gone "$pid" || die "nginx (process $pid) does not stop; see $dir/logs/error.log"
}

# What went wrong, in one line: nginx's last [emerg] or the last two lines, of the first file that has any.
last_words() {
    local file
    for file in "$@"; do
        grep -h '\[emerg\]' "$file" 2>/dev/null | tail -n 1 | grep . && return
        grep -v '^$' "$file" 2>/dev/null | tail -n 2 | paste -sd' ' | grep . && return
    done
    echo "no word why"
}
