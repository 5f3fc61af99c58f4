# Somebody's network before the lab: everything that a change of one link can lose, out of the ordinary wherever it can be.
#
#   host  v0 ── p0   mine    a link with everything on it, a macvlan and a vxlan; addresses go through DAD
#         v1 ── p1   mine    its second leg, without DAD, and nothing on top
#         gw0 ─ gw0  isp     the way out: default routes are here and never on v0 and v1
#         ubr: ub0 ub1 ub2   a bridge, its ports' options out of the ordinary; the other ends ubp0 … are in mine
#         ubr2: uc0 vx0      a second bridge, with the vxlan that goes over v0 as a port
#         off0 ─ off1        a pair that is down
set -euo pipefail
sysctl() { echo "$2" >"/proc/sys/net/$1"; }

# No DAD is settled where links do without it; the others keep what the kernel sets.
for ns in mine isp; do
    ip netns add $ns
    ip -n $ns link set lo up
done
ip link add v0 index 20 address 02:00:00:00:20:00 txqueuelen 77 type veth peer name p0 netns mine
ip link add v1 index 21 numtxqueues 4 numrxqueues 4 type veth peer name p1 netns mine
ip link add gw0 type veth peer name gw0 netns isp
ip link add off0 type veth peer name off1
for n in 0 1 2; do ip link add ub$n type veth peer name ubp$n netns mine; done
ip link add uc0 type veth peer name ucp0 netns mine
sysctl ipv6/conf/v1/accept_dad 0
sysctl ipv6/conf/gw0/accept_dad 0
ip netns exec mine sh -c 'echo 0 >/proc/sys/net/ipv6/conf/p1/accept_dad'
ip netns exec isp sh -c 'echo 0 >/proc/sys/net/ipv6/conf/gw0/accept_dad'

# Links and what is on top of them.
ip link property add dev v0 altname the-users-first-uplink altname alt0
ip link set v0 mtu 1450 alias "the user's, do not touch" group 7 promisc on allmulticast on
ip link set v1 gso_max_size 30000 gso_max_segs 77 addrgenmode none
ip -n mine link set p0 mtu 1450 alias "the other end" group 8 txqueuelen 78
ip -n mine link property add dev p0 altname the-users-other-end
ip link add ubr type bridge stp_state 0 priority 4096 ageing_time 12300 forward_delay 400 hello_time 300 \
    max_age 1500 group_fwd_mask 8 mcast_snooping 1 mcast_querier 0 mcast_hash_max 512
ip link add ubr2 address 02:00:00:00:22:00 type bridge stp_state 0 mcast_snooping 0
ip link add mv0 link v0 address 02:00:00:00:20:10 type macvlan mode bridge
ip link add vx0 mtu 1380 type vxlan id 42 dev v0 local 10.0.0.1 group 239.1.1.1 dstport 4789 srcport 40000 50000 \
    ttl 9 tos 4 ageing 77 maxaddress 99 nolearning
for n in 2 0 1; do ip link set ub$n master ubr; done
for link in uc0 vx0; do ip link set $link master ubr2; done
for link in lo v0 v1 gw0 ub0 ub1 ub2 uc0 vx0 mv0 ubr ubr2; do ip link set $link up; done
for link in p0 p1 ubp0 ubp1 ubp2 ucp0; do ip -n mine link set $link up; done
ip -n isp link set gw0 up
# Ports of the bridges.
bridge link set dev ub0 cost 33 priority 9 hairpin on guard on root_block on learning off flood off mcast_flood off \
    bcast_flood off neigh_suppress on
bridge link set dev ub0 fastleave on mcast_router 2 mcast_to_unicast on
ip link set ub0 type bridge_slave group_fwd_mask 8
bridge link set dev ub1 cost 7 isolated on
bridge link set dev ub2 priority 3 locked on learning off
ip link set ub2 type bridge_slave backup_port ub1
bridge fdb add 02:00:00:00:00:09 dev ub0 master static
bridge fdb add 02:00:00:00:00:0a dev ub0 master permanent
bridge fdb add 02:00:00:00:00:0b dev ub0 self
bridge fdb add 02:00:00:00:00:0c dev ub1 master static sticky
bridge fdb add 02:00:00:00:00:0d dev ubr self
bridge fdb add 02:00:00:00:00:0e dev uc0 master static
bridge mdb add dev ubr port ub1 grp 239.7.7.7 permanent
bridge mdb add dev ubr port ub0 grp ff0e::7 permanent
bridge fdb append 00:00:00:00:00:00 dev vx0 dst 10.0.0.12
bridge fdb append 00:00:00:00:00:00 dev vx0 dst 10.1.0.12 via v1 vni 99 port 5000
bridge fdb add 02:00:00:00:00:0f dev vx0 dst 10.0.0.13
bridge fdb add 02:00:00:00:00:1f dev vx0 master static

# Queues.
tc qdisc add dev v0 root tbf rate 10mbit burst 10k latency 50ms
tc qdisc add dev v0 ingress
tc qdisc add dev v1 root handle 1: htb default 10
tc class add dev v1 parent 1: classid 1:1 htb rate 8mbit
tc class add dev v1 parent 1:1 classid 1:10 htb rate 5mbit ceil 6mbit
tc class add dev v1 parent 1:1 classid 1:20 htb rate 1mbit prio 3
tc qdisc add dev v1 parent 1:10 handle 10: pfifo limit 7
tc qdisc add dev v1 clsact
tc -n mine qdisc add dev p0 root handle 5: pfifo limit 9

# Settings, before the addresses, since some decide what an address makes.
sysctl ipv4/ip_forward 0
sysctl ipv4/conf/all/accept_redirects 0
sysctl ipv4/conf/v0/forwarding 1
sysctl ipv4/conf/v0/rp_filter 2
sysctl ipv4/conf/v0/arp_ignore 1
sysctl ipv4/conf/v0/arp_announce 2
sysctl ipv4/conf/v0/proxy_arp 1
sysctl ipv4/conf/v0/log_martians 1
sysctl ipv4/conf/v1/promote_secondaries 1
sysctl ipv4/conf/v1/send_redirects 0
sysctl ipv4/conf/ubr/forwarding 1
sysctl ipv4/neigh/v0/base_reachable_time_ms 77000
sysctl ipv4/neigh/v0/gc_stale_time 77
sysctl ipv4/neigh/v1/proxy_qlen 7
sysctl ipv6/conf/v0/hop_limit 33
sysctl ipv6/conf/v0/proxy_ndp 1
sysctl ipv6/conf/v0/accept_ra_defrtr 0
sysctl ipv6/conf/v1/forwarding 1
sysctl ipv6/conf/v1/keep_addr_on_down 1
sysctl ipv6/conf/mv0/disable_policy 1
sysctl ipv6/conf/off0/disable_ipv6 1
sysctl ipv6/conf/default/hop_limit 65
sysctl ipv6/neigh/v0/retrans_time_ms 1700
ip netns exec mine sh -c 'echo 1 >/proc/sys/net/ipv4/conf/p0/proxy_arp; echo 34 >/proc/sys/net/ipv6/conf/p0/hop_limit'
ip token set ::1234 dev v0

# Addresses: secondaries, several networks, labels, lifetimes, point to point, a metric, no route of their own.
ip addr add 10.0.0.1/24 dev v0
ip addr add 10.0.0.2/24 dev v0 label v0:two
ip addr add 10.0.1.1/24 dev v0 label v0:one
ip addr add 10.0.0.3/24 dev v0 label v0:two
ip addr add 10.0.1.2/24 dev v0 valid_lft 5000 preferred_lft 4000
ip addr add 10.0.2.1/24 dev v0 valid_lft 6000 preferred_lft 0
ip addr add 10.0.3.1 peer 10.0.3.9/32 dev v0
ip addr add 10.0.4.1/24 dev v0 metric 44 scope link
ip addr add 10.0.5.1/24 dev v0 noprefixroute
ip addr add 2001:db8::1/64 dev v0
ip addr add 2001:db8::2/64 dev v0
ip addr add fd00:1::1/64 dev v0 valid_lft 5000 preferred_lft 4000
ip addr add fd00:2::1/64 dev v0 preferred_lft 0
ip addr add fd00:3::1 peer fd00:3::9/128 dev v0
ip addr add fd00:4::1/64 dev v0 noprefixroute nodad
ip addr add fd00:5::1/64 dev v0 metric 55
ip addr add 10.1.0.1/24 dev v1
ip addr add 10.1.0.2/24 dev v1
ip addr add 10.1.0.3/24 dev v1
ip addr add 10.1.1.1/24 dev v1
ip addr add 2001:db8:1::1/64 dev v1
ip addr add 2001:db8:1::2/64 dev v1
ip addr add fe80::1:1/64 dev v1
ip addr add 10.3.0.1/24 dev mv0
ip addr add 2001:db8:3::1/64 dev mv0
ip addr add 10.5.0.1/24 dev ubr
ip addr add 2001:db8:5::1/64 dev ubr
ip addr add 10.6.0.1/24 dev ubr2
ip addr add 192.0.2.2/24 dev gw0
ip addr add 2001:db8:ff::2/64 dev gw0
ip addr add 10.9.9.9/32 dev lo
ip addr add fd09::9/128 dev lo
ip -n mine addr add 10.0.0.9/24 dev p0 label p0:a
ip -n mine addr add 10.0.0.10/24 dev p0
ip -n mine addr add 10.0.7.9/24 dev p0 label p0:b
ip -n mine addr add 2001:db8::9/64 dev p0
ip -n mine addr add fd00:1::9/64 dev p0 preferred_lft 0
ip -n mine addr add 10.1.0.9/24 dev p1
ip -n mine addr add 2001:db8:1::9/64 dev p1
ip -n isp addr add 192.0.2.1/24 dev gw0
ip -n isp addr add 2001:db8:ff::1/64 dev gw0
# Routes take only what is no longer tentative as their source.
until [ -z "$(ip -6 addr show tentative; ip -n mine -6 addr show tentative)" ]; do sleep 0.1; done
sysctl ipv6/conf/v0/mtu 1400
sysctl ipv6/conf/v1/mtu 1444

# Routes.
ip route add default via 192.0.2.1
ip -6 route add default via 2001:db8:ff::1
ip route add 10.10.0.0/16 via 10.0.0.254
ip route add 10.11.0.0/16 via 10.0.0.254 metric 5 mtu 1300 advmss 1200 window 1000 initcwnd 12 proto 99
ip route add 10.12.0.0/16 via 10.0.0.254 tos 4
ip route add 10.12.0.0/16 via 10.1.0.254
ip route add 10.13.0.0/16 dev v0 scope link src 10.0.0.2 proto static
ip route add 10.14.0.0/16 via 10.0.99.1 dev v0 onlink
ip route add 10.15.0.0/16 via inet6 2001:db8::fe dev v0
ip route add 10.16.0.0/16 dev v1 src 10.0.0.3
ip route add 10.17.0.0/16 via 10.3.0.254
ip route add 10.18.0.0/16 via 10.5.0.254 metric 8
ip route add local 10.19.0.0/16 dev lo
ip route add multicast 239.0.0.0/8 dev v0
ip route add 10.20.0.0/16 nexthop via 10.0.0.254 weight 2 nexthop via 10.1.0.254 weight 3
ip route add 10.21.0.0/16 mtu 1350 nexthop via 10.1.0.253 nexthop via 10.0.0.253 nexthop via 10.5.0.253
for via in 10.0.0.241 10.1.0.242 10.0.0.243 10.1.0.244; do ip route append 10.30.0.0/16 via $via metric 30; done
ip route append 10.31.0.0/16 dev v0
ip route append 10.31.0.0/16 dev v1
ip route append 10.31.0.0/16 dev ubr
ip route add blackhole 10.32.0.0/16
ip route add unreachable 10.33.0.0/16 metric 9
ip route add default via 10.0.0.254 table 100
ip route add 10.34.0.0/16 via 10.1.0.254 table 100
ip route add throw 10.35.0.0/16 table 100
ip -6 route add 2001:db8:10::/48 via 2001:db8::fe
ip -6 route add 2001:db8:11::/48 via 2001:db8::fe metric 5 mtu 1300 proto 99 expires 5000
ip -6 route add 2001:db8:13::/48 dev v0 src 2001:db8::2 pref high
ip -6 route add 2001:db8:16::/48 dev v1 src 2001:db8::2
ip -6 route add 2001:db8:17::/48 via 2001:db8:3::fe
ip -6 route add 2001:db8:18::/48 via fe80::9 dev v0 metric 70
ip -6 route add 2001:db8:20::/48 nexthop via 2001:db8::fe weight 2 nexthop via 2001:db8:1::fe weight 3
for via in 2001:db8::f1 2001:db8:1::f2 2001:db8::f3 2001:db8:1::f4; do ip -6 route append 2001:db8:30::/48 via $via; done
ip -6 route add blackhole 2001:db8:32::/48
ip -6 route add default via 2001:db8::fe table 100
ip -6 route add unreachable 2001:db8:35::/48 table 100
ip nexthop add id 1 via 10.0.0.254 dev v0
ip nexthop add id 2 via 10.1.0.254 dev v1
ip nexthop add id 3 blackhole
ip nexthop add id 4 via 2001:db8::fe dev v0
ip nexthop add id 5 via 2001:db8:1::fe dev v1
ip nexthop add id 6 dev v0
ip nexthop add id 10 group 1,2/2,3
ip nexthop add id 11 group 4/5
ip route add 10.40.0.0/16 nhid 1
ip route add 10.41.0.0/16 nhid 10
ip route add 10.42.0.0/16 nhid 3
ip route add 10.43.0.0/16 nhid 6 metric 6
ip -6 route add 2001:db8:40::/48 nhid 4
ip -6 route add 2001:db8:41::/48 nhid 11

# Rules, neighbours, labels, groups.
ip rule add iif v0 table 100 priority 1000
ip rule add from 10.0.0.0/16 oif v1 table 100 priority 1001
ip rule add fwmark 7/0xff table 100 priority 1002 suppress_prefixlength 3
ip rule add to 10.90.0.0/16 blackhole priority 1003
ip rule add iif mv0 oif v0 table 100 priority 1004
ip -6 rule add iif v0 table 100 priority 1000
ip -6 rule add from 2001:db8:90::/48 table 100 priority 1001
for link in v0 v1; do
    net=10.${link#v}.0
    ip neigh add $net.77 lladdr 02:00:00:00:00:77 dev $link nud permanent
    ip neigh add $net.78 lladdr 02:00:00:00:00:78 dev $link nud reachable extern_learn
    ip neigh add proxy $net.80 dev $link
done
ip neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 dev v0 nud permanent
ip neigh add fe80::77 lladdr 02:00:00:00:00:77 dev v0 nud permanent router
ip neigh add 2001:db8:1::77 lladdr 02:00:00:00:00:77 dev v1 nud permanent
ip neigh add proxy 2001:db8::80 dev v0
ip neigh add proxy 2001:db8:1::80 dev v1
ip neigh add 10.5.0.77 lladdr 02:00:00:00:00:77 dev ubr nud permanent
ip addrlabel add prefix 2001:db8::/32 label 99
ip maddr add 01:00:5e:00:00:77 dev v0

# The other ends.
ip -n mine route add default via 10.0.0.1
ip -n mine -6 route add default via 2001:db8::1
ip -n mine route add 10.50.0.0/16 nexthop via 10.0.0.1 nexthop via 10.1.0.1
ip -n mine route add 10.51.0.0/16 via 10.0.0.1 table 7
ip -n mine nexthop add id 1 via 10.0.0.1 dev p0
ip -n mine route add 10.52.0.0/16 nhid 1
ip -n mine route add 10.53.0.0/16 dev p1 src 10.0.0.10
ip -n mine rule add iif p0 table 7 priority 700
ip -n mine neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev p0 nud permanent
ip -n mine neigh add proxy 2001:db8::80 dev p0
ip -n isp route add 10.0.0.0/8 via 192.0.2.2

# Names of links in a firewall: by index, by name, in a set, and as the device of a chain.
nft -f - <<'END'
table inet users {
    set links {
        type iface_index
        elements = { v0, v1 }
    }
    chain input {
        type filter hook input priority 0; policy accept;
        iif "v0" counter accept
        iifname "v1" ip saddr 10.99.0.0/16 drop
        iif @links tcp dport 7777 reject
    }
}
table netdev users {
    chain ingress {
        type filter hook ingress device "v0" priority 0; policy accept;
        ip saddr 10.99.0.0/16 drop
    }
}
END
ip netns exec mine nft -f - <<'END'
table ip users {
    chain input {
        type filter hook input priority 0; policy accept;
        iif "p0" ip saddr 10.99.0.0/16 drop
    }
}
END

# The kernel may sit on news of a carrier for a second, unless it is asked for that one link.
for at in "" "-n mine" "-n isp"; do
    for link in $(ip $at -br link | cut -d' ' -f1 | cut -d@ -f1); do ip $at link show $link >/dev/null; done
done
