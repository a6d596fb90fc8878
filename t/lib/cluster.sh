# What ./run --cluster starts: a Redis Cluster of masters with a replica each, on loopback. Sourced, not run; uses
# run's variables: root, dir, port, cluster (how many masters), and sentinels.sh.
#
# node-1 to node-N are the masters to begin with, the next N their replicas. Each has a directory below
# $dir/cluster with what it knows of the others; a restart finds who is master now.
# shellcheck shell=bash
# shellcheck disable=SC2154

cluster_slots=16384

# As many as there were at the first start.
cluster_masters() {
    cat "$dir/cluster/masters" 2>/dev/null || echo "$cluster"
}

cluster_nodes() {
    local number
    for ((number = 1; number <= 2 * $(cluster_masters); number++)); do echo "node-$number"; done
}

# Nodes talk to each other on as many ports again, behind those for clients.
bus_port() {
    echo $(($(member_port "$1") + 2 * $(cluster_masters)))
}

node_directives() {
    cat <<END
cluster-enabled yes
cluster-config-file nodes.conf
cluster-port $(bus_port "$1")
cluster-node-timeout 2000
# A master without a successor takes its own accounts along, not all.
cluster-require-full-coverage no
END
}

cluster_address() {
    local number addresses=()
    for ((number = 1; number <= $(cluster_masters); number++)); do
        addresses+=("127.0.0.1:$(member_port "node-$number")")
    done
    (
        IFS=,
        echo "cluster://${addresses[*]}"
    )
}

start_cluster() {
    local node nodes
    mkdir -p "$dir/cluster"
    [[ -s $dir/cluster/masters ]] || echo "$cluster" >"$dir/cluster/masters"
    [[ $(cluster_masters) == "$cluster" ]] \
        || die "--cluster $cluster: the cluster in $dir has $(cluster_masters) masters; name another --dir"
    [[ -s $dir/cluster/first-port ]] || echo $((port + 1)) >"$dir/cluster/first-port"
    mapfile -t nodes < <(cluster_nodes)
    check_member_ports "${nodes[@]}"
    for node in "${nodes[@]}"; do start_member "$node"; done
    [[ -e $dir/cluster/made ]] || make_cluster "${nodes[@]}"
    for node in "${nodes[@]}"; do
        within 60 sees_the_cluster "$node" || die "$node does not see the cluster; see $(member_home "$node")/log"
    done
}

make_cluster() {
    local nodes=("$@") masters number
    masters=$(cluster_masters)
    for ((number = 0; number < 2 * masters; number++)); do
        # A first start that was interrupted has done a part of this.
        ask_member "${nodes[number]}" cluster set-config-epoch $((number + 1)) >/dev/null
        if ((number < masters)); then
            ask_member "${nodes[number]}" cluster addslotsrange $((cluster_slots * number / masters)) \
                $((cluster_slots * (number + 1) / masters - 1)) >/dev/null
        fi
        if ((number > 0)); then
            ask_member "${nodes[0]}" cluster meet 127.0.0.1 "$(member_port "${nodes[number]}")" \
                "$(bus_port "${nodes[number]}")" >/dev/null
        fi
    done
    for ((number = masters; number < 2 * masters; number++)); do
        within 60 follows "${nodes[number]}" "${nodes[number - masters]}" \
            || die "${nodes[number]} does not become a replica; see $(member_home "${nodes[number]}")/log"
    done
    touch "$dir/cluster/made"
}

# Possible once it has heard of its master.
follows() {
    [[ $(ask_member "$1" cluster replicate "$(ask_member "$2" cluster myid)") == OK ]]
}

# Only then failovers work.
sees_the_cluster() {
    local masters
    masters=$(cluster_masters)
    ask_member "$1" cluster info | grep -q '^cluster_state:ok' \
        && [[ $(ask_member "$1" cluster nodes | grep -c ' connected') == $((2 * masters)) ]] \
        && [[ $(ask_member "$1" cluster nodes | grep -c slave) == "$masters" ]]
}

# The replicas first, or they would take the masters' places.
stop_cluster() {
    local nodes node replicas=() masters=()
    [[ -d $dir/cluster ]] || return 1
    mapfile -t nodes < <(cluster_nodes)
    for node in "${nodes[@]}"; do
        if [[ $(timeout 5 redis-cli -p "$(member_port "$node")" role 2>/dev/null | head -n 1) == master ]]; then
            masters+=("$node")
        else
            replicas+=("$node")
        fi
    done
    stop_members "${replicas[@]}" "${masters[@]}"
}
