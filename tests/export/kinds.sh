# A router with two routing domains, a bond of two wires, tunnels.
ip netns add r; ip netns add s; ip netns add c
ip -n r link add red type vrf table 10
ip -n r link set red up
ip -n r link add lan type veth peer name eth0 netns c
ip -n r link set lan master red up
ip -n r addr add 10.0.0.1/24 dev lan
ip -n r addr add fd00::1/64 dev lan nodad
ip -n c addr add 10.0.0.2/24 dev eth0
ip -n c link set eth0 up
ip -n r route add 10.5.0.0/16 via 10.0.0.2 table 10
for ns in r s; do ip -n $ns link add bond0 type bond mode active-backup miimon 100; done
for n in 1 2; do
    ip -n r link add w$n type veth peer name w$n netns s
    for ns in r s; do ip -n $ns link set w$n master bond0; done
done
for ns in r s; do ip -n $ns link set bond0 up; done
ip -n r addr add 10.1.0.1/24 dev bond0
ip -n s addr add 10.1.0.2/24 dev bond0
ip -n c link add link eth0 name ip0 type ipvlan mode l3
ip -n c addr add 10.0.0.3/32 dev ip0
ip -n s link add d0 type dummy
ip -n s link set d0 up
ip -n s addr add 192.0.2.1/32 dev d0
ip -n r link add tun1 type gre local 10.1.0.1 remote 10.1.0.2 key 7 ttl 9
ip -n r link set tun1 up
ip -n r addr add 10.2.0.1/30 dev tun1
ip -n r link add tap1 type gretap remote 10.1.0.2
ip -n r link add gen0 type geneve id 5 remote 10.1.0.2
