# What macvlan-network must build, on the card that is its argument or on a stand-in. Mended: /24 is written out.
card=${1:-eno4} at= resolv=/etc/resolv.conf
if [ $# = 0 ]; then
    at="-n pc" resolv=/etc/netns/pc/resolv.conf
    for ns in pc outside; do ip netns add $ns; ip -n $ns link set lo up; done
    ip -n pc link add eno4 type veth peer name eno4 netns outside
    ip -n pc link set eno4 up
    ip -n outside addr add 192.168.8.1/24 dev eno4
    ip -n outside link set eno4 up
    ip -n outside addr add 8.8.8.8/32 dev lo
    mkdir -p /etc/netns/pc
fi
ip $at link add mv-$card link $card type macvlan mode bridge
ip $at addr add 192.168.8.4/24 dev mv-$card
ip $at link set mv-$card up
printf 'nameserver 8.8.8.8\noptions edns0 trust-ad\nsearch .\n' >$resolv
ip $at route add default via 192.168.8.1
