/*
 * JUnit XML, as CI systems read it: one suite, a case a scenario.
 */
#include <errno.h>
#include <string.h>

#include "vmm/scenario/runner.h"

static void put_text(FILE *f, const char *text)
{
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '&')
			fputs("&amp;", f);
		else if (c == '<')
			fputs("&lt;", f);
		else if (c == '>')
			fputs("&gt;", f);
		else if (c == '"')
			fputs("&quot;", f);
		else if (c < ' ' && c != '\n' && c != '\t')
			fputc('?', f);
		else
			fputc(c, f);
	}
}

/* The end of the console, which is what one looks at first. */
static void put_console(FILE *f, const struct scenario_job *j)
{
	char path[4200], buf[4097];
	FILE *c;

	snprintf(path, sizeof(path), "%s/console.log", j->dir);
	c = fopen(path, "re");
	if (!c)
		return;
	fseek(c, 0, SEEK_END);
	long size = ftell(c);
	fseek(c, size > 4096 ? size - 4096 : 0, SEEK_SET);
	size_t n = fread(buf, 1, 4096, c);
	fclose(c);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] > 0x7e || !buf[i])
			buf[i] = '?';
	buf[n] = 0;
	fputs("      <system-out>", f);
	put_text(f, buf);
	fputs("</system-out>\n", f);
}

static void put_case(FILE *f, const struct scenario_job *j)
{
	const struct scenario_result *r = j->result;

	fputs("    <testcase classname=\"xenolith\" name=\"", f);
	put_text(f, j->name);
	fprintf(f, "\" time=\"%.3f\">\n", (double)r->ns / 1e9);
	if (r->verdict == SKIPPED || (r->verdict != PASSED && j->xfail)) {
		fputs("      <skipped message=\"", f);
		if (r->verdict != SKIPPED)
			fputs("expected to fail: ", f);
		put_text(f, r->verdict == SKIPPED ? r->text : j->xfail);
		fputs("\"/>\n", f);
	} else if (r->verdict != PASSED) {
		fputs("      <failure message=\"", f);
		put_text(f, r->text);
		fputs("\">", f);
		put_text(f, j->s->path);
		fprintf(f, ":%u; kept in ", r->line);
		put_text(f, j->dir);
		fputs("</failure>\n", f);
		put_console(f, j);
	}
	fputs("    </testcase>\n", f);
}

int junit_write(const char *path, const struct runner *r)
{
	FILE *f = fopen(path, "we");
	unsigned failed = 0, skipped = 0;
	uint64_t ns = 0;

	if (!f)
		return -errno;
	for (unsigned i = 0; i < r->nr; i++) {
		const struct scenario_job *j = &r->job[i];

		failed += job_failed(j);
		skipped +=
			j->result->verdict == SKIPPED || (j->xfail && j->result->verdict != PASSED);
		ns += j->result->ns;
	}
	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
	fprintf(f,
		"  <testsuite name=\"xenolith\" tests=\"%u\" failures=\"%u\" errors=\"0\" "
		"skipped=\"%u\" time=\"%.3f\">\n",
		r->nr, failed, skipped, (double)ns / 1e9);
	for (unsigned i = 0; i < r->nr; i++)
		put_case(f, &r->job[i]);
	fputs("  </testsuite>\n</testsuites>\n", f);
	bool bad = ferror(f);
	return fclose(f) || bad ? -EIO : 0;
}
