#!/usr/bin/env python3
"""The host's side of test/linux/net.sh.
  net_host.py port                    prints a port that is free on 127.0.0.1
  net_host.py serve ADDR PORT FILE    takes one connection, keeps what it gets
  net_host.py offer ADDR PORT FILE    takes one connection, sends the file
  net_host.py send ADDR PORT FILE     connects, sends the file; tries for four minutes
"""
import socket
import sys
import time


def listen(addr, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, int(port)))
    s.listen(1)
    return s


def copy_in(c, path):
    with open(path, "wb") as f:
        while True:
            data = c.recv(1 << 16)
            if not data:
                return
            f.write(data)


def copy_out(c, path):
    """The other side closes when it has everything."""
    with open(path, "rb") as f:
        c.sendall(f.read())
    c.shutdown(socket.SHUT_WR)
    while c.recv(4096):
        pass


def send(addr, port, path):
    """A forwarded port takes connections before anybody listens in the guest, and resets
    them then."""
    for _ in range(1200):
        try:
            return copy_out(socket.create_connection((addr, int(port)), 240), path)
        except OSError:
            time.sleep(0.2)
    sys.exit("nobody listens on %s port %s" % (addr, port))


what, args = sys.argv[1], sys.argv[2:]
if what == "port":
    print(listen("127.0.0.1", 0).getsockname()[1])
elif what == "serve":
    copy_in(listen(args[0], args[1]).accept()[0], args[2])
elif what == "offer":
    try:
        copy_out(listen(args[0], args[1]).accept()[0], args[2])
    except ConnectionResetError:  # it had everything, and is gone
        pass
elif what == "send":
    send(*args)
else:
    sys.exit(__doc__)
