# What ./run --sentinel starts: a master, two replicas and three sentinels on loopback. Sourced, not run; uses
# run's variables: root, dir, port. The nodes of ./run --cluster (cluster.sh) are started and stopped here, too.
#
# Each has a directory below $dir/sentinel with its configuration, which Redis rewrites as roles change: so it
# is written once and stays, and a restart finds who is master now.
# shellcheck shell=bash
# shellcheck disable=SC2154

replicated_redis=(redis-1 redis-2 redis-3)
replicated_sentinels=(sentinel-1 sentinel-2 sentinel-3)
master_name=wallet-sync

member_home() {
    case $1 in
        node-*) echo "$dir/cluster/$1" ;;
        *) echo "$dir/sentinel/$1" ;;
    esac
}

# The ports are the next after --port of the first start.
member_port() {
    local first member=$1
    first=$(cat "$(dirname "$(member_home "$member")")/first-port" 2>/dev/null) || first=$((port + 1))
    case $member in
        node-*) echo $((first + ${member#node-} - 1)) ;;
        redis-*) echo $((first + ${member#redis-} - 1)) ;;
        sentinel-*) echo $((first + 3 + ${member#sentinel-} - 1)) ;;
    esac
}

own_member_pid() {
    local pid home
    home=$(member_home "$1")
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
    local member=$1 home
    home=$(member_home "$member")
    {
        echo "# Written by ./run at the first start; Redis changes it."
        if [[ $member != sentinel-* ]]; then
            sed -E '/^(dir|unixsocket|unixsocketperm|port|pidfile|logfile|daemonize) /d' "$root/redis/redis.conf"
            echo "repl-diskless-sync-delay 0"
        fi
        if [[ $member == node-* ]]; then
            node_directives "$member"
        elif [[ $member == redis-* ]]; then
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

check_member_ports() {
    local member
    for member in "$@"; do
        own_member_pid "$member" >/dev/null && continue # left over from an nginx that was killed
        ! (exec 3<>"/dev/tcp/127.0.0.1/$(member_port "$member")") 2>/dev/null \
            || die "port $(member_port "$member") of 127.0.0.1, for $member, is in use; choose another --port and --dir"
    done
}

start_member() {
    local member=$1 home more=()
    home=$(member_home "$member")
    mkdir -p "$home"
    [[ -s $home/redis.conf ]] || write_member_conf "$member"
    ! own_member_pid "$member" >/dev/null || return 0
    [[ $member != sentinel-* ]] || more=(--sentinel)
    (cd "$home" && exec redis-server "$home/redis.conf" "${more[@]}") >"$home/start.log" 2>&1 {directory_lock}>&- \
        || die "$member does not start: $(last_words "$home/start.log" "$home/log")"
    within 600 member_settled "$member" && [[ $(ask_member "$member" ping) == PONG ]] \
        || die "$member does not serve: $(last_words "$home/log")"
}

# Ready, or dead.
member_settled() {
    [[ $(ask_member "$1" ping) == PONG ]] && return
    [[ -s $(member_home "$1")/pid ]] && ! own_member_pid "$1" >/dev/null
}

start_replicated() {
    local member
    mkdir -p "$dir/sentinel"
    check_member_ports "${replicated_redis[@]}" "${replicated_sentinels[@]}"
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

# stop_members MEMBER...: in this order. Fails if none of them runs.
stop_members() {
    local member pid stopped=1
    for member in "$@"; do
        pid=$(own_member_pid "$member") || continue
        stopped=0
        kill -CONT "$pid"
        kill -TERM "$pid"
        within 60 gone "$pid" || die "$member (process $pid) does not stop; see $(member_home "$member")/log"
        rm -f "$(member_home "$member")/pid"
    done
    return "$stopped"
}

# The sentinels first, or they would see the others die.
stop_replicated() {
    stop_members "${replicated_sentinels[@]}" "${replicated_redis[@]}"
}
