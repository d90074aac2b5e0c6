/*
 * The __xen_guest section of kernels from before Xen's ELF notes (elfnote.h,
 * "LEGACY"): "GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,...".
 * Keys, their limits and their meaning: Xen's common/libelf/libelf-dominfo.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/loader/elf_internal.h"

#define KEY_MAX	  31
#define VALUE_MAX 127

struct pair {
	char key[KEY_MAX + 1];
	char value[VALUE_MAX + 1];
};

static void copy_part(char *to, size_t max, const char *from, size_t len)
{
	if (len > max)
		len = max;
	memcpy(to, from, len);
	to[len] = '\0';
}

/* Takes one "KEY=VALUE" or "KEY" off *text. */
static bool next_pair(struct pair *p, const char **text, size_t *len)
{
	const char *end, *equals;
	size_t n;

	if (!*len || !**text)
		return false;
	n = strnlen(*text, *len);
	end = memchr(*text, ',', n);
	if (end)
		n = (size_t)(end - *text);
	equals = memchr(*text, '=', n);
	copy_part(p->key, KEY_MAX, *text, equals ? (size_t)(equals - *text) : n);
	if (equals)
		copy_part(p->value, VALUE_MAX, equals + 1, n - (size_t)(equals + 1 - *text));
	else
		p->value[0] = '\0';
	n += end != NULL;
	*text += n;
	*len -= n;
	return true;
}

static void take_pae(struct elf_notes *notes, const char *value)
{
	if (!strcmp(value, "yes[extended-cr3]"))
		notes->pae = PAE_EXTENDED;
	else if (!strncmp(value, "yes", 3))
		notes->pae = PAE_YES;
}

static int take_pair(struct elf_notes *notes, const struct pair *p, const struct load_ctx *ctx)
{
	struct kernel_notes *n = &notes->n;
	const struct {
		const char *key;
		char *to;
		size_t size;
	} strings[] = {
		{"LOADER", n->loader, sizeof(n->loader)},
		{"GUEST_OS", n->guest_os, sizeof(n->guest_os)},
		{"GUEST_VER", n->guest_version, sizeof(n->guest_version)},
		{"XEN_VER", n->xen_version, sizeof(n->xen_version)},
	};
	const struct {
		const char *key;
		uint64_t *to;
		unsigned shift;
	} numbers[] = {
		{"VIRT_BASE", &n->virt_base, 0},
		{"VIRT_ENTRY", &n->entry, 0},
		{"ELF_PADDR_OFFSET", &n->elf_paddr_offset, 0},
		{"HYPERCALL_PAGE", &n->hypercall_page, 12}, /* a page number from VIRT_BASE */
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (!strcmp(p->key, strings[i].key))
			snprintf(strings[i].to, strings[i].size, "%s", p->value);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!strcmp(p->key, numbers[i].key))
			*numbers[i].to = (uint64_t)strtoull(p->value, NULL, 0) << numbers[i].shift;
	if (!strcmp(p->key, "PAE"))
		take_pae(notes, p->value);
	if (!strcmp(p->key, "BSD_SYMTAB"))
		n->bsd_symtab = true;
	if (!strcmp(p->key, "FEATURES"))
		return elf_features_parse(n, p->value, ctx);
	return 0;
}

int elf_guest_section_parse(struct elf_notes *notes, const char *text, size_t len,
			    const struct load_ctx *ctx)
{
	struct kernel_notes *n = &notes->n;
	struct pair p;
	int rc = 0;

	while (!rc && next_pair(&p, &text, &len))
		rc = take_pair(notes, &p, ctx);
	if (n->virt_base != ADDR_UNSET && n->hypercall_page != ADDR_UNSET)
		n->hypercall_page += n->virt_base;
	return rc;
}
