"""Reads what test/bench/watch.c wrote of a round: lines after "COLUMN name [small]"."""

import json
import re

# Said by every guest, and nobody's reason to end.
NOISE = re.compile(r"mapping kernel into|about to get started|SSBD controls|reboot: |ACPI S5|MCE device|^~|^\(XEN\) *$")


class Run:
    """One guest of one column."""

    def __init__(self, column, small):
        self.column, self.small = column, small
        self.values = {}  # row: figure
        self.exits = {}  # row: {"kvm": per operation, "program": per operation}
        self.kvm = {}  # counts at the end
        self.stats = None
        self.last_words, self.end = "", ""
        self.exec_ns = None
        self.mark, self.at_begin, self.seen, self.operations = None, {}, {}, 0

    def take_mark(self, words, ms):
        self.settle()
        if words[0] == "init":
            self.values["boot"] = ms / 1000
        if words[0] == "begin":
            self.mark, self.seen = words[1], {}
        elif words[0] == "end" and self.mark:
            self.at_begin, self.seen, self.operations = self.seen, {}, int(words[-1])
        elif words[0] == "done":
            self.mark, self.seen = "done", {}

    def settle(self):
        """The counts after a mark's end are complete when the next line of another kind comes."""
        if self.operations and self.mark:
            each = {k: (self.seen[k] - self.at_begin[k]) / self.operations
                    for k in self.seen if k in self.at_begin}
            if each:
                self.exits[self.mark] = {k: round(v, 4) for k, v in each.items()}
        if self.operations:
            self.mark, self.operations = None, 0

    def take(self, line):
        kind, _, rest = line.partition(" ")
        if kind == "KVM":
            counts = {k: int(v) for k, v in (w.split("=") for w in rest.split())}
            self.seen["kvm"] = counts.get("exits", 0)
            if self.mark == "done":
                self.kvm = counts
            return
        if kind == "USER":
            self.seen["program"] = int(rest)
            return
        self.settle()
        if kind == "EXEC":
            self.exec_ns = int(rest)
        elif kind == "FIRST":
            self.values["first"] = float(rest)
        elif kind == "MEMORY":
            self.values["memory"] = int(rest) / 1024
        elif kind == "STATS":
            try:
                self.stats = json.loads(rest)
            except ValueError:
                return
            if self.exec_ns and self.stats.get("first_entry_ns"):
                self.values["first"] = (self.stats["first_entry_ns"] - self.exec_ns) / 1e6
        elif kind == "END":
            self.end = rest
        elif kind == "LOG":
            if not NOISE.search(rest):
                self.last_words = re.sub(r"^\[ *[0-9.]+\] ", "", rest)
        elif kind == "AT":
            self.take_at(rest)

    def take_at(self, rest):
        ms, _, text = rest.partition(" ")
        words = text.split()
        if words[0] == "MARK":
            self.take_mark(words[1:], float(ms))
        elif words[0] == "BENCH":
            self.values[words[1]] = float(words[2])
        elif m := re.match(r"BLK (\w+)-read .*: (\S+) per s, (\S+) MB/s", text):
            rand = m[1] == "rand"
            self.values["blk_rand" if rand else "blk_seq"] = float(m[2] if rand else m[3])
        elif m := re.match(r"NET tcp-(\w+) .*: (\S+) per s, (\S+) MB/s", text):
            self.values[f"tcp_{m[1]}"] = float(m[2] if m[1] == "rr" else m[3])
        elif m := re.match(r"= bench (\w+) (\d+)", text):
            self.values[m[1]] = int(m[2]) / 1000
        elif (m := re.match(r"= storm: \d+ sent, (\d+) lost", text)) and m[1] != "0":
            self.values.pop("storm_event", None)
            self.last_words = "events were lost"


def read(lines):
    """The runs of a round; of a guest that was started again only the last."""
    runs, now = {}, None
    for line in lines:
        line = line.rstrip("\r\n")
        # The emulated host's console may have had an unfinished line.
        if m := re.search(r"COLUMN (\S+) ?(\w*)$", line):
            now = runs[m[1], m[2] == "small"] = Run(m[1], m[2] == "small")
        elif now:
            now.take(line)
    return list(runs.values())
