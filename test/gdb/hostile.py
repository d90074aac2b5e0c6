#!/usr/bin/python3
"""Bad clients of a domain's gdb socket: hostile.py SOCKET SECONDS. The domain must not notice.

Nothing here changes registers or memory: a debugger may."""
import random
import socket
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])
rng = random.Random(1)
end = time.monotonic() + seconds
rounds = 0


def packet(content):
    return b'$' + content + b'#%02x' % (sum(content) & 255)


def bad_packet():
    name = rng.choice([b'm', b'Mz', b'Xz', b'Z0,', b'z0,', b'Z2,', b'p', b'Pz', b'Gz', b'H', b'T', b'vCont',
                       b'vCont;s:', b'qRcmd,', b'qXfer:features:read:target.xml:', b'qThreadExtraInfo,', b'?',
                       b'g', b'sz', b'C;', b'Sz', b'QStartNoAckMode', b'qSupported', b'vFile:open:', b'!'])
    tail = bytes(rng.choice(b'0123456789abcdef,;:=-') for _ in range(rng.choice([0, 1, 3, 8, 40])))
    return packet(name + tail)


while time.monotonic() < end:
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(0.2)
    s.connect(path)
    try:
        kind = rounds % 5
        if kind == 0:
            s.sendall(bytes(rng.randrange(256) for _ in range(3000)))
        elif kind == 1:
            s.sendall(b'$' + b'm' * 200000)
        elif kind == 2:
            for _ in range(50):
                s.sendall(bad_packet())
            s.sendall(b'\x03')
        elif kind == 3:
            # Breakpoints where the kernel runs, and away.
            s.sendall(packet(b'?') + packet(b'Z0,ffffffff81000000,1') + packet(b'Z2,ffffffff82a00000,8'))
            s.recv(100)
        else:
            s.sendall(packet(b'?') * 500)
        s.recv(1000)
    except (OSError, socket.timeout):
        pass
    s.close()
    rounds += 1
    time.sleep(0.01)
print(rounds)
