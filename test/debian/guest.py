"""A Debian guest whose console is on a UNIX socket: what it is asked to do, and what it says."""

import os
import re
import signal
import socket
import subprocess
import time


class Stuck(Exception):
    """The guest, or our program, did not do in time what it was waited for."""


class Guest:
    """A domain that `xenolith create -F` runs. `log` has all that was seen on the console."""

    PASSWORD = "xenolith"

    def __init__(self, work, config, *options):
        self.log = ""
        self.seen = 0  # what of the log has been waited for
        self.asked = 0
        # The folders of the domain and of its log are the test's own.
        os.environ["XDG_RUNTIME_DIR"] = os.environ["XDG_STATE_HOME"] = work
        name = re.search(r'(?m)^name = "(.*)"', config)[1]
        self.path = os.path.join(work, "xenolith", name, "console.sock")
        self.errors = open(os.path.join(work, "stderr"), "w+", errors="replace")
        with open(os.path.join(work, "config"), "w") as file:
            file.write(config)
        self.process = subprocess.Popen(
            [os.environ.get("XENOLITH", "./xenolith"), "create", "-F", *options, file.name],
            stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        self.console = None
        if not self._connect():
            raise Stuck("xenolith made no console: " + self.messages())

    def _connect(self):
        """To the console of the domain, or of the one that follows it; False when there is none."""
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            self.console = socket.socket(socket.AF_UNIX)
            try:
                self.console.connect(self.path)
                self.console.settimeout(0.5)
                return True
            except OSError:
                self.console.close()
                time.sleep(0.05)
        return False

    def messages(self):
        """What our program said."""
        self.errors.seek(0)
        return self.errors.read()

    def _read(self):
        """Reads once from the console; False when it was closed and none follows."""
        try:
            got = self.console.recv(65536)
        except socket.timeout:
            return True
        except OSError:
            got = b""
        if not got:
            return self._connect()
        self.log += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", got.decode(errors="replace")).replace("\r", "")
        return bool(got)

    def wait_for(self, pattern, seconds):
        """Waits for a pattern behind what was waited for before."""
        deadline = time.monotonic() + seconds
        while True:
            m = re.compile(pattern).search(self.log, self.seen)
            if m:
                self.seen = m.end()
                return m
            if time.monotonic() > deadline:
                raise Stuck(f"no '{pattern}' within {seconds} s")
            if not self._read():
                raise Stuck(f"the console ended without '{pattern}'")

    def type(self, line):
        self.console.sendall(line.encode() + b"\n")

    def login(self, seconds=900):
        """From the boot to a shell that prints only what commands do."""
        self.wait_for(r"login: ", seconds)
        self.type("root")
        self.wait_for(r"Password: ", 600)
        self.type(self.PASSWORD)
        self.wait_for(r"root@\S+# ", 600)
        self.type("exec bash --norc --noediting")
        self.wait_for(r"bash-[0-9.]+# ", 300)
        self.type("stty -echo; PS1=; PS2=; export SYSTEMD_PAGER=cat PAGER=cat; dmesg -n 1")
        return self.run("true", 300)[0] == 0

    def run(self, command, seconds=300):
        """(status, output) of a command line."""
        self.asked += 1
        start = self.seen
        self.type(f"{{\n{command}\n}} </dev/null\nprintf '\\n@%d:%d@\\n' {self.asked} $?")
        m = self.wait_for(rf"\n@{self.asked}:(\d+)@\n", seconds)
        return int(m[1]), self.log[start:m.start()].strip("\n")

    def ends(self, seconds=600):
        """Our program's exit status, after what the guest was asked to do."""
        deadline = time.monotonic() + seconds
        while self._read():
            if time.monotonic() > deadline:
                raise Stuck(f"xenolith does not end within {seconds} s")
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            raise Stuck("xenolith closed the console and does not end") from None

    def kill(self):
        """Kills the process that is the domain; `create` is its parent, and ends when it has."""
        pid = self.process.pid
        if self.process.poll() is None:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                for child in children.read().split():
                    os.kill(int(child), signal.SIGKILL)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.console.close()
