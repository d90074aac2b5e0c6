/*
 * The Xen ELF notes (elfnote.h). Where they are looked for and what is tolerated
 * is as in Xen's common/libelf/libelf-dominfo.c: notes of other owners are
 * skipped, sizes that lead out of the file end the search, a number of an odd
 * size is 0, a string without an end is not there.
 */
#include <string.h>

#include "pvabi/xen_abi.h"
#include "vmm/loader/elf_internal.h"

#define NOTES_MAX  65536u /* Xen: ELF_MAX_TOTAL_NOTE_COUNT */
#define STRING_MAX 4096u  /* Xen: ELF_MAX_STRING_LENGTH */
#define OWNER	   "Xen"

struct note {
	uint32_t type;
	const uint8_t *desc;
	size_t size;	  /* as the note says */
	size_t available; /* as the file has, from desc on */
};

struct note_search {
	const struct elf_file *f;
	struct elf_notes *notes;
	unsigned nr_notes, nr_xen;
};

static uint64_t note_number(const struct note *note)
{
	uint64_t v = 0;

	if (note->size != 1 && note->size != 2 && note->size != 4 && note->size != 8)
		return 0;
	if (note->size <= note->available)
		memcpy(&v, note->desc, note->size);
	return v;
}

/* Element `index` of an array of `unit` bytes (4 or 8) each. */
static uint64_t note_element(const struct note *note, size_t unit, size_t index)
{
	uint64_t v = 0;

	if (note->size % unit == 0 && index < note->size / unit &&
	    (index + 1) * unit <= note->available)
		memcpy(&v, note->desc + index * unit, unit);
	return v;
}

static const char *note_string(const struct note *note)
{
	size_t max = note->available < STRING_MAX ? note->available : STRING_MAX;

	return memchr(note->desc, '\0', max) ? (const char *)note->desc : NULL;
}

static int take_string(struct note_search *s, const struct note *note)
{
	struct kernel_notes *n = &s->notes->n;
	const char *text = note_string(note);

	if (!text)
		return 0;
#define COPY(field) strncpy(n->field, text, sizeof(n->field) - 1)
	switch (note->type) {
	case XEN_ELFNOTE_LOADER:
		COPY(loader);
		break;
	case XEN_ELFNOTE_GUEST_OS:
		COPY(guest_os);
		break;
	case XEN_ELFNOTE_GUEST_VERSION:
		COPY(guest_version);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		COPY(xen_version);
		break;
	case XEN_ELFNOTE_PAE_MODE:
		if (!strcmp(text, "yes"))
			s->notes->pae = PAE_EXTENDED;
		if (strstr(text, "bimodal"))
			s->notes->pae = PAE_BIMODAL;
		break;
	case XEN_ELFNOTE_BSD_SYMTAB:
		n->bsd_symtab = n->bsd_symtab || !strcmp(text, "yes");
		break;
	case XEN_ELFNOTE_FEATURES:
		return elf_features_parse(n, text, s->f->ctx);
	}
#undef COPY
	return 0;
}

static void take_number(struct note_search *s, const struct note *note)
{
	struct kernel_notes *n = &s->notes->n;
	uint64_t v = note_number(note);

	switch (note->type) {
	case XEN_ELFNOTE_ENTRY:
		n->entry = v;
		break;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		n->hypercall_page = v;
		break;
	case XEN_ELFNOTE_VIRT_BASE:
		n->virt_base = v;
		break;
	case XEN_ELFNOTE_INIT_P2M:
		n->init_p2m = v;
		break;
	case XEN_ELFNOTE_PADDR_OFFSET:
		n->elf_paddr_offset = v;
		break;
	case XEN_ELFNOTE_HV_START_LOW:
		n->hv_start_low = v;
		break;
	case XEN_ELFNOTE_SUSPEND_CANCEL:
		n->suspend_cancel = v != 0;
		break;
	case XEN_ELFNOTE_MOD_START_PFN:
		n->mod_start_pfn = v != 0;
		break;
	case XEN_ELFNOTE_PHYS32_ENTRY:
		s->notes->phys32_entry = v;
		break;
	/* Masks are 32-bit words, XENFEAT_NR_SUBMAPS of them matter: one. */
	case XEN_ELFNOTE_SUPPORTED_FEATURES:
		n->supported_features |= note_element(note, 4, 0);
		break;
	/* Pairs of mask and value; the first is the one of not-present entries. */
	case XEN_ELFNOTE_L1_MFN_VALID:
		n->l1_mfn_valid_mask = note_element(note, 8, 0);
		n->l1_mfn_valid_value = note_element(note, 8, 1);
		break;
	}
}

/* True when `note` is a Xen note; *next is where the one behind it starts. */
static bool note_at(const struct elf_file *f, uint64_t at, struct note *note, uint64_t *next)
{
	GElf_Nhdr hdr; /* three words in both classes */
	uint64_t name = at + sizeof(hdr), desc;

	memcpy(&hdr, f->data + at, sizeof(hdr));
	desc = name + (((uint64_t)hdr.n_namesz + 3) & ~3ull);
	*next = desc + (((uint64_t)hdr.n_descsz + 3) & ~3ull);
	/* The owner is a C string, whatever its size says. */
	if (f->len - name < sizeof(OWNER) || memcmp(f->data + name, OWNER, sizeof(OWNER)))
		return false;
	if (desc > f->len)
		desc = f->len;
	note->type = hdr.n_type;
	note->desc = f->data + desc;
	note->size = hdr.n_descsz;
	note->available = f->len - desc;
	return true;
}

static int search_range(struct note_search *s, uint64_t at, uint64_t size)
{
	const struct elf_file *f = s->f;
	uint64_t end = at + size < at ? UINT64_MAX : at + size;
	int rc = 0;

	while (!rc && at < end && at < f->len && f->len - at >= sizeof(GElf_Nhdr)) {
		struct note note;

		if (++s->nr_notes > NOTES_MAX)
			break;
		if (!note_at(f, at, &note, &at))
			continue;
		s->nr_xen++;
		rc = take_string(s, &note);
		take_number(s, &note);
	}
	return rc;
}

static int search_segments(struct note_search *s)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < s->f->nr_phdrs; i++) {
		GElf_Phdr ph;

		/* Xen: some binutils leave the offset of a note segment 0. */
		if (gelf_getphdr(s->f->elf, (int)i, &ph) && ph.p_type == PT_NOTE && ph.p_offset)
			rc = search_range(s, ph.p_offset, ph.p_filesz);
	}
	return rc;
}

static int search_sections(struct note_search *s)
{
	Elf_Scn *scn = NULL;
	int rc = 0;

	while (!rc && (scn = elf_nextscn(s->f->elf, scn))) {
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_NOTE)
			rc = search_range(s, sh.sh_offset, sh.sh_size);
	}
	return rc;
}

/* Section names by hand: libelf wants more of a string table than Xen does. */
static bool section_is(const struct elf_file *f, const GElf_Shdr *sh, const char *name)
{
	Elf_Scn *names;
	GElf_Shdr names_sh;
	size_t index, size = strlen(name) + 1;

	if (elf_getshdrstrndx(f->elf, &index) || !(names = elf_getscn(f->elf, index)) ||
	    !gelf_getshdr(names, &names_sh))
		return false;
	return names_sh.sh_offset < f->len && sh->sh_name < f->len - names_sh.sh_offset &&
	       size <= f->len - names_sh.sh_offset - sh->sh_name &&
	       !memcmp(f->data + names_sh.sh_offset + sh->sh_name, name, size);
}

static int search_guest_section(struct note_search *s)
{
	const struct elf_file *f = s->f;
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(f->elf, scn))) {
		GElf_Shdr sh;

		if (!gelf_getshdr(scn, &sh) || !section_is(f, &sh, "__xen_guest"))
			continue;
		if (sh.sh_type == SHT_NOBITS || sh.sh_offset >= f->len)
			return load_refuse(f->ctx, "its __xen_guest section is not in the file");
		s->notes->from = "__xen_guest";
		return elf_guest_section_parse(s->notes, (const char *)f->data + sh.sh_offset,
					       f->len - sh.sh_offset, f->ctx);
	}
	return 0;
}

int elf_notes_read(struct elf_notes *notes, const struct elf_file *f)
{
	static const struct {
		const char *from;
		int (*search)(struct note_search *s);
	} places[] = {{"PT_NOTE", search_segments}, {"SHT_NOTE", search_sections}};
	struct note_search s = {.f = f, .notes = notes};
	struct kernel_notes *n = &notes->n;

	memset(notes, 0, sizeof(*notes));
	n->virt_base = n->elf_paddr_offset = n->entry = n->hypercall_page = ADDR_UNSET;
	n->init_p2m = n->hv_start_low = notes->phys32_entry = ADDR_UNSET;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int rc = places[i].search(&s);

		if (s.nr_xen)
			notes->from = places[i].from;
		if (rc || s.nr_xen)
			return rc;
	}
	return search_guest_section(&s);
}
