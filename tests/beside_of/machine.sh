set -e
cd /proc/sys/net
echo 0 >ipv6/conf/default/accept_dad
ip netns add mine
ip netns exec mine sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
ip -n mine link set lo up
ip link add my0 address 02:00:00:00:01:01 type veth peer name my1 address 02:00:00:00:01:02 netns mine
ip link add spare0 address 02:00:00:00:02:01 type veth peer name spare1 address 02:00:00:00:02:02 netns mine
ip link add mybr address 02:00:00:00:03:00 type bridge stp_state 0
ip link add yourbr address 02:00:00:00:05:00 type bridge stp_state 0
ip link add myport address 02:00:00:00:03:01 type veth peer name myplug address 02:00:00:00:03:02 netns mine
ip link add yours address 02:00:00:00:04:01 type veth peer name yourplug address 02:00:00:00:04:02 netns mine
ip addr add 10.98.0.1/24 dev my0
ip addr add 10.98.0.3/24 dev my0
ip addr add 2001:db8:98::1/64 dev my0
ip addr add 10.94.0.1/24 dev mybr
ip link set myport master mybr
bridge link set dev myport cost 77
for link in my0 mybr myport; do ip link set $link up; done
for link in my1 myplug spare1 yourplug; do ip -n mine link set $link up; done
# What has never been up, or never had a port, is not to be had again, once it was.
ip link set yours master yourbr
for link in spare0 yours yourbr; do ip link set $link up; ip link show $link >/dev/null; done
ip -n mine link show spare1 >/dev/null
ip -n mine link show yourplug >/dev/null
for link in spare0 yours yourbr; do ip link set $link down; done
ip link set yours nomaster
ip -n mine addr add 10.98.0.2/24 dev my1
ip -n mine route add default via 10.98.0.1
ip route add 10.97.0.0/16 via 10.98.0.2 metric 50
ip route add 10.96.0.0/16 via 10.98.0.2 table 100
ip -6 route add 2001:db8:97::/64 via 2001:db8:98::2
ip rule add from 10.95.0.0/16 table 100 priority 1000
ip neigh add 10.98.0.77 lladdr 02:00:00:00:00:77 dev my0 nud permanent
echo 1 >ipv4/conf/my0/forwarding
echo 1 >ipv6/conf/my0/forwarding
echo 2 >ipv4/conf/my0/rp_filter
