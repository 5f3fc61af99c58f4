# What vlan-bridge must build: two bridges that filter VLANs, a trunk, two access ports on each.
for sw in 0 1; do
    ip link add br$sw type bridge vlan_filtering 1
    ip link set br$sw up
done
ip link add trunk0 type veth peer name trunk1
for sw in 0 1; do
    ip link set trunk$sw master br$sw up
    bridge vlan del dev trunk$sw vid 1
    for vid in 10 20; do bridge vlan add dev trunk$sw vid $vid; done
done
for sw in 0 1; do
    n=$((sw + 1))
    for ns in sales:10:1 dev:20:2; do
        IFS=: read -r name vid tens <<<"$ns"
        ip netns add $name$n
        ip -n $name$n link set lo up
        ip link add $name$n type veth peer name eth0 netns $name$n
        ip link set $name$n master br$sw up
        bridge vlan del dev $name$n vid 1
        bridge vlan add dev $name$n vid $vid pvid untagged
        ip -n $name$n addr add 10.0.0.$tens$n/24 dev eth0
        ip -n $name$n link set eth0 up
    done
done
