/*
 * What was measured of KVM, kept: it is believed while nothing that it depends on has changed,
 * and only from a file of the user's alone.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/test_run.h"
#include "vmm/probe.h"

static char dir[64], base[96], file[128];
static struct machine m;
static struct host_features measured;

static void setup(void)
{
	strcpy(dir, "/tmp/probe-cache-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(base, sizeof(base), "%s/xenolith", dir);
	snprintf(file, sizeof(file), "%s/.host", base);
	ck_assert_int_eq(mkdir(base, 0700), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	memset(&m, 0, sizeof(m));
	m.supported_cpuid = calloc(1, sizeof(*m.supported_cpuid) +
					      MACHINE_CPUID_MAX * sizeof(struct kvm_cpuid_entry2));
	m.supported_cpuid->nent = 3;
	m.supported_cpuid->entries[0] = (struct kvm_cpuid_entry2){.function = 0, .eax = 13};
	m.supported_cpuid->entries[1] =
		(struct kvm_cpuid_entry2){.function = 1, .ebx = 0x05000800, .ecx = 7};
	m.supported_cpuid->entries[2] = (struct kvm_cpuid_entry2){.function = 0xb, .edx = 5};
	m.host.xen_hvm_caps = 3;
	m.host.syscall_faults = true;
	m.host.vmcall = 0xd9010f;
	m.host.tsc_khz = 2345678;
	m.host.tsc_offset = 99;
	measured = m.host;
	probe_cache_write(&m);
	m.host = (struct host_features){.xen_hvm_caps = 3};
}

static void teardown(void)
{
	char command[128];

	free(m.supported_cpuid);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static void unknown(void)
{
	struct host_features before = m.host;

	ck_assert(!probe_cache_read(&m));
	ck_assert_mem_eq(&m.host, &before, sizeof(before));
}

START_TEST(known)
{
	struct stat st;

	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert(probe_cache_read(&m));
	ck_assert_mem_eq(&m.host, &measured, sizeof(measured));
}
END_TEST

/* The number of the cpu that asks is in CPUID, and is no reason. */
START_TEST(another_cpu)
{
	m.supported_cpuid->entries[1].ebx = 0x01000800;
	m.supported_cpuid->entries[2].edx = 1;
	ck_assert(probe_cache_read(&m));
}
END_TEST

START_TEST(another_processor)
{
	m.supported_cpuid->entries[1].ecx = 6;
	unknown();
	m.supported_cpuid->entries[1].ecx = 7;
	m.supported_cpuid->nent = 2;
	unknown();
	m.supported_cpuid->nent = 3;
	m.host.xen_hvm_caps = 1;
	unknown();
	m.host.xen_hvm_caps = 3;
	ck_assert(probe_cache_read(&m));
}
END_TEST

/* Every byte of the file counts: a sample of them. */
START_TEST(damaged)
{
	struct stat st;
	uint8_t byte;
	int fd = open(file, O_RDWR);

	ck_assert_int_eq(fstat(fd, &st), 0);
	for (off_t at = 0; at < st.st_size; at += at < 600 ? 1 : 97) {
		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 1;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		unknown();
		byte ^= 1;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	}
	ck_assert(probe_cache_read(&m));
	m.host = (struct host_features){.xen_hvm_caps = 3};
	ck_assert_int_eq(ftruncate(fd, st.st_size - 1), 0);
	unknown();
	close(fd);
	unlink(file);
	unknown();
}
END_TEST

START_TEST(others_can_write)
{
	ck_assert_int_eq(chmod(file, 0620), 0);
	unknown();
	ck_assert_int_eq(chmod(file, 0600), 0);
	ck_assert_int_eq(chmod(base, 0702), 0);
	unknown();
	ck_assert_int_eq(chmod(base, 0700), 0);
	ck_assert(probe_cache_read(&m));
}
END_TEST

/* A link, a folder or a pipe in its place; writing does not follow the link. */
START_TEST(something_else)
{
	char other[128];

	snprintf(other, sizeof(other), "%s/other", dir);
	ck_assert_int_eq(rename(file, other), 0);
	ck_assert_int_eq(symlink(other, file), 0);
	unknown();
	ck_assert_int_eq(truncate(other, 0), 0);
	probe_cache_write(&m);
	struct stat st;
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_int_eq(st.st_size, 0);
	ck_assert(probe_cache_read(&m));
	m.host = (struct host_features){.xen_hvm_caps = 3};
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	unknown();
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	unknown();
	probe_cache_write(&m);
	unknown();
}
END_TEST

START_TEST(no_folder)
{
	unlink(file);
	ck_assert_int_eq(rmdir(base), 0);
	unknown();
	probe_cache_write(&m);
	unknown();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		known,		another_cpu, another_processor, damaged, others_can_write,
		something_else, no_folder,
	};

	return RUN_TESTS("probe_cache", setup, teardown, tests);
}
