/*
 * A core dump of a domain that runs: written in a thread, while the domain is paused and
 * everything else of it is served.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "vmm/dump/core_dump.h"

/* How long a vcpu may be busy in a hypercall. */
#define REST_NS	  10000000000ull
#define REST_STEP 1000000

struct core_job {
	struct guest *guest;
	struct event_loop *loop;
	struct core_dump dump;
	pthread_t thread;
	int event_fd; /* written when one of these is set */
	_Atomic bool looked, finished;
	bool paused; /* by us */
	bool live;
	bool running;
	int rc;
	struct error err;
};

/* ---- in the job's thread ---- */

static bool at_rest(const struct guest *g)
{
	for (unsigned i = 0; i < g->domain->nr_vcpus; i++)
		if (g->cpu[i] && !atomic_load(&g->cpu[i]->at_rest))
			return atomic_load(&g->ended);
	return true;
}

static bool wait_at_rest(struct core_job *j)
{
	const struct timespec t = {.tv_nsec = REST_STEP};

	for (uint64_t waited = 0; !at_rest(j->guest); waited += REST_STEP) {
		if (waited >= REST_NS || atomic_load(&j->dump.cancelled))
			return false;
		nanosleep(&t, NULL);
	}
	return true;
}

static void *write_it(void *arg)
{
	struct core_job *j = arg;

	if (!wait_at_rest(j))
		j->rc = error_set(&j->err, -EAGAIN, "no core dump: its vcpus did not come to rest");
	else
		j->rc = core_dump_prepare(&j->dump, j->guest, j->dump.path, &j->err);
	atomic_store(&j->looked, true);
	eventfd_write(j->event_fd, 1);
	if (!j->rc)
		j->rc = core_dump_write(&j->dump, &j->err);
	atomic_store(&j->finished, true);
	eventfd_write(j->event_fd, 1);
	return NULL;
}

/* ---- in the loop's ---- */

static void unpause(struct core_job *j)
{
	if (j->paused)
		domain_unpause(j->guest->domain);
	j->paused = false;
}

static void finish(struct core_job *j)
{
	pthread_join(j->thread, NULL);
	event_loop_del(j->loop, j->event_fd);
	close(j->event_fd);
	j->running = false;
	unpause(j);
	core_dump_free(&j->dump);
	if (j->rc)
		domain_log(j->guest->domain, LOG_WARN, "%s", j->err.text);
}

static void on_event(void *arg, uint32_t events)
{
	struct core_job *j = arg;
	eventfd_t n;

	eventfd_read(j->event_fd, &n);
	if (j->live && atomic_load(&j->looked))
		unpause(j);
	if (atomic_load(&j->finished))
		finish(j);
}

static int start(struct core_job *j, struct error *err)
{
	int rc;

	/* What has ended, or is preserved, is at rest for ever. */
	if (!atomic_load(&j->guest->ended)) {
		if (domain_pause(j->guest->domain))
			return error_set(err, -EOVERFLOW, "it is paused too often already");
		j->paused = true;
	}
	j->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (j->event_fd < 0)
		return error_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
	rc = event_loop_add(j->loop, j->event_fd, EPOLLIN, on_event, j);
	if (!rc) {
		rc = -pthread_create(&j->thread, NULL, write_it, j);
		if (rc)
			event_loop_del(j->loop, j->event_fd);
	}
	if (rc) {
		close(j->event_fd);
		return error_set(err, rc, "cannot start a thread: %s", strerror(-rc));
	}
	j->running = true;
	return 0;
}

int core_job_start(struct guest *g, struct event_loop *l, const char *path, bool live,
		   struct error *err)
{
	struct core_job *j = g->core_job;

	if (j && j->running)
		return error_set(err, -EBUSY, "a core dump of it is being written");
	if (!j)
		j = g->core_job = calloc(1, sizeof(*j));
	if (!j)
		return error_set(err, -ENOMEM, "out of memory");
	*j = (struct core_job){.guest = g, .loop = l, .live = live};
	int rc = 0;
	if ((size_t)snprintf(j->dump.path, sizeof(j->dump.path), "%s", path) >=
	    sizeof(j->dump.path))
		rc = error_set(err, -ENAMETOOLONG, "%.100s...: too long", path);
	if (!rc)
		rc = start(j, err);
	if (rc) {
		unpause(j);
		j->rc = rc;
		j->err = *err;
	}
	return rc;
}

bool core_job_look(const struct guest *g, struct core_job_state *s)
{
	const struct core_job *j = g->core_job;

	if (!j)
		return false;
	*s = (struct core_job_state){
		.running = j->running,
		.done = atomic_load(&((struct core_job *)j)->dump.done),
		.pages = atomic_load(&((struct core_job *)j)->dump.total),
		.rc = j->running ? 0 : j->rc,
	};
	if (s->rc)
		s->err = j->err;
	return true;
}

void core_job_end(struct guest *g)
{
	struct core_job *j = g->core_job;

	if (!j)
		return;
	if (j->running) {
		atomic_store(&j->dump.cancelled, true);
		finish(j);
	}
	free(j);
	g->core_job = NULL;
}
