# What routed-workshop must build.
for ns in sales dev router; do ip netns add $ns; ip -n $ns link set lo up; done
for side in sales:s:10 dev:d:20; do
    IFS=: read -r name letter net <<<"$side"
    ip link add veth-$letter type veth peer name veth-$letter-rtr
    ip link set veth-$letter netns $name
    ip link set veth-$letter-rtr netns router
    ip -n $name addr add 172.16.$net.10/24 dev veth-$letter
    ip -n $name link set veth-$letter up
    ip -n router addr add 172.16.$net.1/24 dev veth-$letter-rtr
    ip -n router link set veth-$letter-rtr up
    ip -n $name route add default via 172.16.$net.1
done
ip netns exec router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
