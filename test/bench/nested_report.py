#!/usr/bin/env python3
"""The log of a nested bench on standard input, as a table of ratios.
nested_report.py BASE: BASE is who did it without a guest."""

import collections
import json
import re
import statistics
import sys


def read(lines):
    """({test: {who: [figures]}}, {test: {who: [exits]}}, [statistics], {who: guests that stood still})"""
    figures, exits, stats, still = {}, {}, [], collections.Counter()
    start, test = None, None
    for line in lines:
        if m := re.match(r"AT (\S+) MARK start (\d+)", line):
            start = int(m[2])
        elif m := re.match(r"AT (\S+) MARK end (\d+)", line):
            exits.setdefault(test, {}).setdefault(m[1], []).append(int(m[2]) - start)
        elif m := re.match(r"IN (\S+) (?:BLK|NET) (.*): (\S+) per s, (\S+) MB/s", line):
            test = tuple(m[2].split())
            figures.setdefault(test, {}).setdefault(m[1], []).append((float(m[3]), float(m[4])))
        elif m := re.match(r"STATS .*?(\{.*?\})", line):
            stats.append(json.loads(m[1]))
        elif m := re.match(r"STILL (\S+)", line):
            still[m[1]] += 1
    return figures, exits, stats, still


def main():
    base = sys.argv[1]
    figures, exits, stats, still = read(sys.stdin)
    if not figures or not stats:
        sys.exit("the log has no figures")
    others = [base, "pc", "microvm"]
    print(f"{'medians':36}{'xenolith':>16}" + "".join(f"{'/ ' + w:>12}" for w in others) + "    exits each: xenolith, pc, microvm")
    for test, by in figures.items():
        column = int(test[1]) > 65536
        value = {w: statistics.median(v[column] for v in by[w]) for w in by}
        row = f"{test[0]}, {test[1]} bytes" + (f", {test[2]} at a time" if len(test) > 3 else "")
        print(f"{row:36}{value['xenolith']:>11.4g} {'MB/s' if column else '/s':4}"
              + "".join(f"{value['xenolith'] / value[w]:>12.2f}" if w in value else f"{'-':>12}" for w in others)
              + "    " + ", ".join(f"{statistics.median(exits[test][w]) / int(test[-1]):.1f}" if w in exits.get(test, {}) else "-"
                                   for w in ("xenolith", "pc", "microvm")))
    total = {k: sum(s[k] for s in stats) for k in stats[0]}
    rate = lambda of, event: total[of] / max(total[event], 1)
    if "reads" in total:
        total["requests"] = total["reads"] + total["writes"] + total["flushes"]
        total["bytes"] = total["read_bytes"] + total["written_bytes"]
        print(f"requests for each event from the guest {rate('requests', 'wakeups'):.2f}, for each event to it "
              f"{rate('requests', 'notifications'):.2f}; {rate('bytes', 'requests'):.0f} bytes a request")
    else:
        total["packets"] = total["tx_packets"] + total["rx_packets"]
        total["bytes"] = total["tx_bytes"] + total["rx_bytes"]
        print(f"packets for each event from the guest {rate('packets', 'wakeups'):.2f}, for each event to it "
              f"{rate('packets', 'notifications'):.2f}; {rate('bytes', 'packets'):.0f} bytes a packet; "
              f"our process copies each byte {rate('copied_bytes', 'bytes'):.2f} times")
    for who, n in still.items():
        print(f"{n} guests of {who} stood still for five minutes and were ended")


main()
