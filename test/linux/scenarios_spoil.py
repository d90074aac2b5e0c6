#!/usr/bin/env python3
"""A test of the library of scenarios: each of them can fail.

scenarios_spoil.py [NAME...]     (all of test/scenarios)

Each scenario runs twice, spoiled in two ways:
 - "expectation": the last thing that it waits for is made wrong. It must fail at that very
   line, so that what comes before is known to be reached, and the line to be looked at.
 - "driver": the guest has none of the modules that are to be tested. A scenario that passes
   without them says in a line "# passes without its driver: REASON" why that is so.
What fails as it is (xfail) needs no spoiling. Prints TAP; the progress is that of `xenolith test`.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
LIBRARY = os.path.join(ROOT, "test/scenarios")
NEVER = "this is never said"
# A guest that waits for its driver in vain need not do so for two minutes.
IMPATIENT = ["\twait_for() { i=0; while ! eval \"$1\"; do i=$((i + 1)); [ $i -gt 200 ] && "
             "{ echo \"FAIL: waited for $1\"; return 1; }; usleep 50000; done 2>/dev/null; return 0; }"]


def read(name):
    with open(os.path.join(LIBRARY, name + ".scn"), encoding="utf-8") as f:
        return f.read().splitlines()


def spoil_expectation(lines):
    """(lines, number of the one that is wrong now). What waits has a short limit."""
    for i in range(len(lines) - 1, -1, -1):
        line, words = lines[i].strip(), lines[i].split()
        if words[:1] != ["expect"] or words[1] == "no" or re.search(r" (at most|exactly) \d+$", line):
            continue
        if words[1] in ("console", "message"):
            wrong = f"expect {words[1]} {NEVER} within 5s"
        elif words[1] == "xenstore":
            wrong = f"expect xenstore {words[2]} = {NEVER} within 5s"
        elif words[1] == "trace":
            what = re.sub(r"( at least \d+)?( within \S+)?$", "", line)
            wrong = f"{what} at least 1000000 within 5s"
        else:
            wrong = "expect exit " + ("crash" if words[2] == "poweroff" else "poweroff")
        return lines[:i] + [wrong] + lines[i + 1:], i + 1
    return lines + ["expect exit crash"], len(lines) + 1


def spoil_driver(lines):
    """Without modules, and impatient; None for what has none."""
    if not any(line.startswith("module ") for line in lines):
        return None
    out = []
    for line in lines:
        if line.startswith("module "):
            continue
        if re.match(r"\s*expect (console|message|xenstore|trace)\b", line) and " within " not in line \
                and not re.search(r"(at most|exactly) \d+$", line):
            line += " within 30s"
        out.append(line)
        if line == "script":
            out += IMPATIENT
    return [line for line in out if not line.startswith("limit ")] + ["limit 60s"]


def results(folder):
    """{name: (passed, message, line)} of what `xenolith test` says of a folder."""
    run = subprocess.run([os.environ.get("XENOLITH", "./xenolith"), "test", "--helper", "guests/linux/scenario.sh",
                          "-k", folder + ".kept", folder], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    found, name = {}, None
    for line in run.stdout.splitlines():
        if m := re.match(r"(ok|not ok) \d+ - (\S+): (.*)", line):
            name = m[2]
            found[name] = [m[1] == "ok" and "# SKIP" not in m[3], m[3] if "# SKIP" in m[3] else "", 0]
        elif (m := re.match(r"  message: (.*)", line)) and name:
            found[name][1] = json.loads(m[1]) if m[1].startswith('"') else m[1]
        elif (m := re.match(r'  at: ".*:(\d+)"', line)) and name:
            found[name][2] = int(m[1])
    return found


def tell(ok, kind, name, message):
    print(f"{'ok' if ok else 'not ok'} - {kind} of {name} spoiled: {message.replace('#', ' ')}", flush=True)


def main():
    names = sys.argv[1:] or sorted(f[:-4] for f in os.listdir(LIBRARY) if f.endswith(".scn"))
    wrong_line, excused = {}, {}
    with tempfile.TemporaryDirectory() as work:
        for kind in ("expectation", "driver"):
            os.mkdir(f"{work}/{kind}")
        for name in names:
            lines = read(name)
            if any(line.startswith("xfail ") for line in lines):
                continue
            for i, line in enumerate(lines):
                if m := re.match(r"# passes without its driver: (.+)", line):
                    excused[name] = m[1]
                if m := re.match(r"(module|guest|ramdisk) (\S*/\S*)(.*)", line):
                    lines[i] = f"{m[1]} {os.path.join(LIBRARY, m[2])}{m[3]}"
            spoiled, wrong_line[name] = spoil_expectation(lines)
            for kind, text in (("expectation", spoiled), ("driver", spoil_driver(lines))):
                if text:
                    with open(f"{work}/{kind}/{name}.scn", "w", encoding="utf-8") as f:
                        f.write("\n".join(text) + "\n")
        for name, (passed, message, line) in results(f"{work}/expectation").items():
            at_it = line == wrong_line[name]
            tell(not passed and at_it, "expectation", name,
                 "it passes" if passed else message if at_it else f"it fails at line {line}, not {wrong_line[name]}: {message}")
        if os.listdir(f"{work}/driver"):
            for name, (passed, message, _) in results(f"{work}/driver").items():
                if name in excused:
                    tell(passed, "driver", name, f"passes: {excused[name]}" if passed else f"fails, and is said to pass: {message}")
                else:
                    tell(not passed, "driver", name, "it passes" if passed else message)


main()
