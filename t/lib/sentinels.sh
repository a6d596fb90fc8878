# What ./run --sentinel starts: a master, two replicas and three sentinels on loopback. Sourced, not run; uses
# run's variables: root, dir, port.
#
# Each has a directory below $dir/sentinel with its configuration, which Redis rewrites as roles change: so it
# is written once and stays, and a restart finds who is master now.
# shellcheck shell=bash
# shellcheck disable=SC2154

replicated_redis=(redis-1 redis-2 redis-3)
replicated_sentinels=(sentinel-1 sentinel-2 sentinel-3)
master_name=wallet-sync

# The ports are the next six after --port of the first start.
member_port() {
    local first member=$1
    first=$(cat "$dir/sentinel/first-port" 2>/dev/null) || first=$((port + 1))
    case $member in
        redis-*) echo $((first + ${member#redis-} - 1)) ;;
        sentinel-*) echo $((first + 3 + ${member#sentinel-} - 1)) ;;
    esac
}

own_member_pid() {
    local pid home=$dir/sentinel/$1
    pid=$(cat "$home/pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == redis-* ]] || return 1
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$home" ]] || return 1
    echo "$pid"
}

ask_member() {
    redis-cli -p "$(member_port "$1")" "${@:2}" 2>/dev/null
}

sentinels_address() {
    local member addresses=()
    for member in "${replicated_sentinels[@]}"; do addresses+=("127.0.0.1:$(member_port "$member")"); done
    (
        IFS=,
        echo "sentinel://$master_name@${addresses[*]}"
    )
}

write_member_conf() {
    local member=$1 home=$dir/sentinel/$1
    {
        echo "# Written by ./run at the first start; Redis changes it."
        if [[ $member == redis-* ]]; then
            sed -E '/^(dir|unixsocket|unixsocketperm|port|pidfile|logfile|daemonize) /d' "$root/redis/redis.conf"
            echo "repl-diskless-sync-delay 0"
            [[ $member == redis-1 ]] || echo "replicaof 127.0.0.1 $(member_port redis-1)"
        else
            echo "sentinel monitor $master_name 127.0.0.1 $(member_port redis-1) 2"
            echo "sentinel down-after-milliseconds $master_name 1000"
            echo "sentinel failover-timeout $master_name 10000"
        fi
        cat <<END
bind 127.0.0.1
port $(member_port "$member")
dir "$home"
pidfile "$home/pid"
logfile "$home/log"
daemonize yes
END
    } >"$home/redis.conf"
}

check_replicated_ports() {
    local member
    for member in "${replicated_redis[@]}" "${replicated_sentinels[@]}"; do
        own_member_pid "$member" >/dev/null && continue # left over from an nginx that was killed
        ! (exec 3<>"/dev/tcp/127.0.0.1/$(member_port "$member")") 2>/dev/null \
            || die "port $(member_port "$member") of 127.0.0.1, for $member, is in use; choose another --port and --dir"
    done
}

start_member() {
    local member=$1 home=$dir/sentinel/$1 more=()
    mkdir -p "$home"
    [[ -s $home/redis.conf ]] || write_member_conf "$member"
    ! own_member_pid "$member" >/dev/null || return 0
    [[ $member == redis-* ]] || more=(--sentinel)
    (cd "$home" && exec redis-server "$home/redis.conf" "${more[@]}") >"$home/start.log" 2>&1 {directory_lock}>&- \
        || die "$member does not start: $(last_words "$home/start.log" "$home/log")"
    within 600 member_settled "$member" && [[ $(ask_member "$member" ping) == PONG ]] \
        || die "$member does not serve: $(last_words "$home/log")"
}

# Ready, or dead.
member_settled() {
    [[ $(ask_member "$1" ping) == PONG ]] && return
    [[ -s $dir/sentinel/$1/pid ]] && ! own_member_pid "$1" >/dev/null
}

start_replicated() {
    local member
    mkdir -p "$dir/sentinel"
    check_replicated_ports
    [[ -s $dir/sentinel/first-port ]] || echo $((port + 1)) >"$dir/sentinel/first-port"
    for member in "${replicated_redis[@]}" "${replicated_sentinels[@]}"; do start_member "$member"; done
    for member in "${replicated_sentinels[@]}"; do
        within 60 knows_its_fellows "$member" || die "$member does not see the others; see $dir/sentinel/$member/log"
    done
}

# Only then it can do a failover.
knows_its_fellows() {
    local about
    about=$(ask_member "$1" sentinel master "$master_name") || return 1
    [[ $(grep -A 1 -x num-slaves <<<"$about" | tail -n 1) == 2 ]] \
        && [[ $(grep -A 1 -x num-other-sentinels <<<"$about" | tail -n 1) == 2 ]]
}

# The sentinels first, or they would see the others die.
stop_replicated() {
    local member pid stopped=1
    for member in "${replicated_sentinels[@]}" "${replicated_redis[@]}"; do
        pid=$(own_member_pid "$member") || continue
        stopped=0
        kill -CONT "$pid"
        kill -TERM "$pid"
        within 60 gone "$pid" || die "$member (process $pid) does not stop; see $dir/sentinel/$member/log"
        rm -f "$dir/sentinel/$member/pid"
    done
    return "$stopped"
}
