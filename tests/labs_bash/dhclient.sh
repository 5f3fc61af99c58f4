# What dhclient must leave behind: a client with the first address of the pool, its route and its name server.
for ns in dhcp-server client; do
    ip netns add $ns
    ip -n $ns link set lo up
done
ip link add srv0 netns dhcp-server type veth peer name eth0 netns client
ip -n dhcp-server addr add 192.168.50.1/24 dev srv0
ip -n dhcp-server link set srv0 up
ip -n client link set eth0 up
ip -n client addr add 192.168.50.100/24 dev eth0
ip -n client route add default via 192.168.50.1 dev eth0
mkdir -p /etc/netns/client
printf 'search lab.test\nnameserver 192.168.50.1\n' >/etc/netns/client/resolv.conf
