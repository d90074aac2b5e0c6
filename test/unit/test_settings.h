/* A domain's settings for unit tests: a file is read, and what was warned of is kept. */
#ifndef TEST_UNIT_TEST_SETTINGS_H
#define TEST_UNIT_TEST_SETTINGS_H

#include <stdio.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/config/keys.h"

static struct domain_settings s;
static struct error err;
static unsigned warnings;
static char warned[600];

static inline void setup(void)
{
	domain_settings_init(&s);
	warnings = 0;
	warned[0] = err.text[0] = 0;
}

static inline void teardown(void)
{
	domain_settings_free(&s);
}

static inline void warn(void *arg, const char *text)
{
	ck_assert_ptr_eq(arg, &s);
	warnings++;
	snprintf(warned, sizeof(warned), "%s", text);
}

#define GOOD "name='g'\nkernel='/k'\n"

/* A file that begins with these two lines. */
static inline int read_more(const char *text)
{
	struct settings_reader r = {
		.settings = &s, .source = "f.cfg", .warn = warn, .arg = &s, .err = &err};
	int rc = config_file_parse(&s.file, "f.cfg", GOOD, strlen(GOOD), &err);
	char padded[4096];

	snprintf(padded, sizeof(padded), "\n\n%s", text);
	ck_assert_int_eq(rc, 0);
	rc = config_file_parse(&s.file, "f.cfg", padded, strlen(padded), &err);
	return rc ? rc : domain_settings_read(&r);
}

static inline void again(void)
{
	teardown();
	setup();
}

static inline const struct config_key *row(const char *key)
{
	for (const struct config_key *k = config_keys; k->key; k++)
		if (!strcmp(k->key, key))
			return k;
	return NULL;
}

#endif
