# What create-ns must build. Mended: ns3 has its address and route, `lo` is up, /24 is written out.
for n in 1 2 3; do
    near=veth$((2 * n - 1)) far=veth$((2 * n - 2)) net=$((192 + n)).168.1
    ip netns add ns$n
    ip link add $far type veth peer name $near
    ip link set $far netns ns$n
    ip addr add $net.2/24 dev $near
    ip link set $near up
    ip -n ns$n link set lo up
    ip -n ns$n addr add $net.1/24 dev $far
    ip -n ns$n link set $far up
    ip -n ns$n route add default via $net.2
done
echo 1 >/proc/sys/net/ipv4/ip_forward
