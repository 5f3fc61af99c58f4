# What create-ns-bridge must build. Mended: `lo` up in each namespace.
ip link add stdocker type bridge
ip link set stdocker up
for n in 1 2 3; do
    near=veth$((2 * n - 1)) far=veth$((2 * n - 2))
    ip netns add ns$n
    ip link add $far type veth peer name $near
    ip link set $near master stdocker up
    ip link set $far netns ns$n
    ip -n ns$n link set lo up
    ip -n ns$n link set $far up
    ip -n ns$n addr add 194.168.1.$((n + 1))/8 dev $far
done
