/*
 * What was measured of this host's KVM, kept for the next domain: in the folder of all domains
 * of the user, which nobody else can write to. It counts as long as the kernel has not been
 * started again, its modules of KVM are those that were loaded then, the processor shows what
 * it showed, and this program is the same file.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vmm/kept_file.h"
#include "vmm/probe.h"
#include "vmm/runtime_dir.h"

#define CACHE_FILE ".host"
#define MAGIC	   0x31746e6c6578ull

/* Everything that the result depends on. */
struct probe_key {
	uint64_t magic, size;
	char boot_id[BOOT_ID_SIZE];
	char release[65], version[65];
	uint64_t module[4]; /* inode of its folder */
	uint64_t program[4];
	uint32_t processor[4][4];
	uint32_t nr_cpuid;
	int32_t xen_hvm_caps;
	struct kvm_cpuid_entry2 cpuid[MACHINE_CPUID_MAX];
};

struct probe_file {
	struct probe_key key;
	struct host_features host;
	uint64_t sum;
};

static int key_of(const struct machine *m, struct probe_key *k)
{
	static const char *const modules[] = {"kvm", "kvm_amd", "kvm_intel", "kvm_pvm"};
	static const uint32_t leaves[] = {0, 1, 7, 0xd};
	struct utsname u;
	struct stat st;
	char path[64];

	memset(k, 0, sizeof(*k));
	k->magic = MAGIC;
	k->size = sizeof(struct probe_file);
	if (uname(&u) || stat("/proc/self/exe", &st) || boot_id_read(k->boot_id))
		return -ENOENT;
	snprintf(k->release, sizeof(k->release), "%s", u.release);
	snprintf(k->version, sizeof(k->version), "%s", u.version);
	k->program[0] = st.st_dev;
	k->program[1] = st.st_ino;
	k->program[2] = (uint64_t)st.st_size;
	k->program[3] = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
	/* A module that was loaded again, maybe with other parameters, has another folder. */
	for (unsigned i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		if (!stat(path, &st))
			k->module[i] = st.st_ino;
	}
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		__get_cpuid_count(leaves[i], 0, &k->processor[i][0], &k->processor[i][1],
				  &k->processor[i][2], &k->processor[i][3]);
	k->processor[1][1] &= 0x00ffffff; /* the number of the cpu that we run on */
	k->xen_hvm_caps = m->host.xen_hvm_caps;
	k->nr_cpuid = m->supported_cpuid->nent;
	memcpy(k->cpuid, m->supported_cpuid->entries, k->nr_cpuid * sizeof(k->cpuid[0]));
	for (unsigned i = 0; i < k->nr_cpuid; i++) {
		if (k->cpuid[i].function == 1)
			k->cpuid[i].ebx &= 0x00ffffff;
		/* Topology: the same. */
		if (k->cpuid[i].function == 0xb || k->cpuid[i].function == 0x1f)
			k->cpuid[i].edx = 0;
		if (k->cpuid[i].function == 0x8000001e)
			k->cpuid[i].eax = k->cpuid[i].ebx = k->cpuid[i].ecx = 0;
	}
	return 0;
}

/* The folder, and the file in it: ours alone. */
static int open_dir(void)
{
	char path[4096];
	struct error err;
	struct stat st;

	if (runtime_dir_base(path, sizeof(path), &err))
		return -1;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) || st.st_uid != geteuid() || st.st_mode & 022)) {
		close(fd);
		return -1;
	}
	return fd;
}

bool probe_cache_read(struct machine *m)
{
	struct probe_file now, then;
	struct stat st;
	bool good = false;

	memset(&now, 0, sizeof(now));
	int dir = open_dir();
	int fd = dir < 0 ? -1
			 : openat(dir, CACHE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & 022) && read(fd, &then, sizeof(then)) == (ssize_t)sizeof(then) &&
	    !key_of(m, &now.key))
		good = !memcmp(&now.key, &then.key, sizeof(now.key)) &&
		       then.sum == kept_sum(&then, offsetof(struct probe_file, sum));
	if (good)
		m->host = then.host;
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return good;
}

void probe_cache_write(const struct machine *m)
{
	struct probe_file f;
	char name[40];
	int dir = open_dir();

	memset(&f, 0, sizeof(f));
	if (dir < 0)
		return;
	snprintf(name, sizeof(name), CACHE_FILE ".%d", (int)getpid());
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0) {
		bool ok = !key_of(m, &f.key);
		f.host = m->host;
		f.sum = kept_sum(&f, offsetof(struct probe_file, sum));
		ok = ok && write(fd, &f, sizeof(f)) == (ssize_t)sizeof(f);
		close(fd);
		if (!ok || renameat(dir, name, dir, CACHE_FILE))
			unlinkat(dir, name, 0);
	}
	close(dir);
}
