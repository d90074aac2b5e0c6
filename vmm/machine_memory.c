/*
 * The memory of a virtual machine: what it is made of, and what goes back to the host.
 *
 * RAM is anonymous memory that the host may make huge pages of, a memfd where somebody else
 * must map it, too (which has huge pages only where the host's administrator allows it:
 * shmem_enabled), or of the host's pool of huge pages. The Xen heap behind it is touched here
 * and there, so it has small pages. A kernel from the cache is a private mapping of its file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"

#define SUPERPAGE (1UL << 21)

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7 */
#endif

static unsigned long pool(unsigned shift, const char *file)
{
	char path[100];
	unsigned long n = 0;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%lukB/%s",
		 1UL << (shift - 10), file);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static int no_huge_pages(unsigned shift, uint64_t size, int rc, struct error *err)
{
	unsigned long kib = 1UL << (shift - 10);

	return error_set(err, rc,
			 "cannot have %llu MiB in huge pages of %lu MiB: %s (the host has %lu, of "
			 "them %lu free; more by /sys/kernel/mm/hugepages/hugepages-%lukB/"
			 "nr_hugepages)",
			 (unsigned long long)size >> 20, kib >> 10, strerror(-rc),
			 pool(shift, "nr_hugepages"), pool(shift, "free_hugepages"), kib);
}

static uint8_t *reserve_addresses(uint64_t size, uint64_t align)
{
	uint8_t *area = mmap(NULL, size + align, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;
	uint8_t *at = (uint8_t *)(((uintptr_t)area + align - 1) & ~(align - 1));
	if (at > area)
		munmap(area, (size_t)(at - area));
	munmap(at + size, (size_t)(area + align - at));
	return at;
}

static int map(struct machine *m, uint64_t from, uint64_t to, int flags, int fd)
{
	if (from >= to)
		return 0;
	return mmap(m->memory + from, to - from, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd,
		    fd < 0 ? 0 : (off_t)from) == MAP_FAILED
		       ? -errno
		       : 0;
}

/* All pages are taken from the pool's account now, or an access could be our end; where the
 * hole is there are none. */
static int map_huge(struct machine *m, const struct machine_memory *mem, struct error *err)
{
	uint64_t end = m->fd_size, behind = mem->hole_start + mem->hole_size;
	uint64_t low = mem->hole_size ? mem->hole_start & ~((1UL << m->huge_shift) - 1) : 0;
	uint64_t high = mem->hole_size ? behind & ~((1UL << m->huge_shift) - 1) : 0;
	int rc = map(m, 0, low, MAP_SHARED, m->memory_fd);

	if (!rc)
		rc = map(m, low, high, MAP_SHARED | MAP_NORESERVE, m->memory_fd);
	/* What of RAM shares a page with the hole is had, or there is none. */
	if (!rc && low < mem->hole_start &&
	    fallocate(m->memory_fd, 0, (off_t)low, 1L << m->huge_shift))
		rc = -errno;
	if (!rc)
		rc = map(m, high, end, MAP_SHARED, m->memory_fd);
	return rc ? no_huge_pages(m->huge_shift, end - (high - low), rc, err) : 0;
}

static int failed(uint64_t size, int rc, struct error *err)
{
	return error_set(err, rc, "cannot reserve %lu MiB for the guest: %s",
			 (unsigned long)(size >> 20), strerror(-rc));
}

int machine_memory_reserve(struct machine *m, const struct machine_memory *mem, struct error *err)
{
	uint64_t huge = 1UL << mem->huge_shift, private_from = mem->shared ? mem->size : 0;
	unsigned flags = MFD_CLOEXEC;
	int rc = 0;

	m->memory = reserve_addresses(mem->size, huge > SUPERPAGE ? huge : SUPERPAGE);
	if (!m->memory)
		return failed(mem->size, -errno, err);
	m->memory_size = mem->size;
	m->huge_shift = mem->huge_shift;
	if (m->huge_shift) {
		flags |= MFD_HUGETLB | m->huge_shift << MFD_HUGE_SHIFT;
		private_from = mem->ram_end & ~(huge - 1);
	}
	m->fd_size = private_from;
	if (private_from) {
		m->memory_fd = memfd_create("guest-memory", flags);
		if (m->memory_fd < 0 && m->huge_shift)
			return no_huge_pages(m->huge_shift, private_from, -errno, err);
		if (m->memory_fd < 0 || ftruncate(m->memory_fd, (off_t)private_from))
			return failed(mem->size, -errno, err);
	}
	if (private_from && m->huge_shift)
		rc = map_huge(m, mem, err);
	else if (private_from &&
		 (rc = map(m, 0, private_from, MAP_SHARED | MAP_NORESERVE, m->memory_fd)))
		failed(mem->size, rc, err);
	if (rc)
		return rc;
	rc = map(m, private_from, mem->size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	if (rc)
		return failed(mem->size, rc, err);
	if (mem->scattered)
		madvise(m->memory, mem->ram_end, MADV_NOHUGEPAGE);
	else if (private_from < mem->ram_end || mem->shared)
		madvise(m->memory + (m->huge_shift ? private_from : 0),
			mem->ram_end - (m->huge_shift ? private_from : 0), MADV_HUGEPAGE);
	madvise(m->memory + mem->ram_end, mem->size - mem->ram_end, MADV_NOHUGEPAGE);
	/* Not into a core file of our own process. It is a mapping apart from the heap's, too. */
	madvise(m->memory, mem->ram_end, MADV_DONTDUMP);
	return 0;
}

/* ---- back to the host ---- */

static bool is_fds(const struct machine *m, uint64_t offset)
{
	return m->memory_fd >= 0 && offset < m->fd_size;
}

static bool is_files(const struct machine *m, uint64_t offset, uint64_t size)
{
	for (unsigned i = 0; i < m->nr_files; i++)
		if (offset < m->file[i].to && offset + size > m->file[i].from)
			return true;
	return false;
}

void machine_release(struct machine *m, uint64_t offset, uint64_t size)
{
	uint8_t *p = m->memory + offset;
	int rc;

	if (is_fds(m, offset) && offset + size > m->fd_size) {
		machine_release(m, m->fd_size, offset + size - m->fd_size);
		size = m->fd_size - offset;
	}
	if (is_fds(m, offset))
		rc = m->huge_shift
			     ? -1
			     : fallocate(m->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 (off_t)offset, (off_t)size);
	else if (is_files(m, offset, size))
		rc = map(m, offset, offset + size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	else
		rc = madvise(p, size, MADV_DONTNEED);
	if (rc)
		memset(p, 0, size);
}

void machine_release_huge(struct machine *m, uint64_t offset)
{
	uint64_t size = 1UL << m->huge_shift;

	offset &= ~(size - 1);
	if (m->huge_shift && is_fds(m, offset))
		fallocate(m->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			  (off_t)size);
}

bool machine_take_back(struct machine *m, uint64_t offset, uint64_t size)
{
	uint64_t page = 1UL << m->huge_shift, from = offset & ~(page - 1);
	uint64_t to = (offset + size + page - 1) & ~(page - 1);

	if (!m->huge_shift || !is_fds(m, offset))
		return true;
	if (to > m->fd_size)
		to = m->fd_size;
	return !fallocate(m->memory_fd, 0, (off_t)from, (off_t)(to - from));
}

/* ---- what is there already ---- */

static bool can_place(const struct machine *m, uint64_t offset, uint64_t size)
{
	return size && m->memory_fd < 0 && !((offset | size) & (PAGE_SIZE - 1));
}

bool machine_place_file(struct machine *m, uint64_t offset, uint64_t size, int fd, uint64_t at)
{
	if (!can_place(m, offset, size) || at & (PAGE_SIZE - 1) || m->nr_files == MACHINE_FILES ||
	    mmap(m->memory + offset, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, (off_t)at) == MAP_FAILED)
		return false;
	m->file[m->nr_files++] = (struct machine_file){offset, offset + size};
	return true;
}

bool machine_place_pages(struct machine *m, uint64_t offset, uint64_t size, void *pages)
{
	return can_place(m, offset, size) && !((uintptr_t)pages & (PAGE_SIZE - 1)) &&
	       mremap(pages, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		      m->memory + offset) != MAP_FAILED;
}
