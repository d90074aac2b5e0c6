#!/usr/bin/env python3
"""Follows requests of a disk through a timeline: trace_path.py FILE DISK."""
import collections
import json
import sys

events = json.load(open(sys.argv[1]))["traceEvents"]
disk = int(sys.argv[2])
requests = collections.defaultdict(list)
arrows = collections.defaultdict(list)
for e in events:
    if e["cat"] == "disk":
        requests[e["id"]].append(e)
    elif e["cat"] == "path":
        arrows[e["id"]].append(e)
assert requests, "no request of a disk"
steps = collections.Counter()
for key, list_ in requests.items():
    assert list_[0]["args"]["disk"] == disk, list_[0]
    # An id comes again when its slot does.
    names = [(e["ph"], e["name"]) for e in sorted(list_, key=lambda e: e["ts"])]
    whole = [("b", "request"), ("n", "host I/O"), ("n", "done"), ("e", "request")]
    assert len(names) % 4 == 0, names
    for i in range(0, len(names), 4):
        assert names[i:i + 4] == whole, names[i:i + 4]
        steps["requests"] += 1
    for e in list_:
        if e["ph"] == "b":
            assert 0 <= e["args"]["slot"] < 4096 and e["args"]["port"] > 0, e
named = {(e["ts"], e["tid"], e["name"]) for e in events if e["ph"] == "X"}
at = collections.defaultdict(set)
for ts, tid, name in named:
    at[ts, tid].add(name)
for path in arrows.values():
    path.sort(key=lambda e: e["ts"])
    names = [at[e["ts"], e["tid"]] for e in path]
    if "event_to_backend" in names[0] and any("blk_request" in n for n in names[1:]):
        steps["to the backend"] += 1
    if "blk_notify" in names[0] and any("event_pending" in n for n in names[1:]) and \
            "upcall" in names[-1]:
        steps["to the guest"] += 1
print(dict(steps))
assert steps["requests"] >= 8 and steps["to the backend"] >= 4 and steps["to the guest"] >= 4, steps
