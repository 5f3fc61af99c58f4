# What vxlan must build: the training's tunnel with both of its ends, and a routed network below.
for ns in left right internet; do ip netns add $ns; ip -n $ns link set lo up; done
ip -n left link add eth0 type veth peer name eth0 netns internet
ip -n right link add eth0 type veth peer name eth1 netns internet

ip -n left addr add 1.1.1.1/24 dev eth0
ip -n left link set eth0 up
ip -n right addr add 2.2.2.2/24 dev eth0
ip -n right link set eth0 up
ip -n internet addr add 1.1.1.254/24 dev eth0
ip -n internet link set eth0 up
ip -n internet addr add 2.2.2.254/24 dev eth1
ip -n internet link set eth1 up
ip netns exec internet sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
ip -n left route add default via 1.1.1.254
ip -n right route add default via 2.2.2.254

ip -n left link add vx0 type vxlan id 100 local 1.1.1.1 remote 2.2.2.2 dev eth0 dstport 4789
ip -n left addr add 10.0.0.1/24 dev vx0
ip -n left link set vx0 up
ip -n right link add vx0 type vxlan id 100 local 2.2.2.2 remote 1.1.1.1 dev eth0 dstport 4789
ip -n right addr add 10.0.0.2/24 dev vx0
ip -n right link set vx0 up
