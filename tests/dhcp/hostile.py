"""A DHCP server that does all that a server must not do. It answers on s0, in the mode of its first argument."""
import random
import socket
import struct
import sys

mode = sys.argv[1]
dice = random.Random(7)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
wire.bind(("s0", 0))
own = wire.getsockname()[4][:6]


def addr(text):
    return socket.inet_aton(text)


def message(asked, kind, yiaddr="10.50.0.100", server="10.50.0.1", options=(), op=2, xid=None, mac=None):
    head = struct.pack("!BBBB", op, 1, 6, 0) + (xid or asked[4:8]) + bytes(8) + addr(yiaddr) + bytes(8)
    head += (mac or asked[28:34]) + bytes(10 + 192) + bytes([99, 130, 83, 99])
    fields = [(53, bytes([kind]))] + ([(54, addr(server))] if server else []) + list(options)
    return head + b"".join(bytes([c, len(v)]) + v for c, v in fields) + b"\xff"


def frame(payload, udp_length=None, total=None, first=0x45, fragment=0, padding=b""):
    udp = struct.pack("!HHHH", 67, 68, udp_length if udp_length is not None else 8 + len(payload), 0) + payload
    ip = struct.pack("!BBHHHBBH", first, 0, total or 20 + len(udp), 0, fragment, 64, 17, 0) + addr("10.50.0.1") + b"\xff" * 4
    words = struct.unpack("!10H", ip)
    total_sum = sum(words)
    total_sum = (total_sum & 0xFFFF) + (total_sum >> 16)
    total_sum = (total_sum & 0xFFFF) + (total_sum >> 16)
    ip = ip[:10] + struct.pack("!H", ~total_sum & 0xFFFF) + ip[12:]
    return b"\xff" * 6 + own + b"\x08\x00" + ip + udp + padding


def send(raw):
    try:
        wire.send(raw[:1514])
    except OSError:
        pass


LEASE = [(51, struct.pack("!I", 600)), (1, addr("255.255.255.0"))]
# What is wrong in it has to be left out, and the rest taken.
GOOD = [
    (51, struct.pack("!I", 0xFFFFFFFE)),
    (1, addr("255.255.255.0")),
    (58, bytes(4)),
    (59, b"\xff" * 4),
    (121, bytes([200, 10, 9, 10, 50, 0, 1])),
    (119, b"\xc0\x00" * 20),
    (26, struct.pack("!H", 68)),
    (15, b"evil\nnameserver 6.6.6.6"),
    (6, addr("0.0.0.0") + addr("10.50.0.53") + addr("255.255.255.255")),
    (3, addr("127.0.0.1") + addr("10.50.0.1")),
    (12, b"\x1b]0;title\x07"),
    (33, b"x"),
]


def nonsense(asked, kind):
    good = message(asked, kind, options=LEASE)
    yield frame(message(asked, kind, options=LEASE, xid=b"\x00\x00\x00\x01"))
    yield frame(message(asked, kind, options=LEASE, mac=b"\x02\x00\x00\x00\x00\x77"))
    yield frame(message(asked, kind, options=LEASE, op=1))
    yield frame(message(asked, kind, options=LEASE, server=None))
    yield frame(message(asked, kind, options=LEASE, server="255.255.255.255"))
    for yiaddr in ["0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "10.50.0.255", "10.50.0.0", "10.50.0.1"]:
        yield frame(message(asked, kind, yiaddr=yiaddr, options=LEASE))
    yield frame(message(asked, kind))
    yield frame(message(asked, kind, options=[(51, bytes(4)), LEASE[1]]))
    yield frame(message(asked, kind, options=[(51, b"\x01"), LEASE[1]]))
    yield frame(good[:236] + b"\x00\x00\x00\x00" + good[240:])
    yield frame(good, udp_length=0)
    yield frame(good, udp_length=7)
    yield frame(good, udp_length=0xFFFF)
    yield frame(good, total=0xFFFF)
    yield frame(good, total=21)
    yield frame(good, first=0x4F)
    yield frame(good, first=0x40)
    yield frame(good, first=0x65)
    yield frame(good, fragment=0x2000)
    yield frame(good, fragment=0x0010)
    for _ in range(200):
        cut = message(asked, kind)[: dice.randrange(200, 250)]
        yield frame(cut + bytes(dice.randrange(256) for _ in range(dice.randrange(400))))
        # Never whole: it has the wrong number.
    for _ in range(200):
        broken = bytearray(message(asked, kind, options=LEASE, xid=b"\x00\x00\x00\x02"))
        for _ in range(dice.randrange(1, 12)):
            broken[dice.choice([dice.randrange(8, 240), dice.randrange(240, len(broken))])] = dice.randrange(256)
        yield frame(bytes(broken))
    for length in range(0, 60):
        yield frame(good)[:length] or b"\x00"


print("ready", flush=True)
while True:
    raw = wire.recv(65535)
    if len(raw) < 282 or raw[23] != 17 or raw[36:38] != b"\x00\x43":
        continue
    asked = raw[42:]
    kind = asked[242]
    if kind == 1:
        for bad in nonsense(asked, 2):
            send(bad)
        if mode != "never":
            send(frame(message(asked, 2, options=GOOD)))
    elif kind == 3:
        if mode == "refuse":
            send(frame(message(asked, 6, options=[(56, b"go\x1b[2Jaway\n")])))
            continue
        send(frame(message(asked, 6, server="10.50.0.9")))
        send(frame(message(asked, 5, yiaddr="10.50.0.200", options=LEASE)))
        for bad in nonsense(asked, 5):
            send(bad)
        send(frame(message(asked, 5, options=GOOD), padding=bytes(30)))
