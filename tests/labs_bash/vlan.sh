# What vlan must build, on the card that is its argument or on a stand-in. Mended: eth0.2 and eth0.3 are up, and
# the other end of the cable speaks VLAN 10 and 20.
card=${1:-eth0} at=
if [ $# = 0 ]; then
    at="-n pc"
    for ns in pc switch; do ip netns add $ns; ip -n $ns link set lo up; done
    ip -n pc link add eth0 type veth peer name eth0 netns switch
    ip -n pc link set eth0 up
    ip -n switch link set eth0 up
    for id in 10 20; do
        ip -n switch link add link eth0 name eth0.$id type vlan id $id
        ip -n switch addr add 10.0.$id.254/24 dev eth0.$id
        ip -n switch link set eth0.$id up
    done
fi
for id in 2 3 10 20; do ip $at link add link $card name $card.$id type vlan id $id; done
for id in 10 20; do ip $at addr add 10.0.$id.1/24 dev $card.$id; done
for id in 2 3 10 20; do ip $at link set $card.$id up; done
