#!/usr/bin/env python3
"""A whole Debian 12 system as a guest: check.py [KILLS]

build.sh makes its disk. The system boots to a login prompt, is used, compiles a
project, boots again with its files, and powers off. With KILLS our process is killed
that many times while dpkg installs packages. MEMORY, VCPUS, and KERNEL with RAMDISK
boot it in other ways; FLAGS are further options of `xenolith create`. Prints TAP."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from guest import Guest, Stuck

os.environ["PATH"] += ":/usr/sbin:/sbin"
os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

# A command, and what its output must match. Each must end with status 0.
SYSTEM = [
    ("all units of systemd start", "systemctl is-system-running --wait || systemctl --failed --no-legend", r"^running$"),
    ("it sees Xen", "systemd-detect-virt", r"^xen$"),
    ("udev knows the partition", "udevadm settle && udevadm info -q property /dev/xvda1", r"(?m)^ID_FS_TYPE=ext4$"),
    ("the root is what fstab says", "findmnt -no SOURCE,OPTIONS /", r"^/dev/xvda1 +rw,.*errors=remount-ro"),
    ("a service in a cgroup is killed at its limit of memory",
     "systemd-run -q --wait -p MemoryMax=24M -p MemorySwapMax=0 --unit=greedy tail /dev/zero; "
     "journalctl -q -u greedy -o cat --no-pager", r"oom-kill"),
    ("a service in namespaces, as a user of its own, with a filter of system calls",
     "systemd-run -q --wait --pipe -p DynamicUser=yes -p PrivateTmp=yes -p ProtectSystem=strict "
     "-p PrivateDevices=yes -p PrivateNetwork=yes -p SystemCallFilter=@system-service "
     "-p MemoryDenyWriteExecute=yes -p NoNewPrivileges=yes sh -c 'id -u; ip -o link | cut -d: -f2'", r"^6\d{4}\n lo$"),
    ("the filter of system calls refuses",
     "systemd-run -q --wait -p SystemCallFilter=~mkdir -p SystemCallErrorNumber=EPERM mkdir /tmp/no; test $? = 1 -a ! -e /tmp/no", ""),
    ("namespaces of processes", "unshare -pfm --mount-proc sh -c 'echo pid $$; ps -e | wc -l'", r"^pid 1\n[34]$"),
    ("pseudo-terminals", "script -qec tty /dev/null </dev/null", r"/dev/pts/\d"),
    ("users", "useradd -m joe && su joe -c 'id -un && touch ~/file'", r"^joe$"),
    ("a file system in a loop device",
     "truncate -s 32M /tmp/fs && mkfs.ext4 -q /tmp/fs && mount -o loop /tmp/fs /mnt && cp -r /etc /mnt && "
     "umount /mnt && e2fsck -fn /tmp/fs >/dev/null 2>&1 && rm /tmp/fs", ""),
    ("there is no hardware clock, and it says so", "hwclock 2>&1; test $? = 1 && timedatectl show -p RTCTimeUSec", "annot access the Hardware Clock"),
    ("a cpu leaves and comes back",
     "cd /sys/devices/system/cpu/cpu1 && echo 0 >online && nproc && echo 1 >online && nproc; cd", r"^1\n2$"),
]

# A program that has more memory than its cgroup gives it: the rest is on a disk.
SWAP = r"""
#include <stdio.h>
#include <stdlib.h>
#define N (48u << 18)
int main(void)
{
	unsigned *p = malloc(4ul * N), bad = 0;
	for (unsigned round = 1; round < 4; round++) {
		for (unsigned i = 0; i < N; i++)
			p[i] = i * 2654435761u + round;
		for (unsigned i = 0; i < N; i++)
			bad += p[i] != i * 2654435761u + round;
	}
	return printf("%u wrong\n", bad) < 0;
}
"""

# A client of the library that the guest compiled, on the guest's own device.
CLIENT = r"""
#include <stdio.h>
#include <stdlib.h>
#include <xenstore.h>
int main(void)
{
	struct xs_handle *h = xs_open(0);
	unsigned len;
	char *name = h ? xs_read(h, XBT_NULL, "name", &len) : NULL;
	printf("name %s\n", name ? name : "none");
	free(name);
	xs_close(h);
	return 0;
}
"""

# What its log must not have. Xen's own PV guests have the mismatch of APIC ids, and
# the line about a mitigation has a link with that word.
BAD = r"WARNING:|BUG:|Call Trace|Oops|unchecked MSR|W\+X pages found:|soft lockup|rcu.*stall|segfault|general protection|I/O error|EXT4-fs error|Firmware Bug"
KNOWN = r"Return Stack Overflow|APIC id mismatch"


def verdict(good, name, detail=""):
    if not good:
        print("\n".join("# " + line for line in str(detail).splitlines()[-40:]))
    print(f"{'ok' if good else 'not ok'} - debian: {name}", flush=True)
    return good


def say(text):
    """Progress, for whoever waits."""
    fd = os.environ.get("PROGRESS_FD")
    os.write(int(fd) if fd else 2, f"   .. {text} ({time.monotonic() - started:.0f} s)\n".encode())


class Debian:
    """The disk, the kernel, and the runs of the guest on them."""

    def __init__(self, made, work):
        self.work = work
        self.disk = os.path.join(work, "disk")
        self.second = os.path.join(work, "second")
        self.stats = os.path.join(work, "stats")
        self.vcpus = os.environ.get("VCPUS", "2")
        self.name = f"debian-{os.getpid()}"
        self.guest = None
        subprocess.run(["cp", "--sparse=always", made + "/disk", self.disk], check=True)
        # The project to compile is a tar file on a disk of its own, which is swap space then.
        subprocess.run(["tar", "cf", self.second, "Makefile", "guests", "libxenstore"], check=True)
        os.truncate(self.second, 256 << 20)

    def start(self):
        # As a user would write it: the kernel is that of the disk.
        kernel = 'bootloader = "pygrub"'
        if "KERNEL" in os.environ:
            kernel = (f'kernel = "{os.environ["KERNEL"]}"\nramdisk = "{os.environ["RAMDISK"]}"\n'
                      'root = "/dev/xvda1 ro"\nextra = "console=hvc0"')
        config = f"""name = "{self.name}"
type = "pv"
{kernel}
memory = {os.environ.get("MEMORY", "512")}
vcpus = {self.vcpus}
disk = [ '{self.disk},raw,xvda,rw', '{self.second},raw,xvdb,rw' ]
vif = [ '' ]
on_reboot = "restart"
"""
        self.guest = Guest(self.work, config, "--stats=" + self.stats, *os.environ.get("FLAGS", "").split())
        return self.guest

    def fsck(self):
        """(whether it is clean, what e2fsck says)"""
        r = subprocess.run(["e2fsck", "-fn", self.disk + "?offset=1048576"], capture_output=True, text=True)
        return r.returncode == 0, r.stdout + r.stderr

    def log_is_good(self, when):
        _, log = self.guest.run("journalctl -q -k -b --no-pager -o cat", 300)
        bad = [line for line in log.splitlines() if re.search(BAD, line) and not re.search(KNOWN, line)]
        # The service that was killed on purpose has a trace of its own.
        if bad and "tail invoked oom-killer" in log:
            bad.remove("Call Trace:")
        verdict(len(log) > 1000 and not bad, f"nothing bad in the kernel's log after {when}", "\n".join(bad) or log)


def network(debian):
    guest = debian.guest
    status, out = guest.run("for i in $(seq 60); do ip -4 -o addr show scope global | grep . && break; sleep 1; done; ip route", 300)
    verdict(re.search(r"inet [0-9.]+/", out) and "default via" in out, "an address by DHCP", out)
    reachable = subprocess.run(["apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "update"], capture_output=True, text=True)
    if reachable.returncode:
        print("ok - debian: apt-get update # SKIP this host reaches no mirror itself")
        return
    say("apt-get update")
    status, out = guest.run("apt-get -o APT::Update::Error-Mode=any update 2>&1", 400)
    verdict(status == 0, f"apt-get update works from inside", out)
    status, out = guest.run("apt-get install -y --no-install-recommends hello 2>&1 | tail -n 3; hello", 300)
    verdict(status == 0 and "Hello, world!" in out, "and a package is installed", out)


def use(debian):
    """The first boot: everything that a system does."""
    guest = debian.start()
    say("booting")
    verdict(guest.login(), "a login prompt on hvc0, and a login")
    _, out = guest.run("nproc")
    verdict(out == debian.vcpus, f"{debian.vcpus} cpus", out)
    now = time.time()
    _, out = guest.run("date +%s")
    verdict(out.isdigit() and abs(int(out) - now) < 60, "it knows the time", f"{out}, not {now}")
    for name, command, pattern in SYSTEM:
        if "cpu1" in command and debian.vcpus != "2":
            continue
        say(name)
        status, out = guest.run(command, 600)
        verdict(status == 0 and re.search(pattern, out), name, f"status {status}\n{out}")
    network(debian)
    say("compiling")
    status, out = guest.run("mkdir -p /root/project && cd /root/project && tar xf /dev/xvdb && make -j2 libxenstore 2>&1 | tail -n 5 && "
                            "ls build/libxenstore/libxenstore.so.4.0", 900)
    verdict(status == 0, "make -j2 compiles a project", out)
    status, out = guest.run(f"cat >client.c <<'END'\n{CLIENT}END\n"
                            "gcc -Wall -Ilibxenstore/include -o client client.c -Lbuild/libxenstore -lxenstore -Wl,-rpath,$PWD/build/libxenstore && ./client", 300)
    verdict(status == 0 and out == "name " + debian.name, "whose library reads the domain's store", out)
    say("swapping")
    status, out = guest.run(f"cat >swap.c <<'END'\n{SWAP}END\n"
                            "gcc -O2 -o swap swap.c && mkswap /dev/xvdb >/dev/null && swapon /dev/xvdb && "
                            "systemd-run -q --wait --pipe -p MemoryMax=24M $PWD/swap; grep -w pswpin /proc/vmstat", 900)
    m = re.search(r"pswpin (\d+)", out)
    verdict(status == 0 and "0 wrong" in out.splitlines() and m and int(m[1]) > 1000, "memory in swap space on a disk is kept", out)
    say("reading")
    status, out = guest.run("cd && find /etc /boot /usr/bin /usr/sbin /root/project -type f | sort | xargs -d '\\n' md5sum >/root/sums; wc -l </root/sums", 600)
    verdict(status == 0 and int(out) > 800, "its files are read", out)
    debian.log_is_good("use")
    say("rebooting")
    guest.type("reboot")
    guest.wait_for(r"reboot: Restarting system", 600)


def again(debian):
    """The second boot, which follows by itself."""
    guest = debian.guest
    say("booting again")
    verdict(guest.login(), "after a reboot it is there again")
    _, out = guest.run("journalctl -q --list-boots --no-pager | wc -l; test -x /root/project/client && echo there")
    verdict(out == "2\nthere", "it is the second boot of that system", out)
    status, out = guest.run("md5sum -c --quiet /root/sums 2>&1", 600)
    verdict(status == 0, "its files are those of before", out)
    status, out = guest.run("journalctl --verify 2>&1 | grep -c FAIL")
    verdict(out == "0", "the journal verifies", out)
    debian.log_is_good("another boot")
    say("powering off")
    guest.type("poweroff")
    status = guest.ends()
    verdict(status == 0 and re.search(r"reboot: .*(Power down|System halted)", guest.log), "poweroff", f"status {status}\n{guest.log}")
    verdict(*((c := debian.fsck())[0], "its file system is clean then", c[1]))
    guest.kill()


# Packages of 40 files are installed over each other; each success is told when it is on the disk.
LOAD = r"""
mkdir -p /root/load/p/DEBIAN /root/load/done
cat >/root/load/run <<'END'
cd /root/load
n=$(ls done | sort -n | tail -n 1)
while :; do
  n=$((${n:-0} + 1))
  printf 'Package: load\nVersion: %d\nArchitecture: all\nMaintainer: joe <joe@localhost>\nDescription: load\n' $n >p/DEBIAN/control
  mkdir -p p/opt/load
  for i in $(seq 40); do echo "$n $i" >p/opt/load/$i; done
  dpkg-deb -b -Znone p load.deb >/dev/null && dpkg -i load.deb >/dev/null || echo "dpkg failed"
  echo "content $n" | dd of=done/$n conv=fsync 2>/dev/null && sync -f done && echo "FLUSHED $n"
done
END
"""


def kills(debian, n):
    lost, failed, flushed = [], [], 0
    for i in range(n + 1):
        say(f"kill {i + 1} of {n}" if i < n else "after the last kill")
        guest = debian.start()
        guest.login()
        if i == 0:
            guest.run(LOAD.strip())
        _, out = guest.run(f"for i in $(seq {flushed}); do [ \"$(cat /root/load/done/$i)\" = \"content $i\" ] || echo lost $i; done", 300)
        lost += re.findall(r"lost \d+", out)
        status, out = guest.run("dpkg --configure -a 2>&1; dpkg --audit | grep -v '^$'", 300)
        if out and i:
            # A package that was caught half-way is one that dpkg knows, and installs again.
            _, out = guest.run("rm -f /var/lib/dpkg/updates/tmp.i; dpkg -i /root/load/load.deb >/dev/null 2>&1; dpkg --audit | grep -v '^$'", 300)
            failed += [out] if out else []
        if i == n:
            break
        guest.type("sh /root/load/run")
        guest.wait_for(r"FLUSHED \d+", 600)
        try:
            guest.wait_for(r"nothing like this", random.uniform(0, 20))
        except Stuck:
            pass
        guest.kill()
        guest._read()
        told = re.findall(r"FLUSHED (\d+)\n", guest.log)
        flushed = max([flushed, *map(int, told)])
        failed += re.findall(r"dpkg failed", guest.log)
    verdict(not lost and flushed >= n, f"{n} kills: all of {flushed} flushed files are there", lost)
    verdict(not failed, f"{n} kills: dpkg goes on", failed)
    debian.log_is_good("the kills")
    guest.type("poweroff")
    verdict(guest.ends() == 0, f"{n} kills: it powers off")
    verdict(*((c := debian.fsck())[0], f"{n} kills: its file system is clean", c[1]))
    guest.kill()


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    if not os.access("/dev/kvm", os.W_OK):
        print("ok - debian # SKIP no usable /dev/kvm here")
        return
    say("its disk")
    made = subprocess.Popen(["test/debian/build.sh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    messages = [""]
    for line in made.stderr:
        messages.append(line.strip())
        if line.startswith("== "):
            say(line[3:].strip())
    folder = made.stdout.read().strip()
    if made.wait() == 77:
        print("ok - debian # SKIP " + messages[-1])
        return
    if not verdict(made.returncode == 0, "its disk is made", "\n".join(messages)):
        return
    work = tempfile.mkdtemp()
    debian = Debian(folder, work)
    try:
        for part in (use, again, lambda d: kills(d, n) if n else None):
            try:
                part(debian)
            except Stuck as s:
                verdict(False, str(s), debian.guest.log + debian.guest.messages() if debian.guest else "")
                break
    finally:
        if debian.guest:
            debian.guest.kill()
        shutil.rmtree(work)


started = time.monotonic()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
main()
