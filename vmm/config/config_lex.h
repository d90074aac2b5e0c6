/* The words of a configuration file. For config_parse.c. */
#ifndef VMM_CONFIG_CONFIG_LEX_H
#define VMM_CONFIG_CONFIG_LEX_H

#include "vmm/config/config_file.h"

enum config_word {
	WORD_KEY,
	WORD_NUMBER,
	WORD_STRING,
	WORD_NEWLINE,
	WORD_ASSIGN,
	WORD_ADD, /* += */
	WORD_OPEN,
	WORD_CLOSE,
	WORD_COMMA,
	WORD_SEMICOLON,
	WORD_END,
};

struct config_lexer {
	const char *source;
	const char *at, *end;
	unsigned line, column; /* of `at` */
	/* The word that was read last. */
	enum config_word word;
	unsigned word_line, word_column;
	char *text; /* of a key, number or string: the caller's to take */
	struct error *err;
};

/* Reads one more word. 0, or negative errno and a sentence. */
int config_lex(struct config_lexer *l);
/* How messages call a word: "'='", "the end of the line" ... */
const char *config_word_name(enum config_word w);
/* -EINVAL and a sentence about this place. */
int config_lex_error(struct config_lexer *l, unsigned line, unsigned column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
