#include "vmm/verb_domain.h"

#include <errno.h>
#include <stdlib.h>

const struct option no_options[] = {{.name = NULL}};

int verb_parse_operands(const struct verb *v, int argc, char **argv, void *into, int min, int max,
			int *status)
{
	int n = verb_parse(v, argc, argv, into, max, status);

	if (n < 0 || n >= min)
		return n;
	*status = bad_usage("'%s' needs %s; see 'xenolith help %s'", v->name, v->operands, v->name);
	return -1;
}

int verb_failed(int rc, const struct error *err)
{
	fprintf(stderr, "xenolith: %s\n", err->text);
	return rc == -ENOENT || rc == -EINVAL ? EXIT_BAD_USAGE : EXIT_HOST_FAILED;
}

int verb_ask(const char *domain, const char *request, json_t *args, json_t **ok)
{
	struct error err;
	struct link l;
	int rc = link_find(&l, domain, &err);

	if (rc) {
		json_decref(args);
		return verb_failed(rc, &err);
	}
	json_t *answer = link_ask(&l, request, args, ANSWER_MS, NULL, &rc, &err);
	link_close(&l);
	if (!answer)
		return verb_failed(rc, &err);
	if (ok)
		*ok = answer;
	else
		json_decref(answer);
	return EXIT_OK;
}

int verb_domains(int n, char **argv, struct link_list *l)
{
	struct error err;
	int rc;

	if (!n) {
		rc = link_list_open(l, &err);
		return rc ? verb_failed(rc, &err) : EXIT_OK;
	}
	*l = (struct link_list){.link = calloc((size_t)n, sizeof(*l->link))};
	if (!l->link)
		return verb_failed(error_set(&err, -ENOMEM, "out of memory"), &err);
	for (int i = 0; i < n; i++) {
		rc = link_find(&l->link[i], argv[i], &err);
		if (rc) {
			link_list_close(l);
			return verb_failed(rc, &err);
		}
		l->nr++;
	}
	return EXIT_OK;
}
