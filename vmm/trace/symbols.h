/* A kernel's symbols, from its System.map or its ELF file. */
#ifndef VMM_TRACE_SYMBOLS_H
#define VMM_TRACE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

struct symbols;

/* NULL and a sentence. */
struct symbols *symbols_load(const char *path, struct error *err);
void symbols_free(struct symbols *s);
/* "schedule+0x12"; false: no symbol is near. s may be NULL. */
bool symbols_name(const struct symbols *s, uint64_t va, char *buf, size_t size);
/* 0 and the address, or -ENOENT. */
int symbols_find(const struct symbols *s, const char *name, uint64_t *va);

#endif
