# What serialnet-ns must build. Mended: ns4 and ns5 forward, `lo` is up, /24 is written out.
for n in 4 5 6; do
    ip netns add ns$n
    ip -n ns$n link set lo up
done
ip link add veth04 type veth peer name veth14 netns ns4
ip -n ns4 link add veth05 type veth peer name veth15 netns ns5
ip -n ns5 link add veth06 type veth peer name veth16 netns ns6

ip addr add 196.168.1.1/24 dev veth04
ip link set veth04 up
ip -n ns4 addr add 196.168.1.2/24 dev veth14
ip -n ns4 link set veth14 up
ip -n ns4 addr add 197.168.1.1/24 dev veth05
ip -n ns4 link set veth05 up
ip -n ns5 addr add 197.168.1.2/24 dev veth15
ip -n ns5 link set veth15 up
ip -n ns5 addr add 198.168.1.1/24 dev veth06
ip -n ns5 link set veth06 up
ip -n ns6 addr add 198.168.1.2/24 dev veth16
ip -n ns6 link set veth16 up

ip route add 197.168.1.0/24 via 196.168.1.2
ip route add 198.168.1.0/24 via 196.168.1.2
ip -n ns4 route add default via 196.168.1.1
ip -n ns4 route add 198.168.1.0/24 via 197.168.1.2
ip -n ns5 route add default via 197.168.1.1
ip -n ns6 route add default via 198.168.1.1
for n in 4 5; do ip netns exec ns$n sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'; done
