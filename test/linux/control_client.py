#!/usr/bin/python3
"""Speaks to a domain's control socket, many requests through one connection.

    control_client.py cycles SOCKET DISK TIMES   attaches a disk and detaches it
    control_client.py pauses SOCKET TIMES        pauses; nothing may run meanwhile
"""
import json
import socket
import sys
import time


class Domain:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.lines = self.socket.makefile()

    def ask(self, request, **args):
        text = json.dumps({"version": 1, "request": request, "args": args})
        self.socket.sendall(text.encode() + b"\n")
        line = self.lines.readline()
        if not line:
            sys.exit(f"{request}: the domain has ended")
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(f"{request}: {answer['text']}")
        return answer["ok"]


def cycles(path, disk, times):
    """Each time another of 16 names, so that no device is one that was there just now."""
    d = Domain(path)
    last = time.monotonic()
    for i in range(1, int(times) + 1):
        name = "xvd" + chr(ord("b") + i % 16)
        d.ask("device-attach", kind="vbd", spec=f"{disk},raw,{name},w", wait=True)
        d.ask("device-detach", kind="vbd", device=name)
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            print(f"# {i} of {times}", file=sys.stderr, flush=True)


def pauses(path, times):
    """Once a pause is answered no vcpu runs, and the time that they used stands still."""
    d = Domain(path)
    for i in range(1, int(times) + 1):
        d.ask("pause")
        then = d.ask("info")
        if i % 10 == 0:
            time.sleep(0.002)
        now = d.ask("info")
        if then["state"]["running"] or now["state"]["running"]:
            sys.exit(f"pause {i}: a vcpu runs")
        if then["cpu_ns"] != now["cpu_ns"]:
            sys.exit(f"pause {i}: {then['cpu_ns']} ns were used, then {now['cpu_ns']}")
        d.ask("unpause")
        if i % 3 == 0:
            time.sleep(0.001 * (i % 7))


if __name__ == "__main__":
    {"cycles": cycles, "pauses": pauses}[sys.argv[1]](*sys.argv[2:])
