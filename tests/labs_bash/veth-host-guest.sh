# What veth-host-guest must build. Mended: `lo` up in ns_web.
ip netns add ns_web
ip -n ns_web link set lo up
ip link add veth-host type veth peer name veth-guest
ip link set veth-guest netns ns_web
ip addr add 10.10.10.1/24 dev veth-host
ip link set veth-host up
ip -n ns_web addr add 10.10.10.2/24 dev veth-guest
ip -n ns_web link set veth-guest up
