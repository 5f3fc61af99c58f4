# What netns-basics must leave behind: ns_web with `lo` up, a cable on the host, and no ns_db any more.
ip netns add ns_web
ip netns add ns_db
ip -n ns_web link set lo up
ip link add veth-a type veth peer name veth-b
ip link set veth-a up
ip link set veth-b up
ip netns delete ns_db
