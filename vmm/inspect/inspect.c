/*
 * The table of subjects, and what is common to them.
 */
#include "vmm/inspect/inspect.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct inspect_subject *const inspect_subjects[] = {
	&inspect_events, &inspect_grants, &inspect_rings,     &inspect_store, &inspect_vcpus,
	&inspect_timers, &inspect_p2m,	  &inspect_pagetable, &inspect_frame, NULL,
};

const struct inspect_subject *inspect_find(const char *name, struct error *err)
{
	char list[160] = "";

	for (const struct inspect_subject *const *s = inspect_subjects; *s; s++) {
		if (!strcmp((*s)->name, name))
			return *s;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 !*list ? ""
			 : s[1] ? ", "
				: " and ",
			 (*s)->name);
	}
	error_set(err, -EINVAL, "'%.40s' cannot be inspected; what can is %s", name, list);
	return NULL;
}

int inspect_check(const struct inspect_subject *s, unsigned nr, struct error *err)
{
	if (nr < s->min_args)
		return error_set(err, -EINVAL, "'%s' needs %s", s->name, s->operands);
	if (nr <= s->max_args)
		return 0;
	return error_set(err, -EINVAL, "'%s' takes %s%s", s->name,
			 s->max_args ? "no more than " : "nothing more",
			 s->max_args ? s->operands : "");
}

int inspect_fill(const struct inspect_target *t, const char *name, unsigned nr,
		 const char *const *arg, json_t **out, struct error *err)
{
	const struct inspect_subject *s = inspect_find(name, err);
	int rc = s ? inspect_check(s, nr, err) : -EINVAL;

	*out = NULL;
	if (rc)
		return rc;
	json_t *j = json_object();
	rc = s->fill(t, nr, arg, j, err);
	if (rc)
		json_decref(j);
	else
		*out = j;
	return rc;
}

int inspect_number(const char *what, const char *text, uint64_t max, uint64_t *value,
		   struct error *err)
{
	bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
	unsigned long long n = 0;
	char *end = NULL;

	errno = 0;
	/* strtoull would take blanks and a sign. */
	if (isdigit((unsigned char)text[0]))
		n = strtoull(text, &end, hex ? 16 : 10);
	if (!end || *end || errno || n > max)
		return error_set(err, -EINVAL,
				 "'%.60s' is no %s: that is a number from 0 to %llu (%#llx), "
				 "decimal or 0x...",
				 text, what, (unsigned long long)max, (unsigned long long)max);
	*value = n;
	return 0;
}

json_t *json_hex(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%#llx", (unsigned long long)n);
	return json_string(text);
}

void json_put(json_t *j, const char *key, uint64_t n)
{
	json_object_set_new(j, key, json_integer((json_int_t)n));
}
