/*
 * What the unit tests of inspection and of the watchdog share: a domain in plain memory with
 * a store and a toy device, and the asking.
 */
#ifndef TEST_UNIT_TEST_INSPECT_H
#define TEST_UNIT_TEST_INSPECT_H

#include <check.h>
#include <jansson.h>
#include <string.h>

#include "devices/backend.h"
#include "devices/inspect.h"
#include "test/unit/test_domain.h"
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/text.h"

extern struct test_domain *in_t;
extern struct event_loop *in_loop;
extern struct xenstore *in_xs;
extern struct guest *in_g;
extern struct inspect_target in_target;
extern struct error in_err;
/* The device "toy 7": its ring as the test wants it, its grant 9. */
#define TOY_FE "/local/domain/1/device/toy/7"
extern struct backend toy;
extern struct ring_look toy_ring;
extern uint64_t toy_oldest; /* ns; 0: it does not say */

void inspect_setup(void);
void inspect_teardown(void);

/* Up to three words, NULL behind the last. */
int ask(const char *what, const char *a, const char *b, const char *c);
#define ASK(...) ck_assert_int_eq(ask(__VA_ARGS__), 0)
/* What was answered last. */
extern json_t *shown;
extern char *text;
#define NUMBER(j, k) text_int(j, k)
#define HAS(word)    ck_assert_msg(strstr(text, word) != NULL, "no '%s' in:\n%s", word, text)
/* The row of an array of the answer whose member is `value`. */
const json_t *row(const char *array, const char *key, int64_t value);
void is(const json_t *j, const char *key, const char *value);
bool yes(const json_t *j, const char *key);

#endif
