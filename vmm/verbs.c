/*
 * The table of verbs, and what is common to them.
 */
#include <stdarg.h>
#include <string.h>

#include "vmm/suggest.h"
#include "vmm/verb.h"

const struct verb *const verbs[] = {
	&verb_run,
	&verb_create,
	&verb_test,
	&verb_list,
	&verb_console,
	&verb_shutdown,
	&verb_reboot,
	&verb_destroy,
	&verb_pause,
	&verb_unpause,
	&verb_sysrq,
	&verb_trigger,
	&verb_trace,
	&verb_inject,
	&verb_debug_keys,
	&verb_gdb,
	&verb_dump_core,
	&verb_inspect,
	&verb_watch,
	&verb_mem_set,
	&verb_vcpu_list,
	&verb_vcpu_set,
	&verb_vcpu_pin,
	&verb_block_attach,
	&verb_block_detach,
	&verb_block_list,
	&verb_cd_insert,
	&verb_cd_eject,
	&verb_network_attach,
	&verb_network_detach,
	&verb_network_list,
	&verb_pci_attach,
	&verb_pci_detach,
	&verb_pci_list,
	&verb_pci_assignable_list,
	&verb_domid,
	&verb_domname,
	&verb_rename,
	&verb_uptime,
	&verb_top,
	&verb_dmesg,
	&verb_info,
	&verb_help,
	&verb_version,
	NULL,
};

int bad_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("xenolith: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_BAD_USAGE;
}

/* Verbs that begin like this. */
static unsigned count_prefixed(const char *name, const struct verb **last)
{
	unsigned n = 0;

	for (const struct verb *const *v = verbs; *name && *v; v++)
		if (!strncmp((*v)->name, name, strlen(name))) {
			*last = *v;
			n++;
		}
	return n;
}

static void say_ambiguous(const char *name)
{
	char list[400] = "";

	for (const struct verb *const *v = verbs; *v; v++)
		if (!strncmp((*v)->name, name, strlen(name)))
			snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
				 *list ? ", " : "", (*v)->name);
	bad_usage("'%s' is the beginning of several verbs: %s", name, list);
}

/* As with xl the beginning of a name will do, when it is that of no other. */
const struct verb *verb_find(const char *name)
{
	struct suggestion s = {.word = name};
	const struct verb *prefixed = NULL;

	for (const struct verb *const *v = verbs; *v; v++) {
		if (!strcmp((*v)->name, name))
			return *v;
		suggestion_offer(&s, (*v)->name);
	}
	unsigned n = count_prefixed(name, &prefixed);
	if (n == 1)
		return prefixed;
	if (n)
		say_ambiguous(name);
	else if (s.nearest)
		bad_usage("there is no verb '%s'; did you mean '%s'?", name, s.nearest);
	else
		bad_usage("there is no verb '%s'; 'xenolith help' lists them", name);
	return NULL;
}

void usage_print(FILE *out)
{
	fputs("usage: xenolith VERB [OPTION]... [OPERAND]...\n\n", out);
	for (const struct verb *const *v = verbs; *v; v++)
		fprintf(out, "  %-16s%s\n", (*v)->name, (*v)->summary);
	fputs("\n'xenolith help VERB' tells all about one of them.\n", out);
}

void verb_usage_print(const struct verb *v, FILE *out)
{
	bool has_options = v->options->name;

	fprintf(out, "usage: xenolith %s%s%s%s\n\n%c%s.\n", v->name,
		has_options ? " [OPTION]..." : "", *v->operands ? " " : "", v->operands,
		v->summary[0] & ~0x20, v->summary + 1);
	if (v->more)
		fprintf(out, "\n%s", v->more);
	if (v->print_more) {
		fputc('\n', out);
		v->print_more(out);
	}
	fputs("\noptions:\n", out);
	options_print(v->options, out);
}

int verb_parse(const struct verb *v, int argc, char **argv, void *into, int max_operands,
	       int *status)
{
	struct error err;
	bool help;
	int n = options_parse(v->options, argc, argv, into, &help, &err);

	if (n < 0) {
		*status = bad_usage("%s", err.text);
		return -1;
	}
	if (help) {
		verb_usage_print(v, stdout);
		*status = EXIT_OK;
		return -1;
	}
	if (n > max_operands && max_operands != ANY_OPERANDS) {
		*status = bad_usage("'%s' is one operand too many for '%s'", argv[max_operands],
				    v->name);
		return -1;
	}
	return n;
}
