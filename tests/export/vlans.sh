# A switch with VLANs, machines on access ports, a router on a trunk with a link for each VLAN.
ip netns add r; ip netns add a; ip netns add b
ip link add sw type bridge vlan_filtering 1
ip link set sw up
for ns in a b r; do
    ip link add p-$ns type veth peer name eth0 netns $ns
    ip link set p-$ns master sw up
    ip -n $ns link set eth0 up
done
bridge vlan add dev p-a vid 10 pvid untagged; bridge vlan del dev p-a vid 1
bridge vlan add dev p-b vid 20 pvid untagged
bridge vlan del dev p-r vid 1; bridge vlan add dev p-r vid 10; bridge vlan add dev p-r vid 20
bridge vlan add dev sw vid 10 self
ip -n a addr add 10.0.10.2/24 dev eth0
ip -n b addr add 10.0.20.2/24 dev eth0
ip -n r link add link eth0 name eth0.10 type vlan id 10
ip -n r link add link eth0 name twenty type vlan id 20
ip -n r link add link eth0 name outer type vlan protocol 802.1ad id 7
ip -n r link set eth0.10 up; ip -n r link set twenty mtu 1400 up
ip -n r addr add 10.0.10.1/24 dev eth0.10
ip -n r addr add 10.0.20.1/24 dev twenty
ip link add link sw name sw.10 type vlan id 10
bridge fdb add 02:00:00:00:00:09 dev p-a vlan 10 master static
