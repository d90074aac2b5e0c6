/* The words of GRUB 2's shell-like language. For menu_grub2.c. */
#ifndef VMM_BOOT_GRUB_WORDS_H
#define VMM_BOOT_GRUB_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define GRUB_MAX_WORD  4096u
#define GRUB_MAX_WORDS 128u
#define GRUB_MAX_VARS  256u

struct grub_variables {
	unsigned nr;
	struct {
		char *name, *value;
	} var[GRUB_MAX_VARS];
};

/* 0, or -ENOMEM; too many or too long ones are not kept. */
int grub_set(struct grub_variables *v, const char *name, size_t len, const char *value);
/* "": there is none. */
const char *grub_get(const struct grub_variables *v, const char *name, size_t len);
void grub_variables_free(struct grub_variables *v);

/* What ended a statement. */
enum grub_end { GRUB_END_LINE, GRUB_END_OPEN, GRUB_END_TEXT };

struct grub_statement {
	char *word[GRUB_MAX_WORDS];
	bool plain[GRUB_MAX_WORDS]; /* neither quoted nor from a variable: may be a keyword */
	unsigned nr;
	enum grub_end end; /* GRUB_END_OPEN: a '{' of its own follows, or ends it */
};

/* Reads one statement from *text, variables put in. The words are the statement's, which is
 * to be freed. 0 or -ENOMEM. An empty one (nr 0) comes for empty lines. */
int grub_statement_read(const char **text, const struct grub_variables *v,
			struct grub_statement *s);
void grub_statement_free(struct grub_statement *s);

#endif
