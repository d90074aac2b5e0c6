/*
 * Core dumps: both faces of the file, by docs/misc/dump-core-format.txt and by the ELF
 * specification; and files that cannot be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/test_loop.h"
#include "test/unit/test_mm.h"
#include "test/unit/test_run.h"
#include "vmm/dump/core_dump.h"

static struct test_domain *t;
static struct guest *g;
static struct core_dump dump;
static char top[64], path[100];
static struct error err;
static uint8_t *file;
static size_t size;

static void setup(void)
{
	t = test_domain_new(2, PROFILE_XEN_4_17);
	g = calloc(1, sizeof(*g));
	g->domain = t->d;
	log_ring_init(&g->log, 0);
	strcpy(top, "/tmp/core_dump_testXXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/core", top);
	for (unsigned i = 0; i < 2; i++)
		t->d->vcpu[i]->initialised = true;
	/* pfns go the other way than mfns. */
	for (uint64_t mfn = 0; mfn < t->d->nr_ram; mfn++)
		t->d->m2p[mfn] = t->d->nr_ram - 1 - mfn;
}

static void teardown(void)
{
	if (file)
		munmap(file, size);
	file = NULL;
	unlink(path);
	ck_assert_int_eq(rmdir(top), 0); /* nothing else is left */
	log_ring_free(&g->log);
	free(g);
	test_domain_free(t);
}

static int write_dump(void)
{
	int rc = core_dump_prepare(&dump, g, path, &err);

	if (!rc)
		rc = core_dump_write(&dump, &err);
	core_dump_free(&dump);
	return rc;
}

static void read_file(void)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	size = (size_t)st.st_size;
	file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(file, MAP_FAILED);
	close(fd);
}

static const Elf64_Ehdr *ehdr(void)
{
	return (const Elf64_Ehdr *)file;
}

static const Elf64_Shdr *section(const char *name)
{
	const Elf64_Shdr *s = (const Elf64_Shdr *)(file + ehdr()->e_shoff);
	const char *names = (const char *)file + s[ehdr()->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < ehdr()->e_shnum; i++)
		if (!strcmp(names + s[i].sh_name, name)) {
			ck_assert_uint_le(s[i].sh_offset + s[i].sh_size, size);
			return &s[i];
		}
	ck_abort_msg("there is no section %s", name);
}

/* The descriptor of a note; NULL: there is none. */
static const void *note(uint64_t at, uint64_t len, const char *name, unsigned type, unsigned skip)
{
	for (uint64_t end = at + len; at < end;) {
		const Elf64_Nhdr *h = (const Elf64_Nhdr *)(file + at);
		const char *n = (const char *)(h + 1);
		at += sizeof(*h) + ((h->n_namesz + 3) & ~3u);
		if (h->n_type == type && !strcmp(n, name) && !skip--)
			return file + at;
		at += (h->n_descsz + 3) & ~3u;
	}
	return NULL;
}

START_TEST(test_as_xen_has_it)
{
	struct vcpu *v = t->d->vcpu[1];

	v->regs.rip = 0x1234;
	v->kernel_mode = true;
	v->event_callback.eip = 0x5678;
	ck_assert_int_eq(write_dump(), 0);
	read_file();
	ck_assert_mem_eq(file, ELFMAG "\2\1\1\0", 8); /* 64 bits, little-endian, System V */
	ck_assert_uint_eq(ehdr()->e_type, ET_CORE);
	ck_assert_uint_eq(ehdr()->e_machine, EM_X86_64);
	const Elf64_Shdr *s = section(".note.Xen");
	ck_assert_uint_eq(s->sh_type, SHT_NOTE);
	ck_assert_ptr_nonnull(note(s->sh_offset, s->sh_size, "Xen", XEN_ELFNOTE_DUMPCORE_NONE, 0));
	const uint64_t *header =
		note(s->sh_offset, s->sh_size, "Xen", XEN_ELFNOTE_DUMPCORE_HEADER, 0);
	ck_assert_uint_eq(header[0], 0xF00FEBED);
	ck_assert_uint_eq(header[1], 2);
	uint64_t pages = header[2];
	ck_assert_uint_gt(pages, 1000);
	ck_assert_uint_eq(header[3], 4096);
	const uint64_t *format =
		note(s->sh_offset, s->sh_size, "Xen", XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, 0);
	ck_assert_uint_eq(*format, 1);
	const uint64_t *version =
		note(s->sh_offset, s->sh_size, "Xen", XEN_ELFNOTE_DUMPCORE_XEN_VERSION, 0);
	ck_assert_uint_eq(version[0], 4);
	ck_assert_uint_eq(version[1], 17);

	s = section(".xen_prstatus");
	ck_assert_uint_eq(s->sh_size, 2 * sizeof(struct vcpu_guest_context));
	ck_assert_uint_eq(s->sh_entsize, sizeof(struct vcpu_guest_context));
	const struct vcpu_guest_context *c = (const void *)(file + s->sh_offset);
	ck_assert_uint_eq(c[1].user_regs.rip, 0x1234);
	ck_assert_uint_eq(c[1].event_callback_eip, 0x5678);
	ck_assert_uint_eq(c[1].ctrlreg[3], xen_pfn_to_cr3(t->l4));
	ck_assert(c[1].flags & VGCF_in_kernel);
	ck_assert(c[1].flags & VGCF_online);

	s = section(".xen_shared_info");
	ck_assert_uint_eq(s->sh_size, 4096);
	ck_assert_mem_eq(file + s->sh_offset, t->d->shared_info, 4096);
	s = section(".xen_p2m");
	ck_assert_uint_eq(s->sh_size, pages * 16);
	const uint64_t *p2m = (const uint64_t *)(file + s->sh_offset);
	s = section(".xen_pages");
	ck_assert_uint_eq(s->sh_size, pages * 4096);
	ck_assert_uint_eq(s->sh_offset % 4096, 0);
	for (uint64_t i = 0; i < pages; i++) {
		ck_assert(!i || p2m[2 * i] > p2m[2 * i - 2]);
		ck_assert_uint_eq(p2m[2 * i], t->d->m2p[p2m[2 * i + 1]]);
		ck_assert_mem_eq(file + s->sh_offset + 4096 * i, frame_ptr(t->d, p2m[2 * i + 1]),
				 4096);
	}
}
END_TEST

/* What the kernel has at `va`, by the program headers; NULL: nothing. */
static const uint8_t *at_address(uint64_t va)
{
	const Elf64_Phdr *p = (const Elf64_Phdr *)(file + ehdr()->e_phoff);

	for (unsigned i = 0; i < ehdr()->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && va - p[i].p_vaddr < p[i].p_memsz)
			return file + p[i].p_offset + (va - p[i].p_vaddr);
	return NULL;
}

START_TEST(test_as_gdb_has_it)
{
	struct vcpu *v = t->d->vcpu[1];
	uint64_t va = test_alloc(t, 3 * PAGE_SIZE);
	uint64_t rip;

	test_write(t, va + PAGE_SIZE + 5, "hello", 5);
	v->regs.rip = 0x1234;
	atomic_store(&g->crash_vcpu, v);
	ck_assert_int_eq(write_dump(), 0);
	read_file();
	/* Behind everything else, or crash takes it for another kind of dump. */
	ck_assert_uint_gt(ehdr()->e_phoff, section(".xen_p2m")->sh_offset);
	ck_assert_uint_eq(ehdr()->e_phoff + ehdr()->e_phnum * sizeof(Elf64_Phdr), size);
	const Elf64_Phdr *p = (const Elf64_Phdr *)(file + ehdr()->e_phoff);
	ck_assert_uint_eq(p->p_type, PT_NOTE);
	/* sys/procfs.h: struct elf_prstatus has pr_pid at 32, rip at 112 + 8 * 16. The vcpu
	 * that crashed comes first. */
	const uint8_t *status = note(p->p_offset, p->p_filesz, "CORE", NT_PRSTATUS, 0);
	ck_assert_ptr_nonnull(status);
	ck_assert_uint_eq(status[32], 2);
	memcpy(&rip, status + 112 + 8 * 16, 8);
	ck_assert_uint_eq(rip, 0x1234);
	status = note(p->p_offset, p->p_filesz, "CORE", NT_PRSTATUS, 1);
	ck_assert_uint_eq(status[32], 1);
	ck_assert_ptr_null(note(p->p_offset, p->p_filesz, "CORE", NT_PRSTATUS, 2));
	ck_assert_mem_eq(at_address(va + PAGE_SIZE + 5), "hello", 5);
	ck_assert_ptr_nonnull(at_address(va + 3 * PAGE_SIZE - 1));
	ck_assert_ptr_null(at_address(va + 3 * PAGE_SIZE));
	/* Nothing of Xen's own. */
	ck_assert_ptr_null(at_address(XEN_VIRT_START));
}
END_TEST

START_TEST(test_zeros_are_holes)
{
	struct stat st;

	ck_assert_int_eq(write_dump(), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_gt(st.st_size, 15 << 20);
	ck_assert_int_lt(st.st_blocks * 512, 2 << 20);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

/* Tables that lead in circles, and one page that is everywhere. */
START_TEST(test_hostile_tables)
{
	uint64_t *l4 = frame_ptr(t->d, t->l4);

	for (unsigned i = 300; i < 511; i++)
		l4[i] = t->l4 << PAGE_SHIFT | TEST_PTE_P | TEST_PTE_US;
	for (unsigned i = 272; i < 300; i++)
		l4[i] = ~(uint64_t)TEST_PTE_PS; /* a frame that is not there */
	for (uint64_t mfn = 0; mfn < 100; mfn++)
		t->d->m2p[mfn] = UINT64_MAX - mfn; /* and pfns */
	ck_assert_int_eq(write_dump(), 0);
	read_file();
	const uint64_t *p2m = (const uint64_t *)(file + section(".xen_p2m")->sh_offset);
	for (uint64_t i = 0; i < section(".xen_p2m")->sh_size / 16; i++)
		ck_assert_uint_lt(p2m[2 * i], t->d->nr_ram);
}
END_TEST

START_TEST(test_cannot_be_written)
{
	struct rlimit before, limit = {1 << 20, RLIM_INFINITY};
	char other[sizeof(path)];
	int fd;

	memcpy(other, path, sizeof(path));
	snprintf(path, sizeof(path), "%s/no/core", top);
	ck_assert_int_eq(write_dump(), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot write the core dump"));
	snprintf(path, sizeof(path), "%s", top);
	ck_assert_int_eq(write_dump(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "is not a regular file"));
	/* The one before stays when the new one does not become whole. */
	memcpy(path, other, sizeof(path));
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_eq(write(fd, "old", 3), 3);
	close(fd);
	memset(frame_ptr(t->d, 1000), 1, 600 * PAGE_SIZE);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	int rc = write_dump();
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(rc, -EFBIG);
	read_file();
	ck_assert_uint_eq(size, 3);
}
END_TEST

START_TEST(test_cancelled)
{
	ck_assert_int_eq(core_dump_prepare(&dump, g, path, &err), 0);
	atomic_store(&dump.cancelled, true);
	ck_assert_int_eq(core_dump_write(&dump, &err), -ECANCELED);
	core_dump_free(&dump);
	atomic_store(&dump.cancelled, false);
}
END_TEST

START_TEST(test_never_ran)
{
	t->d->vcpu[0]->initialised = t->d->vcpu[1]->initialised = false;
	ck_assert_int_eq(write_dump(), -ENODATA);
	ck_assert_str_eq(err.text, "no vcpu of it ever ran");
	/* A vcpu that was never brought up is not in it. */
	t->d->vcpu[0]->initialised = true;
	ck_assert_int_eq(write_dump(), 0);
	read_file();
	ck_assert_uint_eq(section(".xen_prstatus")->sh_size, sizeof(struct vcpu_guest_context));
}
END_TEST

START_TEST(test_default_path)
{
	char got[200], want[120];

	setenv("XDG_STATE_HOME", top, 1);
	ck_assert_int_eq(core_dump_default_path("web", got, sizeof(got), &err), 0);
	snprintf(want, sizeof(want), "%s/xenolith/web.core", top);
	ck_assert_str_eq(got, want);
	snprintf(want, sizeof(want), "%s/xenolith", top);
	ck_assert_int_eq(rmdir(want), 0);
}
END_TEST

/* The domain is paused meanwhile, and the loop serves others. */
START_TEST(test_job)
{
	struct event_loop *loop = event_loop_create();
	struct core_job_state s;

	ck_assert(!core_job_look(g, &s));
	test_loop_init(loop);
	ck_assert_int_eq(core_job_start(g, loop, path, false, &err), 0);
	ck_assert_int_eq(core_job_start(g, loop, path, false, &err), -EBUSY);
	ck_assert(core_job_look(g, &s) && s.running);
	ck_assert_uint_eq(t->d->pause_count, 1);
	ck_assert_int_eq(event_loop_start(loop), 0);
	for (unsigned i = 0; i < 20000 && t->d->pause_count; i++)
		usleep(1000);
	ck_assert_uint_eq(t->d->pause_count, 0);
	event_loop_stop(loop);
	ck_assert(core_job_look(g, &s) && !s.running && !s.rc);
	ck_assert_uint_eq(s.done, s.pages);
	read_file();
	ck_assert_uint_eq(section(".xen_pages")->sh_size, s.pages * 4096);
	/* One that fails says why. */
	ck_assert_int_eq(core_job_start(g, loop, top, true, &err), 0);
	ck_assert_int_eq(event_loop_start(loop), 0);
	for (unsigned i = 0; i < 20000 && (core_job_look(g, &s), s.running); i++)
		usleep(1000);
	event_loop_stop(loop);
	ck_assert(core_job_look(g, &s) && !s.running);
	ck_assert_int_eq(s.rc, -EINVAL);
	ck_assert_ptr_nonnull(strstr(s.err.text, "is not a regular file"));
	core_job_end(g);
	test_loop_free();
	event_loop_destroy(loop);
}
END_TEST

/* It is given up when the domain ends, also while a vcpu does not come to rest. */
START_TEST(test_job_and_the_end)
{
	struct event_loop *loop = event_loop_create();
	struct cpu cpu = {.vcpu = t->d->vcpu[0], .fd = -1};

	g->cpu[0] = &cpu;
	ck_assert_int_eq(core_job_start(g, loop, path, false, &err), 0);
	core_job_end(g);
	ck_assert_uint_eq(t->d->pause_count, 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	event_loop_destroy(loop);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_as_xen_has_it,   test_as_gdb_has_it,     test_zeros_are_holes,
		test_hostile_tables,  test_cannot_be_written, test_cancelled,
		test_never_ran,	      test_default_path,      test_job,
		test_job_and_the_end,
	};

	return RUN_TESTS("core_dump", setup, teardown, tests);
}
