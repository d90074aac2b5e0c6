/*
 * The table of nodes: see store.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/store.h"

#define MIN_BUCKETS 256

/* xenstored's record: a header of 8-byte alignment, struct xs_permissions for each
 * domain, the value, the names (tools/xenstore: struct xs_tdb_record_hdr). */
#define RECORD_HEADER 24
#define RECORD_PERM   8

int perms_copy(struct xs_perms *to, const struct xs_perms *from)
{
	struct xs_perm *p = malloc(from->nr * sizeof(*p));

	if (!p)
		return -ENOMEM;
	memcpy(p, from->p, from->nr * sizeof(*p));
	*to = (struct xs_perms){from->nr, p};
	return 0;
}

void perms_free(struct xs_perms *p)
{
	free(p->p);
	*p = (struct xs_perms){0, NULL};
}

uint8_t perms_of(const struct xs_perms *p, uint32_t domid, uint32_t target)
{
	uint32_t owner = p->p[0].domid;

	if (domid == 0 || owner == domid || (target != UINT32_MAX && owner == target))
		return XS_PERM_READ | XS_PERM_WRITE | XS_PERM_OWNER;
	for (unsigned i = 1; i < p->nr; i++) {
		const struct xs_perm *e = &p->p[i];
		if (!e->ignored &&
		    (e->domid == domid || (target != UINT32_MAX && e->domid == target)))
			return e->bits;
	}
	return p->p[0].bits;
}

struct node *node_new(const char *path, const struct xs_perms *perms)
{
	size_t size = strlen(path) + 1;
	struct node *n = calloc(1, sizeof(*n) + size);

	if (!n || perms_copy(&n->perms, perms)) {
		free(n);
		return NULL;
	}
	memcpy(n->path, path, size);
	return n;
}

void node_free(struct node *n)
{
	if (!n)
		return;
	perms_free(&n->perms);
	free(n->data);
	free(n->children);
	free(n);
}

int node_set_data(struct node *n, const void *data, size_t len)
{
	uint8_t *copy = NULL;

	if (len && !(copy = malloc(len)))
		return -ENOMEM;
	if (len)
		memcpy(copy, data, len);
	free(n->data);
	n->data = copy;
	n->len = len;
	return 0;
}

int node_set_perms(struct node *n, const struct xs_perms *perms)
{
	struct xs_perms copy;
	int rc = perms_copy(&copy, perms);

	if (rc)
		return rc;
	perms_free(&n->perms);
	n->perms = copy;
	return 0;
}

int node_add_child(struct node *n, const char *name)
{
	size_t size = strlen(name) + 1;
	char *list = realloc(n->children, n->children_len + size);

	if (!list)
		return -ENOMEM;
	memcpy(list + n->children_len, name, size);
	n->children = list;
	n->children_len += size;
	return 0;
}

bool node_remove_child(struct node *n, const char *name)
{
	size_t size = strlen(name) + 1;

	for (size_t at = 0; at < n->children_len; at += strlen(n->children + at) + 1) {
		if (strcmp(n->children + at, name))
			continue;
		n->children_len -= size;
		memmove(n->children + at, n->children + at + size, n->children_len - at);
		return true;
	}
	return false;
}

struct node *node_copy(const struct node *n)
{
	struct node *copy = node_new(n->path, &n->perms);

	if (!copy)
		return NULL;
	copy->gen = n->gen;
	copy->children = n->children_len ? malloc(n->children_len) : NULL;
	if (node_set_data(copy, n->data, n->len) || (n->children_len && !copy->children)) {
		node_free(copy);
		return NULL;
	}
	if (n->children_len)
		memcpy(copy->children, n->children, n->children_len);
	copy->children_len = n->children_len;
	return copy;
}

size_t node_size(const struct node *n)
{
	return RECORD_HEADER + n->perms.nr * RECORD_PERM + n->len + n->children_len;
}

const char *path_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

void path_parent(const char *path, char *to)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	memmove(to, path, len);
	if (!len)
		to[len++] = '/';
	to[len] = 0;
}

/* FNV-1a. */
static size_t hash(const char *path)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *path; path++)
		h = (h ^ (uint8_t)*path) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

static struct node **place(const struct store *s, const char *path)
{
	struct node **p = &s->bucket[hash(path) % s->nr_buckets];

	while (*p && strcmp((*p)->path, path))
		p = &(*p)->next;
	return p;
}

int store_init(struct store *s)
{
	*s = (struct store){.nr_buckets = MIN_BUCKETS};
	s->bucket = calloc(s->nr_buckets, sizeof(*s->bucket));
	return s->bucket ? 0 : -ENOMEM;
}

void store_free(struct store *s)
{
	for (size_t i = 0; s->bucket && i < s->nr_buckets; i++)
		while (s->bucket[i]) {
			struct node *n = s->bucket[i];
			s->bucket[i] = n->next;
			node_free(n);
		}
	free(s->bucket);
	s->bucket = NULL;
}

struct node *store_find(const struct store *s, const char *path)
{
	return *place(s, path);
}

/* Longer chains are no error: without memory all stays as it is. */
static void grow(struct store *s)
{
	struct store new = {.nr_buckets = 2 * s->nr_buckets, .nr_nodes = s->nr_nodes};

	new.bucket = calloc(new.nr_buckets, sizeof(*new.bucket));
	if (!new.bucket)
		return;
	for (size_t i = 0; i < s->nr_buckets; i++)
		while (s->bucket[i]) {
			struct node *n = s->bucket[i], **p = place(&new, n->path);
			s->bucket[i] = n->next;
			n->next = *p;
			*p = n;
		}
	free(s->bucket);
	*s = new;
}

void store_put(struct store *s, struct node *n)
{
	struct node **p = place(s, n->path);

	if (*p) {
		n->next = (*p)->next;
		node_free(*p);
		*p = n;
		return;
	}
	n->next = NULL;
	*p = n;
	if (++s->nr_nodes > s->nr_buckets)
		grow(s);
}

struct node *store_take(struct store *s, const char *path)
{
	struct node **p = place(s, path), *n = *p;

	if (n) {
		*p = n->next;
		n->next = NULL;
		s->nr_nodes--;
	}
	return n;
}
