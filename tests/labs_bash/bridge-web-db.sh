# What bridge-web-db must build.
ip link add br0 type bridge
ip link set br0 up
for ns in web:10 db:20; do
    name=${ns%:*} last=${ns#*:}
    ip netns add ns_$name
    ip link add veth-$name type veth peer name veth-$name-br
    ip link set veth-$name netns ns_$name
    ip link set veth-$name-br master br0 up
    ip -n ns_$name link set lo up
    ip -n ns_$name addr add 192.168.100.$last/24 dev veth-$name
    ip -n ns_$name link set veth-$name up
done
ip addr add 192.168.100.1/24 dev br0
