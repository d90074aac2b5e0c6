#!/usr/bin/python3
"""Holds a conversation with a xenstore and prints all that was said:
     talk.py FILE COMMAND...
COMMAND is the store: it gets a folder in STAND_IN, listens on the socket in
XENSTORED_PATH, and finds the domains in the folder (test/oracle/xenstored/stand_in.c says
how). The same files are held with the real xenstored and with ours.

A file has one step a line:
  domains N...            which domains exist; the first line
  CLIENT TYPE[@TX] WORD...   a request, and what comes of it. CLIENT is s, s2... (a socket,
                          opened when first used) or dN (domain N's ring). Each WORD ends
                          with a NUL unless it begins with raw:. In it %d counts a
                          repetition, and raw:TEXT*N is TEXT N times.
                          @TX is a transaction's name, or a number.
  CLIENT TX = START       starts a transaction and names it
  repeat N CLIENT ...     the request N times; equal answers are shown once with their number
  send CLIENT ...         a request whose answer is not waited for
  read CLIENT             what has come
  header CLIENT TYPE LEN [WORD...]   a header that says LEN, and what follows it
  bytes CLIENT WORD...    raw bytes, one at a time
  close CLIENT | kill N | shutdown N | dying N
  ring N                  what the ring's page says of the connection
"""
import hashlib, mmap, os, shutil, shlex, socket, struct, subprocess, sys, tempfile, time

TYPES = {n: i for i, n in enumerate(
    "CONTROL DIRECTORY READ GET_PERMS WATCH UNWATCH TRANSACTION_START TRANSACTION_END "
    "INTRODUCE RELEASE GET_DOMAIN_PATH WRITE MKDIR RM SET_PERMS WATCH_EVENT ERROR "
    "IS_DOMAIN_INTRODUCED RESUME SET_TARGET".split())}
TYPES["RESET_WATCHES"] = 21
TYPES["DIRECTORY_PART"] = 22
NAMES = {i: n for n, i in TYPES.items()}
LIMIT = 20.0  # seconds; only a store that does not answer costs them
PING = 0x7fffffff
RING = 1024


class Gone(Exception):
    pass


class Socket:
    def __init__(self, talk):
        self.s = socket.socket(socket.AF_UNIX)
        try:
            self.s.connect(talk.path)
        except OSError:
            raise Gone

    def put(self, data):
        try:
            self.s.sendall(data)
        except OSError:
            raise Gone

    def get(self, n, limit):
        data = b""
        self.s.settimeout(limit)
        try:
            while len(data) < n:
                more = self.s.recv(n - len(data))
                if not more:
                    raise Gone
                data += more
        except socket.timeout:
            if data:
                raise Gone
            return None
        except OSError:
            raise Gone
        return data

    def settle(self):
        pass

    def close(self):
        self.s.close()


class Ring:
    """xs_wire.h, struct xenstore_domain_interface: req[1024], rsp[1024], req_cons,
    req_prod, rsp_cons, rsp_prod, server_features, connection, error."""

    def __init__(self, talk, domid):
        self.talk, self.port = talk, 1000 + domid
        with open(f"{talk.dir}/ring.{domid}", "r+b") as f:
            self.m = mmap.mmap(f.fileno(), 4096)
        # Whole words at a time, as the store reads them; struct moves bytes.
        self.words = memoryview(self.m).cast("I")

    def word(self, i):
        return self.words[512 + i]

    def set(self, i, v):
        self.words[512 + i] = v & 0xffffffff

    def wait(self, ready, limit):
        end = time.monotonic() + limit
        self.talk.event(self.port)
        pause = 0.00005
        while not ready():
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.01)
        return True

    def put(self, data):
        while data:
            room = lambda: RING - (self.word(1) - self.word(0)) % 2**32
            if not self.wait(room, 1.0):
                raise Gone
            part, prod = data[:room()], self.word(1)
            for i, b in enumerate(part):
                self.m[(prod + i) % RING] = b
            self.set(1, prod + len(part))
            data = data[len(part):]
        self.talk.event(self.port)

    def get(self, n, limit):
        data = b""
        while len(data) < n:
            there = lambda: (self.word(3) - self.word(2)) % 2**32
            if not self.wait(there, limit):
                if data:
                    raise Gone
                return None
            cons = self.word(2)
            k = min(there(), n - len(data))
            data += bytes(self.m[RING + (cons + i) % RING] for i in range(k))
            self.set(2, cons + k)
        self.talk.event(self.port)
        return data

    def settle(self):
        """Until the store takes all, or no more."""
        before = None
        while self.word(1) != self.word(0) and before != self.word(0):
            before = self.word(0)
            time.sleep(0.3)

    def close(self):
        pass


def show_bytes(b):
    text = "".join(chr(c) if 32 < c < 127 and c not in b'"\\' else
                   " " if c == 32 else f"\\x{c:02x}" for c in b)
    if len(text) > 240:
        text = f"{text[:40]}...({len(b)} bytes, {hashlib.sha1(b).hexdigest()[:8]})"
    return f'"{text}"' if text == "" or " " in text else text


class Talk:
    def __init__(self, command):
        self.dir = tempfile.mkdtemp(prefix="talk-")
        self.path = self.dir + "/socket"
        self.command, self.store = command, None
        self.clients, self.tx, self.gens = {}, {}, {}
        self.events = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.next_id = 0

    def start(self, domids):
        for d in [0] + domids:
            open(f"{self.dir}/ring.{d}", "wb").write(bytes(4096))
            if d:
                open(f"{self.dir}/domain.{d}", "w").write("r")
        open(self.dir + "/port", "w").write("1")
        env = dict(os.environ, STAND_IN=self.dir, XENSTORED_PATH=self.path,
                   XENSTORED_RUNDIR=self.dir, XENSTORED_ROOTDIR=self.dir)
        self.log = open(self.dir + "/log", "wb")
        self.store = subprocess.Popen(self.command, env=env, stdin=subprocess.DEVNULL,
                                      stdout=self.log, stderr=self.log)
        end = time.monotonic() + LIMIT
        while True:
            try:
                Socket(self).close()
                break
            except Gone:
                if self.store.poll() is not None or time.monotonic() > end:
                    sys.exit("the store does not start: " +
                             open(self.dir + "/log", errors="replace").read())
                time.sleep(0.002)

    def end(self):
        if self.store:
            status = self.store.poll()
            if status is None:
                self.store.kill()
                self.store.wait()
            else:
                print(f"! the store ended with status {status}")
                print(open(self.dir + "/log", errors="replace").read())
        shutil.rmtree(self.dir)

    def event(self, port):
        try:
            self.events.sendto(struct.pack("<I", port), self.dir + "/events")
        except OSError:
            raise Gone

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = Socket(self) if name[0] == "s" else Ring(self, int(name[1:]))
        return self.clients[name]

    def payload(self, words, i=0):
        data = b""
        for w in words:
            if not w.startswith("raw:"):
                data += w.replace("%d", str(i)).encode() + b"\0"
                continue
            w = w[4:].replace("%d", str(i))
            text, star, n = w.rpartition("*")
            if star and n.isdigit():
                w = text * int(n)
            data += w.encode().decode("unicode_escape").encode("latin-1")
        return data

    def message(self, c, limit=LIMIT):
        h = c.get(16, limit)
        if h is None:
            return None
        kind, rid, tx, n = struct.unpack("<IIII", h)
        body = c.get(n, LIMIT) if n else b""
        if body is None:
            raise Gone
        return kind, rid, tx, body

    def show(self, kind, body, asked=None):
        what = body
        if kind == TYPES["DIRECTORY_PART"]:
            what = body.partition(b"\0")[2]  # without the generation
        parts = body.split(b"\0")
        last = parts.pop()
        out = [show_bytes(p) for p in parts] + ([f"raw:{show_bytes(last)}"] if last else [])
        if kind == TYPES["DIRECTORY_PART"] and out:
            out[0] = self.gens.setdefault(out[0], f"g{len(self.gens) + 1}")
        if len(out) > 40:
            out = out[:3] + [f"...({len(out)} strings, {hashlib.sha1(what).hexdigest()[:8]})"]
        return " ".join([NAMES.get(kind, str(kind))] + out)

    def send(self, c, word, words, i=0):
        name, _, tx = word.partition("@")
        kind = TYPES[name] if name in TYPES else int(name)
        data = self.payload(words, i)
        self.next_id += 1
        t = self.tx[tx] if tx in self.tx else int(tx or 0)
        c.put(struct.pack("<IIII", kind, self.next_id, t, len(data)) + data)
        return self.next_id

    def answer(self, c, rid, lines, name):
        """Everything up to the answer to rid; its payload."""
        while True:
            m = self.message(c)
            if m is None:
                lines.append(f"{name}< nothing")
                raise Gone
            lines.append(f"{name}< {self.show(m[0], m[3])}")
            if m[0] != TYPES["WATCH_EVENT"]:
                if m[1] != rid:
                    lines.append(f"{name}< with a wrong req_id")
                return m[3]

    def busy(self):
        """Until the store has answered somebody else."""
        c = Socket(self)
        c.put(struct.pack("<IIII", TYPES["GET_DOMAIN_PATH"], PING, 0, 2) + b"0\0")
        self.message(c)
        c.close()

    def others(self, lines):
        """What came to everybody: events are in front of a ping's answer."""
        for name in sorted(self.clients):
            c = self.clients[name]
            if getattr(c, "silent", False):
                continue
            try:
                c.put(struct.pack("<IIII", TYPES["GET_DOMAIN_PATH"], PING, 0, 2) + b"0\0")
                while True:
                    m = self.message(c, 2.0)
                    if m is None:
                        # A busy machine, or nobody who would answer this one?
                        self.busy()
                        m = self.message(c, 2.0)
                    if m is None:
                        raise Gone
                    if m[1] == PING and m[0] != TYPES["WATCH_EVENT"]:
                        break
                    lines.append(f"{name}< {self.show(m[0], m[3])}")
            except Gone:
                lines.append(f"{name}: no more answers")
                c.silent = True

    @staticmethod
    def words(line):
        """Blanks part them, quotes hold them together; a backslash is payload()'s."""
        lex = shlex.shlex(line, posix=True)
        lex.whitespace_split, lex.escape, lex.commenters = True, "", ""
        return list(lex)

    def step(self, line):
        w = self.words(line)
        lines = []
        n = 1
        if w[0] == "repeat":
            n, w = int(w[1]), w[2:]
        if w[0] == "domains":
            self.start([int(x) for x in w[1:]])
        elif w[0] == "close":
            if w[1] in self.clients:
                self.clients.pop(w[1]).close()
            time.sleep(0.05)
        elif w[0] in ("kill", "shutdown", "dying"):
            path = f"{self.dir}/domain.{w[1]}"
            if w[0] == "kill":
                os.unlink(path)
                if "d" + w[1] in self.clients:
                    del self.clients["d" + w[1]]
            else:
                open(path, "w").write(w[0][0])
            self.event(1)
            time.sleep(0.05)
        elif w[0] == "ring":
            r = self.client("d" + w[1])
            self.busy()
            time.sleep(0.2)
            self.busy()
            lines.append(f"d{w[1]}: connection {r.word(5)} error {r.word(6)}")
            return lines
        elif w[0] == "send":
            c = self.client(w[1])
            c.silent = True
            try:
                for i in range(n):
                    self.send(c, w[2], w[3:], i)
            except Gone:
                lines.append(f"{w[1]}: takes no more after {i} of {n}")
            c.settle()
        elif w[0] == "read":
            c, got = self.client(w[1]), []
            try:
                while (m := self.message(c, 0.3)) is not None:
                    got.append(f"{w[1]}< {self.show(m[0], m[3])}")
            except Gone:
                got.append(f"{w[1]}: closed")
            lines += self.short(got)
            c.silent = False
        elif w[0] in ("header", "bytes"):
            try:
                c = self.client(w[1])
                if w[0] == "header":
                    kind = TYPES.get(w[2]) if w[2] in TYPES else int(w[2])
                    c.put(struct.pack("<IIII", kind, 1, 0, int(w[3])) + self.payload(w[4:]))
                else:
                    for b in self.payload(w[2:]):
                        c.put(bytes([b]))
                        time.sleep(0.001)
            except Gone:
                lines.append(f"{w[1]}: closed")
        elif len(w) > 2 and w[2] == "=":
            c = self.client(w[0])
            body = self.answer(c, self.send(c, "TRANSACTION_START", [""]), lines, w[0])
            self.tx[w[1]] = int(body.rstrip(b"\0"))
        else:
            c = self.client(w[0])
            for i in range(n):
                try:
                    self.answer(c, self.send(c, w[1], w[2:], i), lines, w[0])
                except Gone:
                    if self.store.poll() is not None:
                        raise
                    lines.append(f"{w[0]}: no answer")
                    c.silent = True
                if n > 1 and i % 16 == 0:
                    self.others(lines)
        if self.store and w[0] not in ("header", "bytes"):
            self.others(lines)
        return self.short(lines) if n > 1 else lines

    @staticmethod
    def short(lines):
        """Runs of equal lines as one."""
        out = []
        for line in lines:
            if out and out[-1][0] == line:
                out[-1][1] += 1
            else:
                out.append([line, 1])
        return [line if k == 1 else f"{line}  x {k}" for line, k in out]

    def hold(self, path):
        for line in open(path):
            line = line.rstrip("\n")
            print(line)
            if line and not line.startswith("#"):
                try:
                    lines = self.step(line)
                except Gone:
                    lines = ["! no answer"]
                for out in lines:
                    print("  " + out)


talk = Talk(sys.argv[2:])
try:
    talk.hold(sys.argv[1])
finally:
    talk.end()
