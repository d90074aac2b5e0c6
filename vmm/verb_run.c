/*
 * `xenolith run`: the options of a domain.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/inspect/watch.h"
#include "vmm/runtime_dir.h"
#include "vmm/run_options.h"
#include "vmm/verb.h"

#define DEFAULT_QUANTUM_NS 10000

void run_options_init(struct run_options *o)
{
	*o = (struct run_options){
		.cmdline = "",
		.memory_mib = MEMORY_DEF_MIB,
		.nr_vcpus = 1,
		.profile = abi_profile_get(PROFILE_XEN_4_17),
		.p2m = P2M_IDENTITY,
		.p2m_seed = P2M_DEFAULT_SEED,
		.monitor = MONITOR_AUTO,
		.gate = GATE_AUTO,
		.console = CONSOLE_STDIO,
		.log_level = LOG_WARN,
		.grants = {GRANT_FRAMES_DEFAULT, MAPTRACK_FRAMES_DEFAULT, 2},
	};
}

static int parse_ramdisk(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->ramdisk = value;
	return 0;
}

static int parse_cmdline(void *into, const char *value, struct error *err)
{
	if (strlen(value) >= MAX_GUEST_CMDLINE)
		return error_set(err, -EINVAL,
				 "option --cmdline takes at most %d characters, not %zu",
				 MAX_GUEST_CMDLINE - 1, strlen(value));
	((struct run_options *)into)->cmdline = value;
	return 0;
}

static int parse_memory(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("memory", "MiB", value, MEMORY_MIN_MIB, MEMORY_MAX_MIB, &n, err);

	if (!rc)
		((struct run_options *)into)->memory_mib = n;
	return rc;
}

static int parse_maxmem(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("maxmem", "MiB", value, MEMORY_MIN_MIB, MEMORY_MAX_MIB, &n, err);

	if (!rc)
		((struct run_options *)into)->maxmem_mib = n;
	return rc;
}

static int parse_vcpus(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("vcpus", "a number", value, 1, MAX_VCPUS, &n, err);

	if (!rc)
		((struct run_options *)into)->nr_vcpus = n;
	return rc;
}

static int parse_grant_frames(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("max-grant-frames", "a number", value, 1, GRANT_FRAMES_LIMIT, &n,
			       err);

	if (!rc)
		((struct run_options *)into)->grants.frames = (unsigned)n;
	return rc;
}

static int parse_maptrack_frames(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("max-maptrack-frames", "a number", value, 0, MAPTRACK_FRAMES_LIMIT,
			       &n, err);

	if (!rc)
		((struct run_options *)into)->grants.maptrack_frames = (unsigned)n;
	return rc;
}

static int parse_grant_version(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("max-grant-version", "a version", value, 1, 2, &n, err);

	if (!rc)
		((struct run_options *)into)->grants.version = (unsigned)n;
	return rc;
}

static int parse_quota(void *into, const char *value, struct error *err)
{
	struct run_options *o = into;

	if (xenstore_quota(NULL, value))
		return error_set(err, -EINVAL,
				 "option --xenstore-quota takes NAME=NUMBER, where NAME is nodes, "
				 "watches, transactions, outstanding, transaction-nodes, memory, "
				 "node-size, path-max or permissions, not '%s'",
				 value);
	if (o->nr_quotas == MAX_QUOTAS)
		return error_set(err, -EINVAL, "option --xenstore-quota: at most %d", MAX_QUOTAS);
	o->quota[o->nr_quotas++] = value;
	return 0;
}

static int parse_maxvcpus(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("maxvcpus", "a number", value, 1, MAX_VCPUS, &n, err);

	if (!rc)
		((struct run_options *)into)->max_vcpus = n;
	return rc;
}

static int parse_name(void *into, const char *value, struct error *err)
{
	if (!domain_name_is_good(value))
		return error_set(err, -EINVAL,
				 "option --name takes 1 to %d characters without blanks and '/'",
				 DOMAIN_NAME_LIMIT - 1);
	((struct run_options *)into)->name = value;
	((struct run_options *)into)->name_given = true;
	return 0;
}

int run_option_profile(void *into, const char *value, struct error *err)
{
	const char *names[NR_PROFILES + 1] = {NULL};
	int i;

	for (i = 0; i < NR_PROFILES; i++)
		names[i] = abi_profile_get(i)->name;
	i = option_choice("profile", value, names, err);
	if (i < 0)
		return i;
	((struct run_options *)into)->profile = abi_profile_get(i);
	return 0;
}

int run_option_p2m(void *into, const char *value, struct error *err)
{
	struct run_options *o = into;
	unsigned long long seed = P2M_DEFAULT_SEED;

	if (!strcmp(value, "identity")) {
		o->p2m = P2M_IDENTITY;
		return 0;
	}
	if (!strncmp(value, "shuffle:", 8)) {
		int rc = option_number("p2m=shuffle:SEED", "a seed", value + 8, 0, UINT64_MAX,
				       &seed, err);
		if (rc)
			return rc;
	} else if (strcmp(value, "shuffle")) {
		return error_set(err, -EINVAL,
				 "option --p2m takes identity, shuffle or shuffle:SEED, not '%s'",
				 value);
	}
	o->p2m = P2M_SHUFFLE;
	o->p2m_seed = seed;
	return 0;
}

int run_option_monitor(void *into, const char *value, struct error *err)
{
	static const char *const names[] = {
		[MONITOR_AUTO] = "auto",
		[MONITOR_FORWARD] = "forward",
		[MONITOR_RESIDENT] = "resident",
		NULL,
	};
	int i = option_choice("monitor", value, names, err);

	if (i < 0)
		return i;
	((struct run_options *)into)->monitor = i;
	return 0;
}

int run_option_time(void *into, const char *value, struct error *err)
{
	struct run_options *o = into;
	int64_t quantum = DEFAULT_QUANTUM_NS;

	o->virtual_time = !strncmp(value, "virtual", 7) && (!value[7] || value[7] == ':');
	if (!o->virtual_time && strcmp(value, "host"))
		return error_set(err, -EINVAL,
				 "option --time takes host, virtual or virtual:QUANTUM, not '%s'",
				 value);
	if (o->virtual_time && value[7] &&
	    (!inject_time(value + 8, &quantum) || quantum < 100 || quantum > 10000000))
		return error_set(err, -EINVAL,
				 "option --time=virtual:QUANTUM takes a time of 100ns to 10ms, not "
				 "'%s'",
				 value + 8);
	o->time_quantum = (uint32_t)quantum;
	return 0;
}

int run_option_gate(void *into, const char *value, struct error *err)
{
	static const char *const names[] = {
		[GATE_AUTO] = "auto",
		[GATE_SYSCALL] = "syscall",
		[GATE_VMCALL] = "vmcall",
		NULL,
	};
	int i = option_choice("gate", value, names, err);

	if (i < 0)
		return i;
	((struct run_options *)into)->gate = i;
	return 0;
}

bool hugepages_parse(const char *value, unsigned *shift)
{
	if (!strcmp(value, "2M"))
		*shift = 21;
	else if (!strcmp(value, "1G"))
		*shift = 30;
	else
		return false;
	return true;
}

int run_option_hugepages(void *into, const char *value, struct error *err)
{
	return hugepages_parse(value ? value : "2M", &((struct run_options *)into)->huge_shift)
		       ? 0
		       : error_set(err, -EINVAL, "option --hugepages takes 2M or 1G, not '%s'",
				   value);
}

int run_option_kernel_cache(void *into, const char *value, struct error *err)
{
	if (!*value)
		return error_set(err, -EINVAL, "option --kernel-cache needs a folder");
	((struct run_options *)into)->kernel_cache = value;
	return 0;
}

int run_option_stats(void *into, const char *value, struct error *err)
{
	struct run_options *o = into;

	if (value && !*value)
		return error_set(err, -EINVAL, "option --stats= needs a file name");
	o->stats = true;
	o->stats_file = value;
	return 0;
}

static int parse_console(void *into, const char *value, struct error *err)
{
	static const struct {
		const char *word;
		enum console_kind kind;
		bool has_path;
	} kinds[] = {
		{"stdio", CONSOLE_STDIO, false},
		{"pty", CONSOLE_PTY, false},
		{"socket", CONSOLE_SOCKET, true}, /* or none: one of its own */
		{"file", CONSOLE_FILE, true},
	};
	struct run_options *o = into;
	size_t len = strcspn(value, ":");
	const char *path = value[len] ? value + len + 1 : NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].word) != len || memcmp(kinds[i].word, value, len))
			continue;
		if (kinds[i].has_path ? path ? !*path : kinds[i].kind == CONSOLE_FILE : !!path)
			break;
		if (kinds[i].kind == CONSOLE_SOCKET && path &&
		    strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return error_set(err, -EINVAL,
					 "option --console=socket:PATH takes a path of at most %zu "
					 "characters",
					 sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
		o->console = kinds[i].kind;
		o->console_path = path;
		return 0;
	}
	return error_set(
		err, -EINVAL,
		"option --console takes stdio, pty, socket, socket:PATH or file:PATH, not '%s'",
		value);
}

int run_option_xenstore(void *into, const char *value, struct error *err)
{
	const size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path);

	if (!*value || strlen(value) >= limit)
		return error_set(err, -EINVAL,
				 "option --xenstore takes a path of 1 to %zu characters",
				 limit - 1);
	((struct run_options *)into)->xenstore_path = value;
	return 0;
}

static int add_device(struct run_options *o, const struct device_kind *kind, const char *spec,
		      struct error *err)
{
	if (o->nr_devices == MAX_GUEST_DEVICES)
		return error_set(err, -EINVAL, "at most %d devices", MAX_GUEST_DEVICES);
	o->device[o->nr_devices++] = (struct device_option){kind, spec};
	return kind->parse(spec, err);
}

static int parse_disk(void *into, const char *value, struct error *err)
{
	return add_device(into, &disk_kind, value, err);
}

int run_option_paused(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->paused = true;
	return 0;
}

static int parse_pci(void *into, const char *value, struct error *err)
{
	return add_device(into, &pci_kind, value, err);
}

static int parse_e820_host(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->e820_host = 1;
	return 0;
}

static int parse_shared_memory(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->shared_memory = true;
	return 0;
}

static int parse_vif(void *into, const char *value, struct error *err)
{
	return add_device(into, &vif_kind, value, err);
}

int run_option_gdb(void *into, const char *value, struct error *err)
{
	struct run_options *o = into;

	o->gdb = true;
	return gdb_where_parse(&o->gdb_where, value, err);
}

int run_option_gdb_nowait(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->gdb_nowait = true;
	return 0;
}

int run_option_watch(void *into, const char *value, struct error *err)
{
	unsigned long long n = WATCH_SECONDS;
	int rc =
		value ? option_number("watch", "seconds", value, 1, WATCH_SECONDS_MAX, &n, err) : 0;

	if (!rc)
		((struct run_options *)into)->watch = (unsigned)n;
	return rc;
}

int run_option_quiet(void *into, const char *value, struct error *err)
{
	((struct run_options *)into)->log_level = LOG_ERROR;
	return 0;
}

int run_option_verbose(void *into, const char *value, struct error *err)
{
	struct run_options *o = into;

	if (o->log_level < LOG_DEBUG)
		o->log_level++;
	return 0;
}

static const struct option options[] = {
	{.name = "ramdisk",
	 .arg = "FILE",
	 .help = "initial ramdisk (Xen's module)",
	 .parse = parse_ramdisk},
	{.name = "cmdline",
	 .arg = "TEXT",
	 .help = "the kernel's command line",
	 .parse = parse_cmdline},
	{.name = "memory",
	 .arg = "MiB",
	 .help = "memory of the domain, 16 to 1048576 (default 512)",
	 .parse = parse_memory},
	{.name = "maxmem",
	 .arg = "MiB",
	 .help = "memory that the domain can be given (default: --memory)",
	 .parse = parse_maxmem},
	{.name = "vcpus",
	 .arg = "N",
	 .help = "virtual cpus, 1 to 32 (default 1)",
	 .parse = parse_vcpus},
	{.name = "maxvcpus",
	 .arg = "N",
	 .help = "virtual cpus that it can have; those beyond --vcpus are\n"
		 "offline at first (default: --vcpus)",
	 .parse = parse_maxvcpus},
	{.name = "max-grant-frames",
	 .arg = "N",
	 .help = "frames of its grant table, 1 to 1024 (default 64)",
	 .parse = parse_grant_frames},
	{.name = "max-maptrack-frames",
	 .arg = "N",
	 .help = "frames of 256 grants that it can map, 0 to 32768\n(default 1024)",
	 .parse = parse_maptrack_frames},
	{.name = "max-grant-version",
	 .arg = "N",
	 .help = "of its grant table, 1 or 2 (default)",
	 .parse = parse_grant_version},
	{.name = "name",
	 .arg = "NAME",
	 .help = "name of the domain (default: the kernel file's)",
	 .parse = parse_name},
	RUN_OPTION_ROWS,
	{.name = "disk",
	 .arg = "SPEC",
	 .help = "a disk, as in xl's configuration: FILE,FORMAT,xvda,rw\n(formats: raw, qcow2, "
		 "vhd, vmdk, qed, qcow; man xenolith,\nDISKS); may be given again",
	 .parse = parse_disk},
	{.name = "vif",
	 .arg = "SPEC",
	 .help = "a network interface, as in xl's configuration; net=user (a NAT\n"
		 "that needs no privilege) without bridge=; may be given again",
	 .parse = parse_vif},
	{.name = "pci",
	 .arg = "SPEC",
	 .help = "a PCI function: model=NAME, [DDDD:]BB:DD.F of the host (VFIO)\n"
		 "or vfio-user=SOCKET, with xl's options (man xenolith, PCI);\n"
		 "may be given again",
	 .parse = parse_pci},
	{.name = "e820-host",
	 .help = "room for PCI functions below 4 GiB, for pci-attach to a\n"
		 "large domain; --pci has the same effect",
	 .parse = parse_e820_host},
	{.name = "shared-memory",
	 .help = "the guest's memory can be mapped by another process, for\n"
		 "pci-attach of vfio-user=; --pci vfio-user= has the same effect",
	 .parse = parse_shared_memory},
	{.name = "console",
	 .arg = "WHERE",
	 .help = "the guest's console: stdio (default; Ctrl-] leaves it),\n"
		 "pty, socket[:PATH], file:PATH; 'xenolith console' attaches\n"
		 "to a pty or a socket",
	 .parse = parse_console},
	{.name = "paused",
	 .letter = 'p',
	 .help = "start paused, until 'xenolith unpause'",
	 .parse = run_option_paused},
	{.name = "xenstore",
	 .arg = "PATH",
	 .help = "socket of the domain's xenstore (default: xenstore.sock in\n"
		 "$XDG_RUNTIME_DIR/xenolith/NAME or, for root, /run/xenolith/NAME)",
	 .parse = run_option_xenstore},
	{.name = "xenstore-quota",
	 .arg = "NAME=N",
	 .help = "what the guest may have in xenstore: nodes, watches,\ntransactions ... "
		 "(xenstore-control quota shows them)",
	 .parse = parse_quota},
	{.name = "stats",
	 .arg = "FILE",
	 .arg_optional = true,
	 .help = "write statistics to FILE (stderr) when the guest ends",
	 .parse = run_option_stats},
	{.name = "quiet",
	 .letter = 'q',
	 .help = "no messages but errors",
	 .parse = run_option_quiet},
	{.name = "verbose",
	 .letter = 'v',
	 .help = "more messages; twice: even more",
	 .parse = run_option_verbose},
	{.name = NULL},
};

/* A regular file with something in it that we may read. */
int run_check_file(const char *what, const char *path, struct error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 || fstat(fd, &st)) {
		rc = error_set(err, -errno, "cannot read the %s '%s': %s", what, path,
			       strerror(errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	close(fd);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "the %s '%s' is not a regular file", what, path);
	if (!st.st_size)
		return error_set(err, -EINVAL, "the %s '%s' is empty", what, path);
	return 0;
}

/* The kernel file's name, when it is a good one for a domain. */
static const char *default_name(const char *kernel)
{
	const char *slash = strrchr(kernel, '/');
	const char *base = slash ? slash + 1 : kernel;

	return domain_name_is_good(base) ? base : "domain";
}

/* What is not given follows from the rest. */
static int complete(struct run_options *o, struct error *err)
{
	if (!o->maxmem_mib)
		o->maxmem_mib = o->memory_mib;
	if (!o->max_vcpus)
		o->max_vcpus = o->nr_vcpus;
	if (o->gdb_nowait && !o->gdb)
		return error_set(err, -EINVAL, "--gdb-nowait is for --gdb, which is not there");
	if (o->maxmem_mib < o->memory_mib)
		return error_set(err, -EINVAL, "--maxmem %lu is less than --memory %lu",
				 (unsigned long)o->maxmem_mib, (unsigned long)o->memory_mib);
	if (o->max_vcpus < o->nr_vcpus)
		return error_set(err, -EINVAL, "--maxvcpus %u is less than --vcpus %u",
				 o->max_vcpus, o->nr_vcpus);
	return 0;
}

static int run(const struct verb *v, int argc, char **argv)
{
	struct run_options o;
	struct error err;
	int status;
	int n;

	run_options_init(&o);
	n = verb_parse(v, argc, argv, &o, 1, &status);

	if (n < 0)
		return status;
	if (!n)
		return bad_usage("'run' needs a kernel file; see 'xenolith help run'");
	o.kernel = argv[0];
	if (complete(&o, &err))
		return bad_usage("%s", err.text);
	if (run_check_file("kernel", o.kernel, &err) ||
	    (o.ramdisk && run_check_file("ramdisk", o.ramdisk, &err)))
		return bad_usage("%s", err.text);
	if (!o.name)
		o.name = default_name(o.kernel);
	return domain_run(&o, NULL);
}

const struct verb verb_run = {
	.name = "run",
	.operands = "KERNEL",
	.summary = "run a Xen PV kernel as a domain until it ends",
	.more = "KERNEL is an x86-64 ELF file or a bzImage with Xen's ELF notes.\n"
		"The exit status is 0 after a poweroff or reboot, 1 when this host\n"
		"failed, 2 after bad usage or for a bad file, 3 when the guest crashed.\n",
	.options = options,
	.run = run,
};
