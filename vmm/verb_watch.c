/*
 * `xenolith watch`: prints the reports of a running domain's watchdog.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/inspect/watch.h"
#include "vmm/verb_domain.h"

struct watch_options {
	unsigned long long seconds, stop_after;
	bool json;
};

static int parse_seconds(void *into, const char *value, struct error *err)
{
	return option_number("seconds", "a number", value, 1, WATCH_SECONDS_MAX,
			     &((struct watch_options *)into)->seconds, err);
}

static int parse_for(void *into, const char *value, struct error *err)
{
	return option_number("for", "seconds", value, 1, 1000000000,
			     &((struct watch_options *)into)->stop_after, err);
}

static int parse_watch_json(void *into, const char *value, struct error *err)
{
	((struct watch_options *)into)->json = true;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void print_report(const struct watch_options *o, const json_t *r)
{
	time_t when = json_object_get(r, "time") ? (time_t)info_int(r, "time") : time(NULL);
	struct tm tm;
	char at[16];

	if (o->json) {
		json_dumpf(r, stdout, JSON_COMPACT);
	} else {
		strftime(at, sizeof(at), "%T", localtime_r(&when, &tm));
		printf("%s %s: %s", at, info_text(r, "device"), info_text(r, "text"));
	}
	putchar('\n');
	fflush(stdout);
}

/* An answer's reports. True: there were any of trouble. */
static bool print_reports(const struct watch_options *o, const json_t *all)
{
	bool trouble = false;
	json_t *r;
	size_t i;

	json_array_foreach((json_t *)all, i, r)
	{
		print_report(o, r);
		trouble |= !info_bool(r, "over");
	}
	return trouble;
}

/* Is there something to read before `end`? */
static bool wait_until(const struct link *l, int64_t end)
{
	for (;;) {
		int64_t left = end < 0 ? -1 : end - now_ms();
		struct pollfd p = {.fd = l->fd, .events = POLLIN};

		if (memchr(l->in ? l->in : "", '\n', l->used))
			return true;
		if (end >= 0 && left <= 0)
			return false;
		if (poll(&p, 1, left > 1000000 ? 1000000 : (int)left) > 0)
			return true;
	}
}

/* An exit status. */
static int watch(const struct watch_options *o, struct link *l)
{
	int64_t end = o->stop_after ? now_ms() + (int64_t)o->stop_after * 1000 : -1;
	bool trouble = false;
	struct error err;
	int rc;
	json_t *ok = link_ask(l, "watch", json_pack("{s:I}", "seconds", (json_int_t)o->seconds),
			      ANSWER_MS, NULL, &rc, &err);

	if (!ok)
		return verb_failed(rc, &err);
	if (info_int(ok, "seconds") != (json_int_t)o->seconds)
		fprintf(stderr, "xenolith: the watchdog of domain '%s' runs already, with %lld s\n",
			l->name, (long long)info_int(ok, "seconds"));
	trouble |= print_reports(o, json_object_get(ok, "troubles"));
	for (;;) {
		json_int_t last = info_int(ok, "last");

		json_decref(ok);
		rc = link_send(l, "watch", json_pack("{s:I}", "after", last), &err);
		if (rc)
			return verb_failed(rc, &err);
		if (!wait_until(l, end))
			break;
		ok = link_answer(l, ANSWER_MS, NULL, &rc, &err);
		if (!ok)
			return rc == -EPIPE ? trouble ? EXIT_TROUBLE : EXIT_OK
					    : verb_failed(rc, &err);
		if (*info_text(ok, "ended")) {
			fprintf(stderr, "xenolith: domain '%s' has ended: %s\n", l->name,
				info_text(ok, "ended"));
			json_decref(ok);
			break;
		}
		trouble |= print_reports(o, json_object_get(ok, "reports"));
	}
	return trouble ? EXIT_TROUBLE : EXIT_OK;
}

static int run_watch(const struct verb *v, int argc, char **argv)
{
	struct watch_options o = {.seconds = WATCH_SECONDS};
	int status, n = verb_parse_operands(v, argc, argv, &o, 1, 1, &status);
	struct error err;
	struct link l;

	if (n < 0)
		return status;
	int rc = link_find(&l, argv[0], &err);
	if (rc)
		return verb_failed(rc, &err);
	if (isatty(STDOUT_FILENO))
		fprintf(stderr, "xenolith: watching domain '%s'; Ctrl-C ends it\n", l.name);
	status = watch(&o, &l);
	link_close(&l);
	return status;
}

static const struct option watch_options[] = {
	{.name = "seconds",
	 .letter = 's',
	 .arg = "N",
	 .help = "how long something must stand still, 1 to 3600 (default 10)",
	 .parse = parse_seconds},
	{.name = "for",
	 .arg = "SECONDS",
	 .help = "end after so long (default: with the domain)",
	 .parse = parse_for},
	{.name = "json", .help = "a line of JSON for each report", .parse = parse_watch_json},
	{.name = NULL},
};

const struct verb verb_watch = {
	.name = "watch",
	.operands = "DOMAIN",
	.summary = "report what stands still in a running domain, and who waits for whom",
	.more = "It tells of rings whose requests are not taken, not answered, or whose responses\n"
		"the guest does not take; of events that are lost; of xenstore states that\n"
		"stopped half-way; of grants that nobody gives back. Each is told once when it\n"
		"begins, and once when it is over. The exit status is 4 when there was any.\n",
	.options = watch_options,
	.run = run_watch,
};
