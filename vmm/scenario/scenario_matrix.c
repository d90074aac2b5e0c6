/*
 * The product of a matrix: a scenario over kernels, profiles, vcpus, features of backends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/scenario/scenario.h"

#define MAX_POINTS 4096

static const char *const keys[NR_MATRIX_KEYS] = {
	[MATRIX_KERNEL] = "kernel", [MATRIX_PROFILE] = "profile", [MATRIX_VCPUS] = "vcpus",
	[MATRIX_MEMORY] = "memory", [MATRIX_P2M] = "p2m",	  [MATRIX_DISK] = "disk",
	[MATRIX_VIF] = "vif",
};

/* "feature=X" is one of the disks or of the interfaces, by its name. */
static const char *const vif_features[] = {"no-sg",	   "no-gso",  "no-csum", "no-split",
					   "no-multicast", "no-ctrl", NULL};

static int key_of(const char *name, size_t len)
{
	for (int i = 0; i < NR_MATRIX_KEYS; i++)
		if (strlen(keys[i]) == len && !strncmp(keys[i], name, len))
			return i;
	return -1;
}

static int add_values(struct matrix *m, int key, const char *p, size_t len, struct error *err)
{
	while (1) {
		size_t n = 0;
		int k = key;

		while (n < len && p[n] != '|')
			n++;
		if (!n)
			return error_set(err, -EINVAL, "--matrix: a value is empty");
		for (unsigned i = 0; key < 0 && vif_features[i]; i++)
			if (strlen(vif_features[i]) == n && !strncmp(vif_features[i], p, n))
				k = MATRIX_VIF;
		if (!text_list_add(&m->value[k < 0 ? MATRIX_DISK : k], strndup(p, n)))
			return error_set(err, -ENOMEM, "out of memory");
		if (n == len)
			return 0;
		p += n + 1;
		len -= n + 1;
	}
}

int matrix_parse(struct matrix *m, const char *text, struct error *err)
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, ","), name = strcspn(p, "=,");
		bool feature = name == 7 && !strncmp(p, "feature", 7);
		int key = key_of(p, name), rc;

		if (name >= len || (key < 0 && !feature))
			return error_set(err, -EINVAL,
					 "--matrix takes KEY=VALUE|VALUE,... with kernel, profile, "
					 "vcpus, memory, p2m, disk, vif or feature, not '%.*s'",
					 (int)len, p);
		rc = add_values(m, key, p + name + 1, len - name - 1, err);
		if (rc)
			return rc;
		p += len + (p[len] == ',');
	}
	if (matrix_points(m) > MAX_POINTS)
		return error_set(err, -EINVAL, "--matrix: more than %d combinations", MAX_POINTS);
	return 0;
}

unsigned matrix_points(const struct matrix *m)
{
	unsigned long n = 1;

	for (int i = 0; i < NR_MATRIX_KEYS && n <= MAX_POINTS; i++)
		n *= m->value[i].nr ? m->value[i].nr : 1;
	return (unsigned)n;
}

void matrix_variant(const struct matrix *m, unsigned point, struct variant *v)
{
	*v = (struct variant){{0}};
	for (int i = 0; i < NR_MATRIX_KEYS; i++)
		if (m->value[i].nr) {
			v->value[i] = m->value[i].text[point % m->value[i].nr];
			point /= m->value[i].nr;
		}
}

void variant_name(const struct variant *v, char *buf, size_t size)
{
	*buf = 0;
	for (int i = 0; i < NR_MATRIX_KEYS; i++)
		if (v->value[i])
			snprintf(buf + strlen(buf), size - strlen(buf), "%s%s=%s", *buf ? " " : "",
				 keys[i], v->value[i]);
}

void matrix_free(struct matrix *m)
{
	for (int i = 0; i < NR_MATRIX_KEYS; i++)
		text_list_free(&m->value[i]);
}
