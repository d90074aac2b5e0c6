/*
 * The file of a core dump: ELF header, section headers, notes, contexts, shared_info,
 * padding, pages, p2m, names; then gdb's notes and program headers.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/dump/core_dump.h"

#define PAGES_A_WRITE 256

enum section { S_NULL, S_NAMES, S_NOTE, S_STATUS, S_SHARED, S_PAGES, S_P2M, NR_SECTIONS };

static const char *const section_names[NR_SECTIONS] = {
	[S_NULL] = "",
	[S_NAMES] = ".shstrtab",
	[S_NOTE] = ".note.Xen",
	[S_STATUS] = ".xen_prstatus",
	[S_SHARED] = ".xen_shared_info",
	[S_PAGES] = ".xen_pages",
	[S_P2M] = ".xen_p2m",
};

struct writer {
	struct core_dump *c;
	int fd;
	struct error *err;
	char part[4096 + 8];
	void *xen_notes, *gdb_notes;
	size_t xen_notes_size, gdb_notes_size;
	Elf64_Shdr section[NR_SECTIONS];
	uint64_t gdb_notes_at, headers_at, size;
	/* Of memory in a file: where it has something, as asked last. */
	uint64_t data_from, data_to;
};

static int failed(struct writer *w, int rc)
{
	return error_set(w->err, rc, "cannot write the core dump '%s': %s", w->c->path,
			 rc == -ENOSPC ? "the disk is full" : strerror(-rc));
}

static int put(struct writer *w, uint64_t at, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len) {
		ssize_t n = pwrite(w->fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(w, n ? -errno : -EIO);
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- layout ---- */

static uint64_t place(struct writer *w, enum section s, uint64_t at, uint64_t size, uint64_t entry,
		      uint64_t align)
{
	Elf64_Shdr *h = &w->section[s];

	h->sh_type = s == S_NOTE ? SHT_NOTE : s == S_NAMES ? SHT_STRTAB : SHT_PROGBITS;
	h->sh_offset = at;
	h->sh_size = size;
	h->sh_entsize = entry;
	h->sh_addralign = align;
	return at + size;
}

static uint64_t align_to(uint64_t at, uint64_t to)
{
	return (at + to - 1) & ~(to - 1);
}

static void lay_out(struct writer *w)
{
	const struct core_dump *c = w->c;
	uint64_t at = sizeof(Elf64_Ehdr) + sizeof(w->section), names = 0;

	for (unsigned i = 0; i < NR_SECTIONS; i++) {
		w->section[i].sh_name = (Elf64_Word)names;
		names += strlen(section_names[i]) + 1;
	}
	at = place(w, S_NOTE, at, w->xen_notes_size, 0, 0);
	at = place(w, S_STATUS, at, c->nr_vcpus * sizeof(struct vcpu_guest_context),
		   sizeof(struct vcpu_guest_context), 8);
	at = place(w, S_SHARED, at, PAGE_SIZE, PAGE_SIZE, 8);
	at = place(w, S_PAGES, align_to(at, PAGE_SIZE), c->nr_pages * PAGE_SIZE, PAGE_SIZE,
		   PAGE_SIZE);
	at = place(w, S_P2M, at, c->nr_pages * sizeof(*c->p2m), sizeof(*c->p2m), 8);
	at = place(w, S_NAMES, at, names, 0, 0);
	w->gdb_notes_at = align_to(at, 4);
	w->headers_at = align_to(w->gdb_notes_at + w->gdb_notes_size, 8);
	w->size = w->headers_at + (1 + c->nr_loads) * sizeof(Elf64_Phdr);
}

/* ---- contents ---- */

static int put_headers(struct writer *w)
{
	const struct core_dump *c = w->c;
	bool many = 1 + c->nr_loads >= PN_XNUM;
	const Elf64_Ehdr e = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT,
			    ELFOSABI_SYSV},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = w->headers_at,
		.e_shoff = sizeof(e),
		.e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = many ? PN_XNUM : (Elf64_Half)(1 + c->nr_loads),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = NR_SECTIONS,
		.e_shstrndx = S_NAMES,
	};
	const Elf64_Phdr note = {
		.p_type = PT_NOTE,
		.p_offset = w->gdb_notes_at,
		.p_filesz = w->gdb_notes_size,
	};
	int rc = put(w, 0, &e, sizeof(e));

	/* Their number has a place for that. */
	if (many)
		w->section[S_NULL].sh_info = 1 + c->nr_loads;
	if (!rc)
		rc = put(w, sizeof(e), w->section, sizeof(w->section));
	if (!rc)
		rc = put(w, w->gdb_notes_at, w->gdb_notes, w->gdb_notes_size);
	if (!rc)
		rc = put(w, w->headers_at, &note, sizeof(note));
	for (unsigned i = 0; i < c->nr_loads; i++)
		c->load[i].p_offset += w->section[S_PAGES].sh_offset;
	return rc ? rc
		  : put(w, w->headers_at + sizeof(note), c->load, c->nr_loads * sizeof(*c->load));
}

static int put_small_sections(struct writer *w)
{
	const struct core_dump *c = w->c;
	uint64_t at = w->section[S_STATUS].sh_offset, names = w->section[S_NAMES].sh_offset;
	int rc = put(w, w->section[S_NOTE].sh_offset, w->xen_notes, w->xen_notes_size);

	for (unsigned i = 0; !rc && i < c->nr_vcpus; i++, at += sizeof(c->vcpu[i].context))
		rc = put(w, at, &c->vcpu[i].context, sizeof(c->vcpu[i].context));
	if (!rc)
		rc = put(w, w->section[S_SHARED].sh_offset, c->guest->domain->shared_info,
			 PAGE_SIZE);
	if (!rc)
		rc = put(w, w->section[S_P2M].sh_offset, c->p2m, w->section[S_P2M].sh_size);
	for (unsigned i = 0; !rc && i < NR_SECTIONS; i++)
		rc = put(w, names + w->section[i].sh_name, section_names[i],
			 strlen(section_names[i]) + 1);
	return rc;
}

/* Was the frame ever touched? Looking at it would give a file's hole memory. */
static bool has_data(struct writer *w, uint64_t mfn)
{
	const struct machine *m = w->c->guest->machine;
	uint64_t at = mfn * PAGE_SIZE;

	if (!m || m->memory_fd < 0 || m->huge_shift || at >= m->fd_size ||
	    (at >= w->data_from && at < w->data_to))
		return true;
	if (at >= w->data_to || at < w->data_from) {
		off_t data = lseek(m->memory_fd, (off_t)at, SEEK_DATA);
		if (data < 0)
			return errno != ENXIO;
		off_t hole = lseek(m->memory_fd, data, SEEK_HOLE);
		if (hole < 0)
			return true;
		if ((uint64_t)data >= at + PAGE_SIZE)
			return false;
		w->data_from = (uint64_t)data & ~(PAGE_SIZE - 1ull);
		w->data_to = (uint64_t)hole;
	}
	return true;
}

static bool is_empty(struct writer *w, uint64_t mfn)
{
	const uint64_t *p = frame_ptr(w->c->guest->domain, mfn);

	if (!has_data(w, mfn))
		return true;
	/* A page that begins with zeros all through itself. */
	return !p[0] && !memcmp(p, p + 1, PAGE_SIZE - sizeof(*p));
}

/* Those that lie behind each other in memory, too, go together. */
static int put_pages(struct writer *w)
{
	struct core_dump *c = w->c;
	const struct domain *d = c->guest->domain;
	uint64_t at = w->section[S_PAGES].sh_offset;
	int rc = 0;

	for (uint64_t i = 0, n; !rc && i < c->nr_pages; i += n) {
		uint64_t mfn = c->p2m[i].gmfn;

		n = 1;
		if (atomic_load(&c->cancelled))
			return error_set(w->err, -ECANCELED, "the domain has ended");
		if (!is_empty(w, mfn)) {
			while (n < PAGES_A_WRITE && i + n < c->nr_pages &&
			       c->p2m[i + n].gmfn == mfn + n && !is_empty(w, mfn + n))
				n++;
			rc = put(w, at + i * PAGE_SIZE, frame_ptr(d, mfn), n * PAGE_SIZE);
		}
		atomic_store(&c->done, i + n);
	}
	return rc;
}

/* ---- the file ---- */

static int open_file(struct writer *w)
{
	struct stat st;

	/* What is no file cannot be replaced by one. */
	if (!stat(w->c->path, &st) && !S_ISREG(st.st_mode))
		return error_set(w->err, -EINVAL, "'%s' is not a regular file", w->c->path);
	snprintf(w->part, sizeof(w->part), "%s.part", w->c->path);
	unlink(w->part);
	w->fd = open(w->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return w->fd < 0 ? failed(w, -errno) : 0;
}

static int close_file(struct writer *w, int rc)
{
	if (!rc && ftruncate(w->fd, (off_t)w->size))
		rc = failed(w, -errno);
	if (close(w->fd) && !rc)
		rc = failed(w, -errno);
	if (!rc && rename(w->part, w->c->path))
		rc = failed(w, -errno);
	if (rc)
		unlink(w->part);
	return rc;
}

int core_dump_write(struct core_dump *c, struct error *err)
{
	struct writer w = {.c = c, .fd = -1, .err = err};
	int rc = core_list_pages(c);

	atomic_store(&c->total, c->nr_pages);
	if (rc || core_map_memory(c))
		return error_set(err, -ENOMEM, "no memory for a core dump");
	w.xen_notes = core_xen_notes(c, &w.xen_notes_size);
	w.gdb_notes = core_gdb_notes(c, &w.gdb_notes_size);
	if (!w.xen_notes || !w.gdb_notes) {
		rc = error_set(err, -ENOMEM, "no memory for a core dump");
	} else {
		lay_out(&w);
		rc = open_file(&w);
		if (!rc) {
			rc = put_pages(&w);
			if (!rc)
				rc = put_small_sections(&w);
			if (!rc)
				rc = put_headers(&w);
			rc = close_file(&w, rc);
		}
	}
	free(w.xen_notes);
	free(w.gdb_notes);
	return rc;
}
