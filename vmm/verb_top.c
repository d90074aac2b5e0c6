/*
 * `xenolith top`: the user's domains, refreshed. Only escape sequences that every
 * terminal knows (ECMA-48: home, erase) are used.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vmm/top_table.h"
#include "vmm/verb_domain.h"

#define DELAY_DEF_MS 3000 /* as xentop's */

struct top_options {
	bool batch;
	unsigned long rounds; /* 0: for ever */
	int delay_ms;
};

static int parse_batch(void *into, const char *value, struct error *err)
{
	((struct top_options *)into)->batch = true;
	return 0;
}

static int parse_rounds(void *into, const char *value, struct error *err)
{
	unsigned long long n;
	int rc = option_number("iterations", "a number", value, 1, 1000000000, &n, err);

	if (!rc)
		((struct top_options *)into)->rounds = (unsigned long)n;
	return rc;
}

static int parse_delay(void *into, const char *value, struct error *err)
{
	char *end;
	double s = strtod(value, &end);

	if (end == value || *end || !(s >= 0.1 && s <= 86400))
		return error_set(err, -EINVAL,
				 "option --delay takes seconds from 0.1 to 86400, not '%s'", value);
	((struct top_options *)into)->delay_ms = (int)(s * 1000);
	return 0;
}

/* ---- a terminal ---- */

struct screen {
	struct termios saved;
	bool raw; /* keys come one by one */
	int signals;
	unsigned rows, columns;
};

static void screen_open(struct screen *s)
{
	struct termios t;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &s->saved))
		return;
	t = s->saved;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	s->raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
}

static void screen_close(struct screen *s)
{
	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
}

static void screen_size(struct screen *s)
{
	struct winsize w;

	s->rows = 24;
	s->columns = 80;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_row && w.ws_col) {
		s->rows = w.ws_row;
		s->columns = w.ws_col;
	}
}

/* Waits for the next round. False: the user leaves. */
static bool screen_wait(struct screen *s, int ms)
{
	struct pollfd p[] = {
		{.fd = s->signals, .events = POLLIN},
		{.fd = s->raw ? STDIN_FILENO : -1, .events = POLLIN},
	};
	struct signalfd_siginfo si;
	char key;

	if (poll(p, 2, ms) <= 0)
		return true;
	if (p[0].revents)
		return read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si) &&
		       si.ssi_signo == SIGWINCH;
	/* Any other key refreshes at once. */
	return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && key != 3;
}

/* ---- rounds ---- */

static const json_t *before(const struct link_list *last, const json_t *info)
{
	for (unsigned i = 0; i < last->nr; i++)
		if (info_int(last->link[i].info, "domid") == info_int(info, "domid") &&
		    !strcmp(info_text(last->link[i].info, "uuid"), info_text(info, "uuid")))
			return last->link[i].info;
	return NULL;
}

static void print_batch(const struct link_list *l, const struct link_list *last)
{
	top_head(stdout, TOP_XENTOP, 0);
	for (unsigned i = 0; i < l->nr; i++)
		top_row(stdout, TOP_XENTOP, 0, l->link[i].info, before(last, l->link[i].info));
}

static void print_live(struct screen *s, const struct link_list *l, const struct link_list *last)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	screen_size(s);
	top_summary(f, s->columns, l, time(NULL));
	fputc('\n', f);
	top_head(f, TOP_LIVE, s->columns);
	/* The last line stays free: what is behind it would scroll. */
	for (unsigned i = 0; i < l->nr && i + 6 < s->rows; i++)
		top_row(f, TOP_LIVE, s->columns, l->link[i].info, before(last, l->link[i].info));
	fputs(l->nr ? "q leaves" : "no domain runs; q leaves", f);
	fclose(f);
	/* Line by line, so that nothing flickers. */
	fputs("\033[H", stdout);
	for (char *line = text, *end; line && *line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		printf("%.*s\033[K%s", end ? (int)(end - line) : (int)strlen(line), line,
		       end ? "\n" : "");
	}
	fputs("\033[J", stdout);
	fflush(stdout);
	free(text);
}

static int rounds(const struct top_options *o, struct screen *s)
{
	struct link_list last = {0}, l;
	struct error err;
	int rc = 0;

	for (unsigned long i = 0; !o->rounds || i < o->rounds; i++) {
		if (i && !screen_wait(s, o->delay_ms))
			break;
		rc = link_list_open(&l, &err);
		if (rc)
			break;
		if (o->batch)
			print_batch(&l, &last);
		else
			print_live(s, &l, &last);
		if (fflush(stdout))
			break; /* nobody reads; main() says so */
		link_list_close(&last);
		last = l;
		/* Only what they said is wanted, not the connections. */
		for (unsigned j = 0; j < last.nr; j++) {
			close(last.link[j].fd);
			last.link[j].fd = -1;
		}
	}
	link_list_close(&last);
	return rc ? verb_failed(rc, &err) : EXIT_OK;
}

static int run(const struct verb *v, int argc, char **argv)
{
	struct top_options o = {.delay_ms = DELAY_DEF_MS};
	struct screen s = {0};
	const char *term = getenv("TERM");
	int status, n = verb_parse(v, argc, argv, &o, 0, &status);

	if (n < 0)
		return status;
	if (!isatty(STDOUT_FILENO) || !term || !strcmp(term, "dumb"))
		o.batch = true;
	screen_open(&s);
	if (!o.batch)
		fputs("\033[H\033[2J", stdout);
	status = rounds(&o, &s);
	screen_close(&s);
	if (!o.batch)
		putchar('\n');
	return status;
}

static const struct option options[] = {
	{.name = "batch",
	 .letter = 'b',
	 .help = "table after table, for scripts and for what is no terminal",
	 .parse = parse_batch},
	{.name = "iterations",
	 .letter = 'i',
	 .arg = "N",
	 .help = "end after N tables",
	 .parse = parse_rounds},
	{.name = "delay",
	 .letter = 'd',
	 .arg = "SECONDS",
	 .help = "between two tables (default 3)",
	 .parse = parse_delay},
	{.name = NULL},
};

const struct verb verb_top = {
	.name = "top",
	.operands = "",
	.summary = "show what your domains are doing, live",
	.more = "q leaves. The columns are xentop's; EXITS/s counts how often the domain's vcpus\n"
		"left the guest.\n",
	.options = options,
	.run = run,
};
