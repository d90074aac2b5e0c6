/*
 * A run's files and its name: what cannot run is refused before KVM is touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/loader/kernel_cache.h"
#include "vmm/run_internal.h"

void run_doing(const struct run *r, const char *what)
{
	if (r->o->hooks.doing)
		r->o->hooks.doing(r->o->hooks.arg, what);
}

void run_say(const struct run *r, enum log_level level, const char *text)
{
	log_ring_add((struct log_ring *)&r->guest.log, stats_now(), text);
	if (level <= r->o->log_level)
		fprintf(stderr, "xenolith: %s\n", text);
}

static int map_ramdisk(struct run *r)
{
	const char *path = r->o->ramdisk;
	struct stat st;

	r->ramdisk_file = r->o->ramdisk_data;
	r->ramdisk_size = r->o->ramdisk_size;
	if (!path || r->ramdisk_file)
		return 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int e = errno;
		if (fd >= 0)
			close(fd);
		return error_set(&r->err, -e, "%s: %s", path, strerror(e));
	}
	r->ramdisk_fd = fd;
	r->ramdisk_size = (size_t)st.st_size;
	if (!r->ramdisk_size)
		return 0;
	void *p = mmap(NULL, r->ramdisk_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return error_set(&r->err, -errno, "%s: %s", path, strerror(errno));
	r->ramdisk_file = p;
	return 0;
}

void run_drop_ramdisk(struct run *r)
{
	if (r->ramdisk_fd >= 0) {
		if (r->ramdisk_file)
			munmap((void *)(uintptr_t)r->ramdisk_file, r->ramdisk_size);
		close(r->ramdisk_fd);
	}
	r->ramdisk_fd = -1;
	r->ramdisk_file = NULL;
	build_ramdisk_free(&r->ramdisk);
}

static int load_cached(struct run *r)
{
	static const char *const results[] = {
		[KERNEL_CACHE_HIT] = "the kernel was in the cache",
		[KERNEL_CACHE_MISS] = "the kernel was put into the cache",
		[KERNEL_CACHE_BROKEN] =
			"the kernel in the cache was damaged: it was unpacked again",
	};
	enum kernel_cache_result result;
	char why[200];
	int cache = kernel_cache_open(r->o->kernel_cache, &r->err);

	if (cache < 0)
		return cache;
	int rc = kernel_image_load_cached(&r->kernel, r->o->kernel, cache, &result, why, &r->err);
	close(cache);
	if (!rc && (result != KERNEL_CACHE_UNUSED || *why))
		run_say(r, LOG_INFO, *why ? why : results[result]);
	return rc;
}

/* Files first: what cannot run is refused before KVM is touched. */
int run_load_files(struct run *r)
{
	const struct run_options *o = r->o;

	int rc = map_ramdisk(r);
	if (rc)
		return rc;
	run_unpack_ramdisk(r);
	run_doing(r, "reading the kernel");
	uint64_t from = stats_now();
	rc = o->kernel_data    ? kernel_image_parse(&r->kernel, o->kernel_data, o->kernel_size,
						    o->kernel, &r->err)
	     : o->kernel_cache ? load_cached(r)
			       : kernel_image_load(&r->kernel, o->kernel, &r->err);
	start_profile_add(&r->profile, "kernel", from);
	if (rc)
		return rc;
	r->have_kernel = true;
	run_doing(r, "looking at the disks and what else the domain gets");
	return guest_devices_check(o, &r->err);
}

/* A name that the user chose is free or refused; one that is only the kernel's gets a
 * number. A user who has no place for sockets can run a domain without them. */
int run_take_name(struct run *r)
{
	int rc = runtime_dir_open(&r->dir, r->o->name, &r->err);

	r->name = r->o->name;
	for (unsigned i = 2; rc == -EBUSY && !r->o->name_given && i < 1000; i++) {
		snprintf(r->numbered_name, sizeof(r->numbered_name), "%s.%u", r->o->name, i);
		r->name = r->numbered_name;
		rc = runtime_dir_open(&r->dir, r->name, &r->err);
	}
	if (rc && rc != -EBUSY) {
		run_say(r, rc == -ENOENT ? LOG_INFO : LOG_WARN, r->err.text);
		rc = 0;
	}
	/* Nobody else can reach a domain without a folder: any id will do. */
	r->domid = 1;
	if (!rc && r->dir.fd >= 0)
		rc = runtime_dir_domid(&r->dir, &r->domid, &r->err);
	return rc;
}
