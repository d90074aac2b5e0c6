/*
 * Files in xl's configuration language (xl.cfg(5), "SYNTAX"): KEY = VALUE and
 * KEY += VALUE, one a line or separated by ';', where a value is a string, a number or a
 * list of values. What the keys mean is not known here.
 *
 * The grammar is that of Xen's tools/libs/util/libxlu_cfg_y.y and _l.l: keys are in lower
 * case, a newline ends an assignment except inside a list, a list may end with a comma, and
 * of several assignments to a key the last one counts. Where those refuse what is
 * harmless (a comment in a last line without an end), it is taken here.
 */
#ifndef VMM_CONFIG_CONFIG_FILE_H
#define VMM_CONFIG_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/error.h"

#define CONFIG_FILE_MAX (1u << 20) /* bytes */
#define CONFIG_KEYS_MAX 1024
#define CONFIG_NEST_MAX 16 /* lists in lists */

enum config_type { CONFIG_STRING, CONFIG_LIST };

struct config_value {
	enum config_type type;
	unsigned line, column; /* from 1 */
	char *string;	       /* CONFIG_STRING; a number is kept as it is written */
	struct config_value **item;
	unsigned nr_items;
};

struct config_setting {
	char *key;
	const char *source; /* for messages: the file's name */
	unsigned line, column;
	bool added; /* by += to what was there */
	struct config_value *value;
};

/* All zero: empty. A key is there at most once. */
struct config_file {
	struct config_setting *setting;
	unsigned nr, room;
};

/* Adds what `text` assigns. `source` names it in messages and must outlive c. 0, or a
 * negative errno and a sentence that begins with "SOURCE:LINE:COLUMN: ". c is to be freed
 * in either case. */
int config_file_parse(struct config_file *c, const char *source, const char *text, size_t len,
		      struct error *err);
/* The same with a file's content. */
int config_file_read(struct config_file *c, const char *path, struct error *err);
void config_file_free(struct config_file *c);

/* NULL: not assigned. */
const struct config_setting *config_file_find(const struct config_file *c, const char *key);

/* -EINVAL and "SOURCE:LINE:COLUMN: " before the sentence; v NULL: the key's place. */
int config_error(struct error *err, const struct config_setting *s, const struct config_value *v,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
