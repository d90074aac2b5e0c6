#!/usr/bin/env python3
"""The figures of `make bench`.

    table.py make LOGS                 the logs of all rounds (bench_log.py) as JSON
    table.py text FILE.json            as a table
    table.py svg FILE.json             as bars of ratios
    table.py compare BASE.json FILE.json   names what got worse
    table.py check FILE.json           is it one of ours?
"""

import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import bench_log
import bench_svg
from bench_rows import COLUMNS, REASONS, ROWS, SMALL

# A median that moved by less says nothing.
TOLERANCE = 0.10


def of(column, small, runs):
    return [r for r in runs if (r.column, r.small) == (column, small)]


def reason(row, column, runs):
    """Why a column has no figure in a row."""
    if (column, row) in REASONS:
        return REASONS[column, row]
    runs = of(column, row in SMALL, runs)
    if not runs:
        return "it was not run"
    last = runs[-1]
    if not last.end and last.last_words:
        return last.last_words
    ended = "was stopped" if last.end == "killed" else "was cut off" if not last.end else f"ended with status {last.end}"
    return f"{ended}: {last.last_words[:150]}" if last.last_words else f"the guest {ended} before it"


def average(dicts):
    """Medians of what is in dictionaries of numbers."""
    keys = [k for d in dicts for k in d]
    return {k: statistics.median([d[k] for d in dicts if k in d]) for k in dict.fromkeys(keys)}


def causes(stats):
    """How often the guest left, by cause, and what it did without."""
    out = {f"exit {k}": v for k, v in stats.get("exits", {}).items() if v}
    out |= {f"vector {k}": v for k, v in stats.get("vectors", {}).items() if v}
    out |= {f"hypercall {k}": v for k, v in stats.get("hypercalls", {}).items() if v}
    out |= {f"in the guest: {k}": v for k, v in stats.get("in_guest", {}).items() if v}
    return out


def make(folder):
    about, runs = {}, []
    for line in (folder / "about").read_text().splitlines():
        word, _, rest = line.partition(" ")
        about[word.lower()] = rest
    files = sorted(f for f in folder.iterdir() if f.name != "about")
    for f in files:
        found = bench_log.read(f.read_text(errors="replace").splitlines())
        runs += found
    about["rounds"] = max((int(f.suffix[1:]) for f in files), default=0)
    data = {"version": 1, "about": about, "figures": {}, "missing": {}, "exits": {}, "kvm_exits": {}, "causes": {}}
    for row, *_ in ROWS:
        for column, *_ in COLUMNS:
            values = [r.values[row] for r in of(column, row in SMALL, runs) if row in r.values]
            if values:
                data["figures"].setdefault(row, {})[column] = {
                    "median": statistics.median(values), "spread_percent": round(spread(values), 1), "values": values}
            else:
                data["missing"].setdefault(row, {})[column] = reason(row, column, runs)
    for column, *_ in COLUMNS:
        mine = of(column, False, runs)
        per_row = {row: average([r.exits[row] for r in mine if row in r.exits]) for row, *_ in ROWS}
        if per_row := {k: v for k, v in per_row.items() if v}:
            data["exits"][column] = per_row
        if kvm := average([r.kvm for r in mine if r.kvm]):
            data["kvm_exits"][column] = kvm
        if stats := average([causes(r.stats) for r in mine if r.stats]):
            data["causes"][column] = stats
    return data


def number(x):
    """Three digits."""
    if x >= 100:
        return f"{x:.0f}"
    return f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def spread(values):
    """Half of the range, in percent of the median."""
    middle = statistics.median(values)
    return 50 * (max(values) - min(values)) / middle if middle else 0


def text(data):
    """The table; a figure that not all rounds have has their number behind it."""
    notes, out = {}, []
    names, rounds = [c for c, *_ in COLUMNS], data["about"]["rounds"]
    out.append(f"{'medians, +- half of the range':38}" + "".join(f"{t:>17}" for _, t, _ in COLUMNS))
    out.append(f"{'':38}" + "".join(f"{p:>17}" for _, _, p in COLUMNS))
    for row, title, unit, _ in ROWS:
        line = f"{title + ', ' + unit:38}"
        for c in names:
            figure = data["figures"].get(row, {}).get(c)
            if figure:
                cell = number(figure["median"])
                if len(figure["values"]) > 1:
                    cell += f" +-{figure['spread_percent']:.0f}%"
                # In some rounds it had none.
                if len(figure["values"]) < rounds:
                    cell += f" ({len(figure['values'])})"
            else:
                why = data["missing"].get(row, {}).get(c, "it was not run")
                cell = f"- [{notes.setdefault(why, len(notes) + 1)}]"
            line += f"{cell:>17}"
        out.append(line.rstrip())
    out += [f"[{n}] {why}" for why, n in notes.items()]
    out += exits_text(data)
    a = data["about"]
    out.append("")
    out.append(f"{a.get('rounds')} rounds, {a.get('date')}, program {a.get('program')}, {a.get('kernel')}; "
               f"{a.get('host')}; "
               f"load {a.get('load')} at the start, {a.get('load_end')} at the end")
    return "\n".join(out) + "\n"


def exits_text(data):
    """Exits an operation, all of KVM's and those that reach our program, and the causes."""
    out, shown = [], [c for c in COLUMNS if c[0] in data["exits"]]
    if shown:
        out += ["", f"{'exits an operation: KVM (program)':38}" + "".join(f"{t:>17}" for _, t, _ in shown),
                f"{'':38}" + "".join(f"{p:>17}" for _, _, p in shown)]
    for row, title, _, _ in ROWS:
        if not any(row in data["exits"][c] for c, *_ in shown):
            continue
        line = f"{title:38}"
        for c, *_ in shown:
            e = data["exits"][c].get(row, {})
            cell = number(e["kvm"]) if "kvm" in e else "-" if not e else ""
            if "program" in e:
                cell += f" ({number(e['program'])})"
            line += f"{cell.strip():>17}"
        out.append(line.rstrip())
    for c, t, p in COLUMNS:
        for what, key in (("KVM's counts", "kvm_exits"), ("by cause", "causes")):
            counts = sorted(data[key].get(c, {}).items(), key=lambda k: -k[1])[:12]
            if counts:
                out += ["", f"{t} ({p}), a whole run, {what}:",
                        "  " + ", ".join(f"{k} {v:.0f}" for k, v in counts)]
    return out


def compare(base, data):
    """What got worse: medians further apart than TOLERANCE whose ranges do not meet."""
    out, compared = [], 0
    for row, title, unit, better in ROWS:
        for c, t, p in COLUMNS:
            old, new = (d["figures"].get(row, {}).get(c) for d in (base, data))
            name = f"{title}, {t} ({p})"
            if old and not new:
                out.append(f"WORSE {name}: no figure any more: {data['missing'].get(row, {}).get(c, '?')}")
            if not old or not new:
                continue
            compared += 1
            was, now = old["median"], new["median"]
            old, new = old["values"], new["values"]
            factor = now / was if better == "less" else was / now
            apart = min(new) > max(old) if better == "less" else max(new) < min(old)
            if factor > 1 + TOLERANCE and apart:
                out.append(f"WORSE {name}: {number(was)} -> {number(now)} {unit}, {factor:.2f} times")
    for c, t, p in COLUMNS:
        for row, title, *_ in ROWS:
            old, new = (d["exits"].get(c, {}).get(row, {}).get("program") for d in (base, data))
            if old is None or new is None:
                continue
            compared += 1
            # Counts do not depend on the machine's load; a tick now and then does.
            if new > old * (1 + TOLERANCE) + 0.05:
                out.append(f"WORSE exits of {title}, {t} ({p}): {number(old)} -> {number(new)} an operation")
    out.append(f"{len(out)} of {compared} figures got worse" if out else f"none of {compared} figures got worse")
    return "\n".join(out) + "\n"


def load(path):
    try:
        data = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as e:
        sys.exit(f"{path}: {e}")
    if not isinstance(data, dict) or data.get("version") != 1 or "figures" not in data:
        sys.exit(f"{path}: not a file that make bench wrote")
    return data


def main():
    match sys.argv[1:]:
        case ["make", folder]:
            print(json.dumps(make(pathlib.Path(folder)), indent=1))
        case ["text", path]:
            print(text(load(path)), end="")
        case ["svg", path]:
            print(bench_svg.draw(load(path)), end="")
        case ["compare", base, path]:
            print(compare(load(base), load(path)), end="")
        case ["check", path]:
            load(path)
        case _:
            print(__doc__, file=sys.stderr)
            sys.exit(2)


main()
