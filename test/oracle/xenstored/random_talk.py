#!/usr/bin/python3
"""A conversation made up at random, for talk.py: random_talk.py SEED STEPS
Three guests and two programs ask about the same few nodes, so that they meet. Every
request is well formed enough that xenstored answers it by rule and not by accident (see
test/xenstore/talks/errors.talk)."""
import random, sys

r = random.Random(int(sys.argv[1]))
steps = int(sys.argv[2])
names = ["a", "b", "c", "a/b", "a/b/c", "b/c", "d/e/f", "x"]
clients = ["s", "s2", "d1", "d2", "d3"]
weights = [4, 2, 5, 4, 2]
tx = {c: [] for c in clients}
nr_tx = 0


def path(c):
    p = r.choice(names)
    return r.choice(["/" + p, f"/local/domain/1/{p}", f"/local/domain/2/{p}", p, p, "/"]
                    if c[0] == "d" else ["/" + p, "/" + p, f"/local/domain/1/{p}", "/tool", "/"])


def perms():
    return " ".join(r.choice("nrwb") + str(r.choice([0, 1, 2, 3, 1, 2]))
                    for _ in range(r.choice([1, 1, 2, 2, 3, 6])))


def value():
    return r.choice(["raw:", "raw:1", "raw:value", "raw:x*100", "raw:x*1990", "raw:x*2030"])


print("domains 1 2 3")
for d in "123":
    print(f"s INTRODUCE {d} 0 1")
    print(f"s MKDIR /local/domain/{d}")
    print(f"s SET_PERMS /local/domain/{d} n{d}")
for _ in range(steps):
    c = r.choices(clients, weights)[0]
    t = r.choice(tx[c]) if tx[c] and r.random() < 0.6 else None
    at = f"@{t}" if t else ""
    what = r.choices(["READ", "WRITE", "MKDIR", "RM", "DIRECTORY", "GET_PERMS", "SET_PERMS",
                      "WATCH", "UNWATCH", "START", "END", "PART", "RESET", "QUOTA", "CHECK",
                      "SPECIAL", "RELEASE", "TARGET"],
                     [6, 12, 4, 5, 3, 2, 8, 4, 2, 4, 5, 1, 0.4, 1, 0.5, 0.5, 0.3, 0.2])[0]
    p = path(c)
    if what in ("READ", "MKDIR", "RM", "DIRECTORY", "GET_PERMS"):
        print(f"{c} {what}{at} {p}")
    elif what == "WRITE":
        print(f"{c} WRITE{at} {p} {value()}")
    elif what == "SET_PERMS":
        # The root of a domain that is released would be lost, with all the rest.
        print(f"{c} SET_PERMS{at} {p} {'r0 n1' if p == '/' else perms()}")
    elif what in ("WATCH", "UNWATCH"):
        print(f"{c} {what} {p} t{r.randrange(3)}")
    elif what == "START" and len(tx[c]) < 4:
        nr_tx += 1
        tx[c].append(f"t{nr_tx}")
        print(f"{c} t{nr_tx} = START")
    elif what == "END" and t:
        tx[c].remove(t)
        print(f"{c} TRANSACTION_END@{t} {r.choice('TTTF')}")
    elif what == "PART":
        print(f"{c} DIRECTORY_PART{at} {p} {r.randrange(6)}")
    elif what == "RESET" and c[0] == "d":
        tx[c] = []
        print(f"{c} RESET_WATCHES x")
    elif what == "QUOTA":
        print(f"s CONTROL quota {r.randrange(4)}")
    elif what == "CHECK":
        print("s CONTROL check")
    elif what == "SPECIAL":
        print(r.choice([f"s SET_PERMS @{r.choice(['releaseDomain', 'introduceDomain'])} {perms()}",
                        f"{c} WATCH @{r.choice(['releaseDomain', 'introduceDomain'])} t"]))
    elif what == "RELEASE":
        # Its nodes go; its connection is a new one.
        tx["d3"] = []
        print("s RELEASE 3")
        print("s INTRODUCE 3 0 1")
        print("s SET_TARGET 3 1" if r.random() < 0.3 else "s MKDIR /local/domain/3")
    elif what == "TARGET":
        print("s SET_TARGET 2 1")
