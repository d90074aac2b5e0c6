/*
 * TAP version 14 (testanything.org): a line a scenario, and a block of YAML for what failed.
 */
#include <string.h>

#include "vmm/scenario/runner.h"

void tap_begin(FILE *f, unsigned nr)
{
	fprintf(f, "TAP version 14\n1..%u\n", nr);
}

/* '#' begins a directive. */
static void put_description(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '#' || *text == '\\')
			fputc('\\', f);
		fputc(*text, f);
	}
}

/* A string in double quotes. */
static void put_yaml(FILE *f, const char *key, const char *value)
{
	fprintf(f, "  %s: \"", key);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', f);
		if ((unsigned char)*p >= ' ' && *p != 0x7f)
			fputc(*p, f);
		else
			fprintf(f, "\\x%02x", (unsigned char)*p);
	}
	fputs("\"\n", f);
}

void tap_job(FILE *f, unsigned number, const struct scenario_job *j)
{
	const struct scenario_result *r = j->result;
	bool ok = r->verdict == PASSED || r->verdict == SKIPPED;

	fprintf(f, "%sok %u - ", ok ? "" : "not ", number);
	put_description(f, j->name);
	fputs(": ", f);
	put_description(f, j->s->title);
	if (r->verdict == SKIPPED)
		fprintf(f, " # SKIP %s", r->text);
	else if (j->xfail)
		fprintf(f, " # TODO %s", j->xfail);
	fputc('\n', f);
	fputs("  ---\n", f);
	fprintf(f, "  seconds: %.1f\n", (double)r->ns / 1e9);
	if (!ok) {
		char at[4200];

		put_yaml(f, "message", r->text);
		snprintf(at, sizeof(at), "%s:%u", j->s->path, r->line);
		put_yaml(f, "at", r->line ? at : j->s->path);
		put_yaml(f, "kept", j->dir);
	}
	fputs("  ...\n", f);
	fflush(f);
}
