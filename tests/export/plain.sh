# A bridge with two machines and what hangs on them, made with iproute2 alone.
ip netns add h-1; ip netns add r; ip netns add 3com
ip -n h-1 link set lo up; ip -n r link set lo up
ip link add br0 type bridge stp_state 1 forward_delay 400
ip link set br0 up
ip addr add 10.0.0.254/24 dev br0
for ns in h-1 r; do ip link add v-$ns type veth peer name eth0 netns $ns; ip link set v-$ns master br0 up; ip -n $ns link set eth0 up; done
ip -n h-1 addr add 10.0.0.1/24 brd + dev eth0
ip -n h-1 addr add 10.0.0.2/24 dev eth0 label eth0:1
ip -n h-1 addr add 10.9.0.1 peer 10.9.0.2/32 dev eth0
ip -n h-1 addr add fd00::1/64 dev eth0 nodad
ip -n h-1 addr add fd00::2/64 dev eth0
ip -n h-1 addr add fd00::3/64 dev eth0 nodad
ip -n h-1 addr add fe80::77/64 dev eth0 nodad
ip -n r addr add 10.0.0.3/24 dev eth0
ip -n r link set eth0 address 02:00:00:00:00:33 mtu 1400 txqueuelen 50 alias "to the bridge"
ip link set v-r mtu 1400
ip -n h-1 route add default via 10.0.0.3
ip -n h-1 route add 10.1.0.0/16 nexthop via 10.0.0.3 weight 2 nexthop via 10.0.0.254
ip -n h-1 route add blackhole 10.2.0.0/16
ip -n h-1 route add unreachable fd99::/64
ip -n h-1 route add 10.3.0.0/16 via 10.0.0.3 metric 50 table 100 mtu 1300
ip -n h-1 route add 10.4.0.0/16 dev eth0 src 10.0.0.2
ip -n h-1 route add 192.0.2.1 via 172.31.0.1 dev eth0 onlink
ip -n h-1 -6 route add default via fe80::1 dev eth0
ip -n h-1 -6 route add fd01::/64 via fd00::9 metric 5
ip -n h-1 rule add from 10.0.0.0/24 lookup 100 priority 100
ip -n h-1 rule add fwmark 7 blackhole priority 200
ip -n h-1 -6 rule add to fd05::/64 lookup 100 priority 300
ip -n h-1 rule del priority 32767
ip -n h-1 neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0
ip -n h-1 neigh add proxy 10.0.0.78 dev eth0
bridge fdb add 02:00:00:00:00:99 dev v-r master static
bridge link set dev v-r cost 42 isolated on
ip netns exec r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.eth0.rp_filter=1 net.ipv4.ip_default_ttl=33
ip -n r link add vx0 type vxlan id 42 remote 10.0.0.1 dstport 4789 dev eth0 ttl 5
ip -n r link add vx1 type vxlan id 43 dstport 8472 nolearning local 10.0.0.3
bridge -n r fdb append 00:00:00:00:00:00 dev vx1 dst 10.0.0.1
bridge -n r fdb append 00:00:00:00:00:00 dev vx1 dst 10.0.0.2
bridge -n r fdb add 02:00:00:00:00:55 dev vx1 dst 10.0.0.2
ip -n r link set vx0 up
ip -n r link add link eth0 name mv0 netns 3com type macvlan mode private
ip -n 3com addr add 10.0.0.9/24 dev mv0; ip -n 3com link set mv0 up
ip -n r link add name v.1 type veth peer name v.2
ip -n r link set v.1 up
ip netns exec r sysctl -qw net/ipv4/conf/v.1/proxy_arp=1
ip -n r link add ifb9 type ifb
ip tuntap add tap0 mode tap; ip link set tap0 master br0 up
