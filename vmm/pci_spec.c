/*
 * Parsing of PCI functions' specifications: see pci_spec.h. Positional parameters, keywords
 * and their values are those of xl 4.17 (tools/libs/util/libxlu_pci.c).
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/pci_spec.h"

static int bad(struct error *err, const char *what, const char *text)
{
	return error_set(err, -EINVAL, "%s, not '%.100s'", what, text);
}

static int parse_slot(struct pci_spec *s, const char *text, struct error *err)
{
	char *end;
	unsigned long n = strtoul(text, &end, 16);

	if (!isxdigit((unsigned char)*text) || *end || n > 31)
		return bad(err, "vslot takes a slot from 0 to 1f, hexadecimal", text);
	s->options.vslot = (int)n;
	return 0;
}

/* "03:00.*", too. */
static int parse_bdf(struct pci_spec *s, const char *text, const char **end, struct error *err)
{
	const char *star = strstr(text, ".*");
	char first[sizeof("0000:00:00.0")];

	if (star && (size_t)(star - text) < sizeof(first) - 2 &&
	    !memchr(text, ',', (size_t)(star - text))) {
		snprintf(first, sizeof(first), "%.*s.0", (int)(star - text), text);
		s->all_functions = true;
		*end = star + 2;
		text = first;
		if (host_bdf_parse(text, &s->options.host, NULL))
			return bad(err, "a PCI function is written as [DDDD:]BB:DD.F", text);
	} else if (host_bdf_parse(text, &s->options.host, end)) {
		return bad(err, "a PCI function is written as [DDDD:]BB:DD.F", text);
	}
	s->options.has_host = true;
	return 0;
}

static int set_bdf(struct pci_spec *s, const char *val, struct error *err)
{
	const char *end;
	int rc = s->options.has_host ? bad(err, "there is one address for a function", val)
				     : parse_bdf(s, val, &end, err);

	if (!rc && *end)
		rc = bad(err, "a PCI function is written as [DDDD:]BB:DD.F", val);
	return rc;
}

static int parse_flag(bool *flag, const char *val, struct error *err)
{
	if (strcmp(val, "0") && strcmp(val, "1"))
		return bad(err, "a switch takes 0 or 1", val);
	*flag = *val == '1';
	return 0;
}

static int set_permissive(struct pci_spec *s, const char *val, struct error *err)
{
	return parse_flag(&s->options.permissive, val, err);
}

static int set_quirk(struct pci_spec *s, const char *val, struct error *err)
{
	return pciback_quirks_parse(val, &s->options)
		       ? bad(err, "quirk takes registers and their sizes, 44:2+e0:4", val)
		       : 0;
}

static int set_msitranslate(struct pci_spec *s, const char *val, struct error *err)
{
	return parse_flag(&s->options.msitranslate, val, err);
}

static int set_power_mgmt(struct pci_spec *s, const char *val, struct error *err)
{
	return parse_flag(&s->options.power_mgmt, val, err);
}

static int set_seize(struct pci_spec *s, const char *val, struct error *err)
{
	return parse_flag(&s->seize, val, err);
}

static int set_rdm_policy(struct pci_spec *s, const char *val, struct error *err)
{
	s->options.rdm_relaxed = !strcmp(val, "relaxed");
	if (!s->options.rdm_relaxed && strcmp(val, "strict"))
		return bad(err, "rdm_policy takes strict or relaxed", val);
	return 0;
}

static int set_name(struct pci_spec *s, const char *val, struct error *err)
{
	free(s->name);
	s->name = strdup(val);
	return s->name ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static const struct pci_model *model_find(const char *name)
{
	for (const struct pci_model *const *m = pci_models; *m; m++)
		if (!strcmp((*m)->name, name))
			return *m;
	return NULL;
}

#define VFIO	  "vfio"
#define VFIO_USER "vfio-user"

bool pci_spec_is_named(const char *model)
{
	return strcmp(model, VFIO) && strcmp(model, VFIO_USER);
}

static int use_model(struct pci_spec *s, const char *name, struct error *err)
{
	s->model = model_find(name);
	return s->model ? 0
			: error_set(err, -ENOTSUP, "this version has no devices of the kind %s",
				    name);
}

static int set_model(struct pci_spec *s, const char *val, struct error *err)
{
	char list[200] = "", name[40];
	const char *at = strchr(val, '@');
	size_t n = 0;

	if (s->model)
		return bad(err, "there is one model for a function", val);
	snprintf(name, sizeof(name), "%.*s", (int)(at ? at - val : 39), val);
	if (pci_spec_is_named(name))
		s->model = model_find(name);
	if (s->model)
		return at ? parse_slot(s, at + 1, err) : 0;
	for (const struct pci_model *const *m = pci_models; *m && n < sizeof(list); m++)
		if (pci_spec_is_named((*m)->name))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      (*m)->name);
	return error_set(err, -EINVAL, "there is no model '%.39s'; the models are %s", name, list);
}

/* For the model itself, as it is written. */
static int keep(struct pci_spec *s, const char *token, struct error *err)
{
	char *all = NULL;

	if (asprintf(&all, "%s%s%s", s->model_options ? s->model_options : "",
		     s->model_options ? "," : "", token) < 0)
		return error_set(err, -ENOMEM, "out of memory");
	free(s->model_options);
	s->model_options = all;
	return 0;
}

static int set_server(struct pci_spec *s, const char *val, struct error *err)
{
	if (s->model)
		return bad(err, "there is one model for a function", val);
	if (!*val)
		return error_set(err, -EINVAL, "vfio-user takes the path of a server's socket");
	int rc = use_model(s, VFIO_USER, err);
	return rc ? rc : keep(s, val, err);
}

static const struct {
	const char *key;
	int (*set)(struct pci_spec *s, const char *val, struct error *err);
} keys[] = {
	{"bdf", set_bdf},
	{"vslot", parse_slot},
	{"permissive", set_permissive},
	{"quirk", set_quirk},
	{"msitranslate", set_msitranslate},
	{"seize", set_seize},
	{"power_mgmt", set_power_mgmt},
	{"rdm_policy", set_rdm_policy},
	{"name", set_name},
	{"model", set_model},
	{"vfio-user", set_server},
};
#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

static int parse_token(struct pci_spec *s, char *token, unsigned *seen, struct error *err)
{
	char *eq = strchr(token, '=');

	for (unsigned i = 0; eq && i < NR_KEYS; i++) {
		if (strlen(keys[i].key) != (size_t)(eq - token) ||
		    strncmp(keys[i].key, token, (size_t)(eq - token)))
			continue;
		if (*seen & 1u << i)
			return bad(err, "each option once", token);
		*seen |= 1u << i;
		/* xl: an empty value is the default. */
		return eq[1] ? keys[i].set(s, eq + 1, err) : 0;
	}
	return keep(s, token, err);
}

/* A host's function: its address goes to the model before its options. */
static int for_host(struct pci_spec *s, struct error *err)
{
	char bdf[HOST_BDF_SIZE], *rest = s->model_options;
	int rc;

	if (s->model)
		return error_set(err, -EINVAL, "a model has no address on the host");
	s->model_options = NULL;
	rc = use_model(s, VFIO, err);
	if (!rc)
		rc = keep(s, host_bdf_print(&s->options.host, bdf), err);
	if (!rc && rest)
		rc = keep(s, rest, err);
	free(rest);
	return rc;
}

static int parse(struct pci_spec *s, const char *text, char *copy, bool for_detach,
		 struct error *err)
{
	const char *end = text;
	unsigned seen = 0;
	char *save = NULL;
	int rc = 0;

	/* The address stands first, without a keyword. */
	if (isxdigit((unsigned char)*text) && strchr(text, ':') &&
	    strcspn(text, "=") > strcspn(text, ":")) {
		rc = parse_bdf(s, text, &end, err);
		if (!rc && *end == '@') {
			char slot[8];
			size_t len = strcspn(end + 1, ",");
			snprintf(slot, sizeof(slot), "%.*s", (int)(len < 7 ? len : 7), end + 1);
			rc = parse_slot(s, slot, err);
			end += 1 + len;
		}
		if (!rc && *end && *end != ',')
			rc = bad(err, "a PCI function is written as [DDDD:]BB:DD.F[@VSLOT]", text);
	}
	for (char *t = strtok_r(copy + (end - text), ",", &save); !rc && t;
	     t = strtok_r(NULL, ",", &save))
		rc = parse_token(s, t, &seen, err);
	if (rc)
		return rc;
	if (s->options.has_host && for_detach)
		return 0;
	if (s->options.has_host)
		return s->name ? error_set(err, -EINVAL,
					   "a function has an address or a name, not both")
			       : for_host(s, err);
	if (s->model || (for_detach && s->name))
		return 0;
	if (s->name)
		return error_set(err, -EINVAL,
				 "no device of the host is known as '%.60s': names are given by "
				 "xl pci-assignable-add; use its address",
				 s->name);
	return error_set(err, -EINVAL,
			 "what device is it? An address of the host ([DDDD:]BB:DD.F), "
			 "model=NAME, or vfio-user=PATH");
}

static int parse_text(struct pci_spec *s, const char *text, bool for_detach, struct error *err)
{
	char *copy = strdup(text);
	int rc;

	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	rc = parse(s, text, copy, for_detach, err);
	free(copy);
	s->options.name = s->name;
	if (rc)
		pci_spec_free(s);
	return rc;
}

int pci_spec_parse(struct pci_spec *s, const char *text, const struct pci_defaults *defaults,
		   struct error *err)
{
	*s = (struct pci_spec){.options.vslot = -1};
	if (defaults) {
		s->options.permissive = defaults->permissive;
		s->options.power_mgmt = defaults->power_mgmt;
		s->options.msitranslate = defaults->msitranslate;
		s->seize = defaults->seize;
	}
	return parse_text(s, text, false, err);
}

int pci_spec_parse_which(struct pci_spec *s, const char *text, struct error *err)
{
	*s = (struct pci_spec){.options.vslot = -1};
	return parse_text(s, text, true, err);
}

void pci_spec_free(struct pci_spec *s)
{
	free(s->model_options);
	free(s->name);
	*s = (struct pci_spec){0};
}

bool pci_spec_shares_memory(const char *text)
{
	struct pci_spec s;
	struct error ignored;
	bool yes;

	if (pci_spec_parse(&s, text, NULL, &ignored))
		return false;
	yes = !strcmp(s.model->name, VFIO_USER);
	pci_spec_free(&s);
	return yes;
}
