/*
 * Rules, and an injector's life.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "pvabi/grant_table.h"
#include "vmm/inject/inject_internal.h"

static void arm(struct injector *in)
{
	for (unsigned id = 0; id < NR_PROBES; id++) {
		bool wanted = false;

		for (unsigned i = 0; i < in->nr; i++)
			wanted |= !in->state[i].removed && in->state[i].rule.probe == id;
		if (wanted)
			atomic_fetch_or(&in->domain->probe_armed[id], PROBE_FAULTY);
		else
			atomic_fetch_and(&in->domain->probe_armed[id], (uint8_t)~PROBE_FAULTY);
	}
}

int injector_add(struct injector *in, const char *text, struct error *err)
{
	char *copy = strdup(text);
	struct inject_rule r;
	int rc = copy ? inject_rule_parse(&r, copy, err) : error_set(err, -ENOMEM, "out of memory");

	if (!rc) {
		pthread_mutex_lock(&in->lock);
		if (in->nr == INJECT_MAX_RULES) {
			inject_rule_free(&r);
			rc = error_set(err, -ENOSPC, "there are %d rules already",
				       INJECT_MAX_RULES);
		} else {
			rc = (int)in->nr++;
			in->state[rc] = (struct inject_state){
				.rule = r,
				.text = copy,
				.next_tick = r.after ? r.after
						     : clock_now(&in->guest->clock) + r.period};
			if (in->log)
				fprintf(in->log, "rule %d %s\n", rc, copy);
			arm(in);
			pthread_cond_signal(&in->changed);
		}
		pthread_mutex_unlock(&in->lock);
	}
	if (rc < 0)
		free(copy);
	return rc;
}

int injector_remove(struct injector *in, int rule)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&in->lock);
	for (int i = 0; i < (int)in->nr; i++)
		if (!in->state[i].removed && (rule == i || rule < 0)) {
			in->state[i].removed = true;
			rc = 0;
		}
	arm(in);
	pthread_mutex_unlock(&in->lock);
	return rc;
}

void injector_list(struct injector *in,
		   void (*fn)(void *arg, unsigned nr, const char *text, uint64_t hits,
			      uint64_t taken),
		   void *arg)
{
	pthread_mutex_lock(&in->lock);
	for (unsigned i = 0; i < in->nr; i++)
		if (!in->state[i].removed)
			fn(arg, i, in->state[i].text, in->state[i].hits, in->state[i].taken);
	pthread_mutex_unlock(&in->lock);
}

uint64_t injector_taken(struct injector *in, const char **path)
{
	uint64_t n = 0;

	pthread_mutex_lock(&in->lock);
	for (unsigned i = 0; i < in->nr; i++)
		n += in->state[i].taken;
	if (in->log)
		fflush(in->log);
	*path = in->path;
	pthread_mutex_unlock(&in->lock);
	return n;
}

uint64_t injector_seed(const struct injector *in)
{
	return in->seed;
}

static uint64_t random_seed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return inject_mix((uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec +
			  ((uint64_t)getpid() << 40)) %
	       1000000000;
}

static int add_rules(struct injector *in, const struct inject_options *o, struct error *err)
{
	int rc = 0;

	if (o->replay) {
		rc = inject_replay_load(&in->replay, o->replay, err);
		if (rc)
			return rc;
		in->replaying = true;
		in->seed = in->replay.seed;
		for (unsigned i = 0; rc >= 0 && i < in->replay.nr_rules; i++)
			rc = injector_add(in, in->replay.rule[i], err);
	}
	for (unsigned i = 0; rc >= 0 && i < o->nr_rules; i++)
		rc = injector_add(in, o->rule[i], err);
	return rc < 0 ? rc : 0;
}

struct injector *injector_create(struct guest *g, struct event_loop *l, struct xenstore *xs,
				 const struct inject_options *o, struct error *err)
{
	struct injector *in = calloc(1, sizeof(*in));
	pthread_condattr_t a;
	int rc = 0;

	if (!in) {
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	probes_init();
	in->guest = g;
	in->domain = g->domain;
	in->loop = l;
	in->xenstore = xs;
	in->host = (struct fault_host){.decide = inject_decide,
				       .event_later = inject_event_later,
				       .release_later = inject_release_later,
				       .wait = inject_wait};
	in->seed = o->has_seed ? o->seed : random_seed();
	snprintf(in->path, sizeof(in->path), o->log ? "%s" : "%s.faults",
		 o->log ? o->log : g->domain->name);
	pthread_mutex_init(&in->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&in->changed, &a);
	g->domain->fault_host = &in->host;
	in->press_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (in->press_fd < 0 || event_loop_add(l, in->press_fd, EPOLLIN, inject_on_press, in)) {
		error_set(err, -EMFILE, "no descriptor for the faults");
		injector_destroy(in);
		return NULL;
	}
	rc = add_rules(in, o, err);
	/* A log that was asked for is there also when nothing happened. */
	if (!rc && o->log) {
		inject_log_header(in);
		if (!in->log)
			rc = error_set(err, -errno, "cannot write %s: %s", o->log, strerror(errno));
	}
	if (!rc) {
		rc = -pthread_create(&in->thread, NULL, inject_thread, in);
		in->started = !rc;
		if (rc)
			error_set(err, rc, "no thread for the faults: %s", strerror(-rc));
		else
			pthread_setname_np(in->thread, "faults");
	}
	if (rc) {
		injector_destroy(in);
		return NULL;
	}
	return in;
}

void injector_destroy(struct injector *in)
{
	if (!in)
		return;
	if (in->started) {
		pthread_mutex_lock(&in->lock);
		in->quit = true;
		pthread_cond_signal(&in->changed);
		pthread_mutex_unlock(&in->lock);
		pthread_join(in->thread, NULL);
	}
	injector_remove(in, -1);
	if (in->press_fd >= 0) {
		event_loop_del(in->loop, in->press_fd);
		close(in->press_fd);
	}
	in->domain->fault_host = NULL;
	/* No backend may hold a grant when all are gone. */
	while (in->later) {
		struct inject_later *l = inject_take_first(in);

		if (l->is_grant)
			grant_backend_release(in->domain, l->number, l->readonly);
		free(l);
	}
	for (unsigned i = 0; i < in->nr; i++) {
		inject_rule_free(&in->state[i].rule);
		free(in->state[i].text);
	}
	if (in->log)
		fclose(in->log);
	inject_replay_free(&in->replay);
	free(in);
}
