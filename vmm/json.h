/* JSON: writing strings, and members of what was read. */
#ifndef VMM_JSON_H
#define VMM_JSON_H

#include <jansson.h>
#include <stdio.h>

/* In quotes, escaped as RFC 8259 has it. Bytes that are no UTF-8 become U+FFFD. */
void json_put_string(FILE *out, const char *text);
/* A member; `key` may have dots: "state.paused". NULL: it is not there. */
const json_t *json_member(const json_t *j, const char *key);

#endif
