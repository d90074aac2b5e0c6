/* The argument blocks of sub-operations, member by member. */
#ifndef VMM_TRACE_TRACE_BLOCKS_H
#define VMM_TRACE_TRACE_BLOCKS_H

#include <stdint.h>

struct block_member {
	const char *name;
	uint16_t offset;
	uint8_t size; /* bytes: 1, 2, 4 or 8 */
	char format;  /* as in probes.def: u d x e t */
};

struct block_layout {
	unsigned hypercall;
	int subop;
	const struct block_member *member; /* ends with a NULL name */
};

/* NULL: not known; its bytes are shown. */
const struct block_member *trace_block_layout(unsigned hypercall, int subop);

#endif
