/* Writing JSON: strings. */
#ifndef VMM_JSON_H
#define VMM_JSON_H

#include <stdio.h>

/* In quotes, escaped as RFC 8259 has it. Bytes that are no UTF-8 become U+FFFD. */
void json_put_string(FILE *out, const char *text);

#endif
