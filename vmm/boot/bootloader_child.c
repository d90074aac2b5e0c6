/*
 * The process that reads a guest's disk.
 */
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/boot/bootloader.h"

#define CPU_SECONDS   60
#define ADDRESS_SPACE ((rlim_t)8 << 30)
#define NOBODY	      65534

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* What the C library needs for memory and the socket; all else is an error. */
static const int allowed[] = {
	SYS_read,	  SYS_write,	 SYS_mmap,	    SYS_munmap, SYS_mremap,
	SYS_brk,	  SYS_madvise,	 SYS_futex,	    SYS_exit,	SYS_exit_group,
	SYS_rt_sigreturn, SYS_getrandom, SYS_clock_gettime,
};
#define NR_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

static int forbid_calls(void)
{
	struct sock_filter f[NR_ALLOWED + 6];
	unsigned n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < NR_ALLOWED; i++)
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
						      NR_ALLOWED - i, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = {.len = (unsigned short)n, .filter = f};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void limit(int what, rlim_t n)
{
	struct rlimit l = {.rlim_cur = n, .rlim_max = n};

	setrlimit(what, &l);
}

/* Nothing but descriptor 0, the socket. False: this would not be safe. */
static bool give_up_everything(int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(fd, 0) < 0 || syscall(SYS_close_range, 1, ~0u, 0))
		return false;
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, CPU_SECONDS);
	if (SANITIZED)
		return true; /* they need more of both */
	limit(RLIMIT_AS, ADDRESS_SPACE);
	/* Root, where it may: the calls below are what counts. */
	if (!geteuid() && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			   setresuid(NOBODY, NOBODY, NOBODY)))
		errno = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* which a new user id has undone */
	return !forbid_calls();
}

/* ---- the socket ---- */

static void get(void *data, size_t len)
{
	while (len) {
		ssize_t n = read(0, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1); /* nobody is interested any more */
		data = (char *)data + n;
		len -= (size_t)n;
	}
}

static void put(const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(0, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		data = (const char *)data + n;
		len -= (size_t)n;
	}
}

/* A window of the disk: file systems read block by block. */
struct remote {
	uint64_t size;
	uint64_t at;
	uint32_t len; /* 0: nothing yet */
	uint8_t data[BOOT_READ_MAX];
};

static int fill(struct remote *r, uint64_t offset)
{
	struct boot_ask ask = {.what = BOOT_ASK_READ, .offset = offset - offset % BOOT_READ_MAX};
	int32_t rc;

	ask.len = r->size - ask.offset < BOOT_READ_MAX ? (uint32_t)(r->size - ask.offset)
						       : BOOT_READ_MAX;
	put(&ask, sizeof(ask));
	get(&rc, sizeof(rc));
	r->len = 0;
	if (rc)
		return rc;
	get(r->data, ask.len);
	r->at = ask.offset;
	r->len = ask.len;
	return 0;
}

static int remote_read(void *arg, uint64_t offset, void *buf, size_t len)
{
	struct remote *r = arg;

	while (len) {
		if (offset < r->at || offset - r->at >= r->len) {
			int rc = fill(r, offset);
			if (rc)
				return rc;
		}
		size_t n = r->at + r->len - offset;
		if (n > len)
			n = len;
		memcpy(buf, r->data + (offset - r->at), n);
		buf = (char *)buf + n;
		offset += n;
		len -= n;
	}
	return 0;
}

void bootloader_child(int fd, uint64_t size, const struct boot_wish *w)
{
	static struct remote r;
	static struct boot_answer a;
	static struct boot_found f;
	const struct boot_ask done = {.what = BOOT_ASK_DONE};

	if (!give_up_everything(fd))
		_exit(BOOT_NOT_CONFINED);
	r.size = size;
	struct disk_reader d = {.read = remote_read, .arg = &r, .size = size};
	a.rc = boot_search(&d, w, &f, &a.err);
	a.kernel_size = f.kernel_size;
	a.ramdisk_size = f.ramdisk_size;
	memcpy(a.kernel_name, f.kernel_name, sizeof(a.kernel_name));
	memcpy(a.ramdisk_name, f.ramdisk_name, sizeof(a.ramdisk_name));
	memcpy(a.cmdline, f.cmdline, sizeof(a.cmdline));
	memcpy(a.title, f.title, sizeof(a.title));
	put(&done, sizeof(done));
	put(&a, sizeof(a));
	put(f.kernel, f.kernel_size);
	put(f.ramdisk, f.ramdisk_size);
	_exit(0);
}
