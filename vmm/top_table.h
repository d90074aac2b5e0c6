/*
 * The table of `xenolith top`, with xentop's columns (tools/xentop) and one for exits.
 */
#ifndef VMM_TOP_TABLE_H
#define VMM_TOP_TABLE_H

#include "vmm/control/client.h"

/* Columns in xentop's order, for scripts; or those that matter most first, which fit on
 * a terminal of 80 columns. */
enum top_layout { TOP_XENTOP, TOP_LIVE };

/* `width`: lines are cut there; 0: they are not. */
void top_head(FILE *f, enum top_layout layout, unsigned width);
/* `before`: the domain as it was an interval ago, NULL when it was not there. */
void top_row(FILE *f, enum top_layout layout, unsigned width, const json_t *info,
	     const json_t *before);
/* Two lines about all of them. */
void top_summary(FILE *f, unsigned width, const struct link_list *l, int64_t now);

#endif
