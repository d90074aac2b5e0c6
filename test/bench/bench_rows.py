"""What `make bench` shows: its columns, its rows, and why a column has no figure in a row."""

# name, title, place
COLUMNS = [
    ("xen", "Xen 4.17", "dom0, emulator"),
    ("shim", "xen-shim", "QEMU 10, nested"),
    ("microvm", "bare Linux", "microvm, nested"),
    ("nested-forward", "forward", "ours, nested"),
    ("nested-resident", "resident", "ours, nested"),
    ("kvm-forward", "forward", "ours, /dev/kvm"),
    ("kvm-resident", "resident", "ours, /dev/kvm"),
]

# name, title, unit, less or more is better
ROWS = [
    ("boot", "boot: exec to init", "s", "less"),
    ("first", "start: exec to first instruction", "ms", "less"),
    ("getpid", "getpid", "us", "less"),
    ("fault", "page fault, first touch", "us", "less"),
    ("forkexec", "fork+exec+wait", "ms", "less"),
    ("pipe", "pipe there and back, 2 switches", "us", "less"),
    ("mmap", "mmap, munmap of 64 MiB, populated", "ms", "less"),
    ("build", "make and tcc, 6 files", "ms", "less"),
    ("hypercall", "hypercall that does nothing", "us", "less"),
    ("backend", "event to a backend and back", "us", "less"),
    ("ipi", "IPI to a sleeping vcpu and back", "us", "less"),
    ("storm_event", "event to a running vcpu", "us", "less"),
    ("blk_rand", "disk: 4 KiB random reads", "/s", "more"),
    ("blk_seq", "disk: 1 MiB reads in order", "MB/s", "more"),
    ("tcp_up", "TCP stream, guest to host", "MB/s", "more"),
    ("tcp_down", "TCP stream, host to guest", "MB/s", "more"),
    ("tcp_rr", "TCP request and response", "/s", "more"),
    ("memory", "resident beyond the guest's", "MiB", "less"),
]

SMALL = ("hypercall", "backend", "ipi", "storm_event")
DEVICES = ("blk_rand", "blk_seq", "tcp_up", "tcp_down", "tcp_rr")

REASONS = {
    ("xen", "first"): "Xen is started by firmware, not by exec",
    ("xen", "memory"): "domain 0 is in no process's memory",
    ("xen", "backend"): "nobody is a backend for domain 0",
    **{("xen", row): "nobody is a backend for domain 0" for row in DEVICES},
    **{("microvm", row): "bare Linux makes no Xen hypercalls" for row in SMALL},
}
