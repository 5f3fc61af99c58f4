# What routed-web-db must build. Mended: `lo` up in both.
for ns in web:1:10 db:2:20; do
    IFS=: read -r name net last <<<"$ns"
    ip netns add ns_$name
    ip link add veth-$name type veth peer name veth-$name-host
    ip link set veth-$name netns ns_$name
    ip -n ns_$name link set lo up
    ip -n ns_$name addr add 10.0.$net.$last/24 dev veth-$name
    ip -n ns_$name link set veth-$name up
    ip addr add 10.0.$net.1/24 dev veth-$name-host
    ip link set veth-$name-host up
done
echo 1 >/proc/sys/net/ipv4/ip_forward
ip -n ns_web route add 10.0.2.0/24 via 10.0.1.1
ip -n ns_db route add 10.0.1.0/24 via 10.0.2.1
