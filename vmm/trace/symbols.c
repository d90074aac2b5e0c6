/*
 * Symbols sorted by address. A System.map has lines "ADDRESS TYPE NAME"; of an ELF file its
 * symbol table is read with libelf.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/trace/symbols.h"

#define NEAR 0x100000 /* farther from it an address is not a symbol's */

struct symbol {
	uint64_t va;
	char *name;
};
struct symbols {
	struct symbol *list;
	size_t nr, room;
};

static int add(struct symbols *s, uint64_t va, const char *name)
{
	if (s->nr == s->room) {
		size_t room = s->room ? 2 * s->room : 4096;
		struct symbol *list = realloc(s->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->list = list;
		s->room = room;
	}
	s->list[s->nr] = (struct symbol){va, strdup(name)};
	return s->list[s->nr++].name ? 0 : -ENOMEM;
}

static int load_map(struct symbols *s, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	while (!rc && getline(&line, &size, f) > 0) {
		unsigned long long va;
		char type;
		char name[256];

		if (sscanf(line, "%llx %c %255s", &va, &type, name) != 3)
			rc = -EINVAL;
		else if (va && !strchr("aAU", type))
			rc = add(s, va, name);
	}
	free(line);
	return rc;
}

static int load_elf(struct symbols *s, int fd)
{
	Elf *e = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	int rc = e ? 0 : -EINVAL;

	while (!rc && (scn = elf_nextscn(e, scn))) {
		Elf_Data *data;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_SYMTAB ||
		    !(data = elf_getdata(scn, NULL)) || !sh.sh_entsize)
			continue;
		for (size_t i = 0; !rc && i < sh.sh_size / sh.sh_entsize; i++) {
			GElf_Sym sym;
			const char *name;

			if (!gelf_getsym(data, (int)i, &sym) || !sym.st_value ||
			    GELF_ST_TYPE(sym.st_info) > STT_FUNC ||
			    !(name = elf_strptr(e, sh.sh_link, sym.st_name)) || !*name)
				continue;
			rc = add(s, sym.st_value, name);
		}
	}
	if (e)
		elf_end(e);
	return rc;
}

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->va < y->va ? -1 : x->va > y->va;
}

struct symbols *symbols_load(const char *path, struct error *err)
{
	FILE *f = fopen(path, "re");
	struct symbols *s = calloc(1, sizeof(*s));
	char magic[4] = "";
	int rc;

	if (!f || !s) {
		error_set(err, -errno, "%s: %s", path, strerror(errno));
		if (f)
			fclose(f);
		free(s);
		return NULL;
	}
	bool elf = fread(magic, 1, 4, f) == 4 && !memcmp(magic, ELFMAG, 4);
	rewind(f);
	rc = elf ? load_elf(s, fileno(f)) : load_map(s, f);
	fclose(f);
	if (!rc && !s->nr)
		rc = -EINVAL;
	if (rc) {
		error_set(err, rc, "%s: %s", path,
			  rc == -ENOMEM ? "out of memory"
			  : elf		? "has no symbols"
					: "is neither an ELF file nor a System.map");
		symbols_free(s);
		return NULL;
	}
	qsort(s->list, s->nr, sizeof(*s->list), compare);
	return s;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nr; i++)
		free(s->list[i].name);
	free(s->list);
	free(s);
}

bool symbols_name(const struct symbols *s, uint64_t va, char *buf, size_t size)
{
	size_t low = 0, high = s ? s->nr : 0;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->list[mid].va <= va)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || va - s->list[low - 1].va > NEAR)
		return false;
	uint64_t offset = va - s->list[low - 1].va;
	if (offset)
		snprintf(buf, size, "%s+%#llx", s->list[low - 1].name, (unsigned long long)offset);
	else
		snprintf(buf, size, "%s", s->list[low - 1].name);
	return true;
}

int symbols_find(const struct symbols *s, const char *name, uint64_t *va)
{
	for (size_t i = 0; s && i < s->nr; i++)
		if (!strcmp(s->list[i].name, name)) {
			*va = s->list[i].va;
			return 0;
		}
	return -ENOENT;
}
