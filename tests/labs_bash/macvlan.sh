# What macvlan must leave behind: the training's pair in bridge mode, on the card that is its argument or on a
# stand-in. (The modes that the lab tries before are gone by then.)
card=${1:-eth0} at=
if [ $# = 0 ]; then
    at="-n pc"
    for ns in pc outside; do ip netns add $ns; ip -n $ns link set lo up; done
    ip -n pc link add eth0 type veth peer name eth0 netns outside
    ip -n pc addr add 10.0.0.100/24 dev eth0
    ip -n pc link set eth0 up
    ip -n outside addr add 10.0.0.254/24 dev eth0
    ip -n outside link set eth0 up
fi
for n in 1 2; do
    ip netns add net$n
    ip -n net$n link set lo up
    ip $at link add macvlan$n link $card type macvlan mode bridge
    ip $at link set macvlan$n netns net$n
    ip -n net$n link set macvlan$n up
done
