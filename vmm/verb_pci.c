/*
 * Verbs for PCI functions: of running domains, and those of the host that a domain can have.
 * Operands, options and columns are xl's (xl_pci.c).
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/pci_spec.h"
#include "vmm/verb_domain.h"

/* libxl gives a frontend this long to let go (libxl_internal.h, LIBXL_DESTROY_TIMEOUT). */
#define DETACH_MS 10000

struct pci_verb_options {
	bool force, names;
};

/* ---- attach ---- */

/* A file is named from where the user is; the domain's process may be elsewhere. */
static char *absolute(const char *spec)
{
	static const char *const keys[] = {"file=", "vfio-user="};
	char *text = strdup(spec);

	for (unsigned i = 0; text && i < sizeof(keys) / sizeof(keys[0]); i++) {
		char *at = text, path[PATH_MAX], *given, *all;

		while ((at = strstr(at, keys[i])) && at > text && at[-1] != ',')
			at++;
		if (!at)
			continue;
		at += strlen(keys[i]);
		size_t len = strcspn(at, ",");
		given = strndup(at, len);
		if (given && *given != '/' && realpath(given, path) &&
		    asprintf(&all, "%.*s%s%s", (int)(at - text), text, path, at + len) > 0) {
			free(text);
			text = all;
		}
		free(given);
	}
	return text;
}

static int run_attach(const struct verb *v, int argc, char **argv)
{
	struct pci_spec s;
	struct error err;
	struct link l;
	int rc, status, n = verb_parse_operands(v, argc, argv, NULL, 2, 2, &status);

	if (n < 0)
		return status;
	if (pci_spec_parse(&s, argv[1], NULL, &err))
		return bad_usage("pci '%s': %s", argv[1], err.text);
	pci_spec_free(&s);
	rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	char *spec = absolute(argv[1]);
	json_t *ok = link_ask(&l, "device-attach",
			      json_pack("{s:s, s:s}", "kind", "pci", "spec", spec ? spec : argv[1]),
			      ANSWER_MS, NULL, &rc, &err);
	free(spec);
	link_close(&l);
	json_decref(ok);
	return ok ? EXIT_OK : verb_failed(rc, &err);
}

static void print_models(FILE *f)
{
	fputs("SPEC is as with 'run --pci': one of these, with xl's options vslot=, permissive=,\n"
	      "name= and so on (man xenolith, PCI FUNCTIONS):\n\n",
	      f);
	for (const struct pci_model *const *m = pci_models; *m; m++) {
		if (pci_spec_is_named((*m)->name))
			fprintf(f, "  model=%s\n      %s\n", (*m)->name, (*m)->options_help);
		else
			fprintf(f, "  %s%s\n", strcmp((*m)->name, "vfio") ? "vfio-user=" : "",
				(*m)->options_help);
	}
}

const struct verb verb_pci_attach = {
	.name = "pci-attach",
	.operands = "DOMAIN SPEC",
	.summary = "give a running domain a PCI function",
	.print_more = print_models,
	.options = no_options,
	.run = run_attach,
};

/* ---- detach ---- */

static int parse_force(void *into, const char *value, struct error *err)
{
	((struct pci_verb_options *)into)->force = true;
	return 0;
}

static int run_detach(const struct verb *v, int argc, char **argv)
{
	struct pci_verb_options o = {0};
	struct error err;
	struct link l;
	char what[160];
	int rc, status, n = verb_parse_operands(v, argc, argv, &o, 2, 2, &status);

	if (n < 0)
		return status;
	rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	snprintf(what, sizeof(what), "the guest of domain '%s' to let go of %s", l.name, argv[1]);
	json_t *ok = link_ask(
		&l, "device-detach",
		json_pack("{s:s, s:s, s:b}", "kind", "pci", "device", argv[1], "force", o.force),
		DETACH_MS, what, &rc, &err);
	if (!ok && rc == -ETIMEDOUT)
		error_set(
			&err, rc,
			"domain '%s' has not let go of %s; it is detached when it does, or with -f",
			l.name, argv[1]);
	link_close(&l);
	json_decref(ok);
	return ok ? EXIT_OK : verb_failed(rc, &err);
}

static const struct option detach_options[] = {
	{.name = "force",
	 .letter = 'f',
	 .help = "do not wait for the guest to let go of it",
	 .parse = parse_force},
	{.name = NULL},
};

const struct verb verb_pci_detach = {
	.name = "pci-detach",
	.operands = "DOMAIN SPEC",
	.summary = "take a PCI function away from a running domain",
	.more = "SPEC is its address as 'pci-list' has it in the column Device, or name=NAME.\n",
	.options = detach_options,
	.run = run_detach,
};

/* ---- list ---- */

static int run_list(const struct verb *v, int argc, char **argv)
{
	struct error err;
	struct link l;
	const json_t *d;
	size_t i;
	int rc, status, n = verb_parse_operands(v, argc, argv, NULL, 1, 1, &status);

	if (n < 0)
		return status;
	rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	json_t *ok = link_ask(&l, "device-list", json_pack("{s:s}", "kind", "pci"), ANSWER_MS, NULL,
			      &rc, &err);
	link_close(&l);
	if (!ok)
		return verb_failed(rc, &err);
	/* xl prints nothing, the head included, for a domain without any. */
	json_array_foreach(json_object_get(ok, "devices"), i, d)
	{
		const char *guest = info_text(d, "guest");

		if (!i)
			puts("Vdev Device");
		/* "0000:00:03.0": what stands behind the bus. */
		printf("%s %s\n", strlen(guest) > 8 ? guest + 8 : guest, info_text(d, "host"));
	}
	json_decref(ok);
	return EXIT_OK;
}

const struct verb verb_pci_list = {
	.name = "pci-list",
	.operands = "DOMAIN",
	.summary = "list the PCI functions of a domain",
	.more = "Functions that are no host's have addresses from ffff:00:00.0 on.\n",
	.options = no_options,
	.run = run_list,
};

/* ---- the host's ---- */

static int parse_names(void *into, const char *value, struct error *err)
{
	((struct pci_verb_options *)into)->names = true;
	return 0;
}

static int run_assignable(const struct verb *v, int argc, char **argv)
{
	struct pci_verb_options o = {0};
	struct host_function *f;
	char bdf[HOST_BDF_SIZE];
	unsigned nr;
	int rc, status, n = verb_parse_operands(v, argc, argv, &o, 0, 0, &status);

	if (n < 0)
		return status;
	rc = host_functions_assignable(HOST_SYSFS, &f, &nr);
	if (rc) {
		fprintf(stderr, "xenolith: cannot read the host's PCI functions: %s\n",
			strerror(-rc));
		return EXIT_HOST_FAILED;
	}
	/* As xl ends each line: a name would follow. */
	for (unsigned i = 0; i < nr; i++)
		printf("%s \n", host_bdf_print(&f[i].bdf, bdf));
	free(f);
	return EXIT_OK;
}

static const struct option assignable_options[] = {
	{.name = "show-names",
	 .letter = 'n',
	 .help = "accepted as xl's; functions have no names here",
	 .parse = parse_names},
	{.name = NULL},
};

const struct verb verb_pci_assignable_list = {
	.name = "pci-assignable-list",
	.operands = "",
	.summary = "list the host's PCI functions that a domain can have",
	.more = "They are those that are bound to the driver vfio-pci.\n",
	.options = assignable_options,
	.run = run_assignable,
};
