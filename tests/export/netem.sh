# A slow wire.
ip netns add a; ip netns add b
ip -n a link add eth0 type veth peer name eth0 netns b
ip -n a link set eth0 up; ip -n b link set eth0 up
tc -n a qdisc add dev eth0 root netem delay 20ms 5ms loss 0.3% rate 10mbit limit 500
tc -n b qdisc add dev eth0 root netem delay 1500us duplicate 1% corrupt 2% reorder 25%
