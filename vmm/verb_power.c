/*
 * Verbs that stop domains and let them go on: shutdown, reboot, destroy, pause, unpause.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/verb_domain.h"

struct power_options {
	bool all, wait, force;
};

static int parse_all(void *into, const char *value, struct error *err)
{
	((struct power_options *)into)->all = true;
	return 0;
}

static int parse_wait(void *into, const char *value, struct error *err)
{
	((struct power_options *)into)->wait = true;
	return 0;
}

static int parse_force(void *into, const char *value, struct error *err)
{
	((struct power_options *)into)->force = true;
	return 0;
}

/* ---- shutdown, reboot ---- */

/* Also until its folder is gone and its name is free. */
static void wait_until_gone(struct link *l)
{
	struct error err;
	int rc = 0;

	while (!rc)
		json_decref(link_answer(l, ANSWER_MS, NULL, &rc, &err));
}

static int wait_for_end(struct link *l, const char *to)
{
	struct error err;
	char what[160];
	int rc, status = EXIT_OK;

	snprintf(what, sizeof(what), "domain '%s' to %s (^C ends the waiting)", l->name, to);
	json_t *ok = link_ask(l, "wait", NULL, -1, what, &rc, &err);
	/* It may have ended before it was asked. */
	if (!ok && rc != -EPIPE)
		return verb_failed(rc, &err);
	const char *how = info_text(ok, "ended");
	if (!strcmp(how, "crash") || !strcmp(how, "watchdog") || !strcmp(how, "host_failed")) {
		fprintf(stderr, "xenolith: domain '%s' did not %s; it ended with: %s\n", l->name,
			to, how);
		status = EXIT_HOST_FAILED;
	}
	json_decref(ok);
	if (!rc)
		wait_until_gone(l);
	return status;
}

static int order(struct link *l, const char *word)
{
	struct error err;
	int rc;
	json_t *ok = link_ask(l, "shutdown", json_pack("{s:s}", "order", word), ANSWER_MS, NULL,
			      &rc, &err);

	if (!ok)
		return verb_failed(rc, &err);
	if (info_bool(ok, "paused"))
		fprintf(stderr,
			"xenolith: domain '%s' is paused and will see that when it is "
			"unpaused\n",
			l->name);
	json_decref(ok);
	return EXIT_OK;
}

static int shut_down(const struct verb *v, int argc, char **argv, const char *word, const char *to)
{
	struct power_options o = {0};
	struct link_list l;
	int status, n = verb_parse(v, argc, argv, &o, 1, &status);

	if (n < 0)
		return status;
	if (n == o.all)
		return bad_usage(o.all ? "'%s' takes -a or a domain, not both"
				       : "'%s' needs a domain, or -a for all of them",
				 v->name);
	status = verb_domains(n, argv, &l);
	if (status)
		return status;
	/* All of them are told before the first is waited for. */
	for (unsigned i = 0; i < l.nr; i++) {
		int s = order(&l.link[i], word);
		if (s)
			link_close(&l.link[i]);
		status = s ? s : status;
	}
	for (unsigned i = 0; i < l.nr && o.wait; i++) {
		int s = l.link[i].fd >= 0 ? wait_for_end(&l.link[i], to) : EXIT_OK;
		status = s ? s : status;
	}
	link_list_close(&l);
	return status;
}

static int run_shutdown(const struct verb *v, int argc, char **argv)
{
	return shut_down(v, argc, argv, "poweroff", "shut down");
}

static int run_reboot(const struct verb *v, int argc, char **argv)
{
	return shut_down(v, argc, argv, "reboot", "reboot");
}

static const struct option shutdown_options[] = {
	{.name = "all", .letter = 'a', .help = "all of your domains", .parse = parse_all},
	{.name = "wait", .letter = 'w', .help = "wait until they have ended", .parse = parse_wait},
	{.name = "fallback",
	 .letter = 'F',
	 .help = "for xl's scripts: PV guests have nothing to fall back to",
	 .parse = parse_force},
	{.name = NULL},
};

const struct verb verb_shutdown = {
	.name = "shutdown",
	.operands = "-a|DOMAIN",
	.summary = "ask a domain's kernel to shut down",
	.options = shutdown_options,
	.run = run_shutdown,
};

const struct verb verb_reboot = {
	.name = "reboot",
	.operands = "-a|DOMAIN",
	.summary = "ask a domain's kernel to reboot",
	.more = "The domain ends, and starts again if its configuration says so.\n",
	.options = shutdown_options,
	.run = run_reboot,
};

/* ---- destroy ---- */

/* A process that is stopped, or that hangs: nothing else is left to do. */
static int kill_process(const struct link *l, const struct error *err)
{
	if (!l->pid || kill(l->pid, SIGKILL))
		return verb_failed(-ETIMEDOUT, err);
	fprintf(stderr, "xenolith: %s\nxenolith: it was killed\n", err->text);
	return EXIT_OK;
}

static int run_destroy(const struct verb *v, int argc, char **argv)
{
	struct power_options o = {0};
	struct error err;
	struct link l;
	int status, n = verb_parse_operands(v, argc, argv, &o, 1, 1, &status);

	if (n < 0)
		return status;
	int rc = link_find(&l, argv[0], &err);
	if (!rc)
		json_decref(link_ask(&l, "destroy", NULL, ANSWER_MS, NULL, &rc, &err));
	if (!rc)
		wait_until_gone(&l);
	if (rc == -EPIPE)
		rc = 0; /* it ended by itself */
	status = !rc			       ? EXIT_OK
		 : rc == -ETIMEDOUT && o.force ? kill_process(&l, &err)
					       : verb_failed(rc, &err);
	if (rc == -ETIMEDOUT && !o.force)
		fprintf(stderr, "xenolith: 'xenolith destroy -f' kills its process\n");
	link_close(&l);
	return status;
}

static const struct option destroy_options[] = {
	{.name = "force",
	 .letter = 'f',
	 .help = "kill its process when that does not answer",
	 .parse = parse_force},
	{.name = NULL},
};

const struct verb verb_destroy = {
	.name = "destroy",
	.operands = "DOMAIN",
	.summary = "end a domain at once, without asking its kernel",
	.options = destroy_options,
	.run = run_destroy,
};

/* ---- pause, unpause ---- */

static int run_pause(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 1, 1, &status);

	return n < 0 ? status : verb_ask(argv[0], "pause", NULL, NULL);
}

static int run_unpause(const struct verb *v, int argc, char **argv)
{
	json_t *ok;
	int status, n = verb_parse_operands(v, argc, argv, NULL, 1, 1, &status);

	if (n < 0)
		return status;
	status = verb_ask(argv[0], "unpause", NULL, &ok);
	if (status)
		return status;
	long long left = info_int(ok, "count");
	if (left)
		fprintf(stderr,
			"xenolith: domain '%s' stays paused: it was paused %lld time%s "
			"more\n",
			argv[0], left, left > 1 ? "s" : "");
	json_decref(ok);
	return EXIT_OK;
}

const struct verb verb_pause = {
	.name = "pause",
	.operands = "DOMAIN",
	.summary = "stop a domain's vcpus",
	.more = "Time goes on for the guest. Pauses count, as Xen's do.\n",
	.options = no_options,
	.run = run_pause,
};

const struct verb verb_unpause = {
	.name = "unpause",
	.operands = "DOMAIN",
	.summary = "let a paused domain go on",
	.options = no_options,
	.run = run_unpause,
};
