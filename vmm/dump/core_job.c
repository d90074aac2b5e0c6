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
#define REST_TRIES 20000
#define REST_NS	   100000

struct core_job {
	struct guest *guest;
	struct event_loop *loop;
	struct core_dump dump;
	pthread_t thread;
	int done_fd;
	bool paused; /* by us */
	bool running;
	int rc;
	struct error err;
};

static bool wait_at_rest(const struct guest *g)
{
	const struct timespec t = {.tv_nsec = REST_NS};

	for (unsigned i = 0, tries = 0; i < g->domain->nr_vcpus;) {
		if (!g->cpu[i] || atomic_load(&g->cpu[i]->at_rest)) {
			i++;
			continue;
		}
		if (tries++ == REST_TRIES)
			return false;
		nanosleep(&t, NULL);
	}
	return true;
}

static void *write_it(void *arg)
{
	struct core_job *j = arg;

	j->rc = core_dump_write(&j->dump, &j->err);
	eventfd_write(j->done_fd, 1);
	return NULL;
}

static void unpause(struct core_job *j)
{
	if (j->paused)
		domain_unpause(j->guest->domain);
	j->paused = false;
}

static void on_done(void *arg, uint32_t events)
{
	struct core_job *j = arg;

	pthread_join(j->thread, NULL);
	event_loop_del(j->loop, j->done_fd);
	close(j->done_fd);
	j->running = false;
	unpause(j);
	core_dump_free(&j->dump);
	if (j->rc)
		domain_log(j->guest->domain, LOG_WARN, "%s", j->err.text);
}

static int pause_it(struct core_job *j, struct error *err)
{
	struct guest *g = j->guest;

	/* What has ended, or is preserved, is at rest for ever. */
	if (atomic_load(&g->ended))
		return 0;
	if (domain_pause(g->domain))
		return error_set(err, -EOVERFLOW, "it is paused too often already");
	j->paused = true;
	if (!wait_at_rest(g) && !atomic_load(&g->ended))
		return error_set(err, -EAGAIN, "its vcpus did not come to rest");
	return 0;
}

static int start(struct core_job *j, const char *path, bool live, struct error *err)
{
	int rc = pause_it(j, err);

	if (!rc)
		rc = core_dump_prepare(&j->dump, j->guest, path, err);
	if (live)
		unpause(j);
	if (rc)
		return rc;
	j->done_fd = eventfd(0, EFD_CLOEXEC);
	if (j->done_fd < 0)
		return error_set(err, -errno, "cannot make an eventfd: %s", strerror(errno));
	rc = event_loop_add(j->loop, j->done_fd, EPOLLIN, on_done, j);
	if (!rc) {
		rc = -pthread_create(&j->thread, NULL, write_it, j);
		if (rc)
			event_loop_del(j->loop, j->done_fd);
	}
	if (rc) {
		close(j->done_fd);
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
	*j = (struct core_job){.guest = g, .loop = l};
	int rc = start(j, path, live, err);
	if (rc) {
		unpause(j);
		core_dump_free(&j->dump);
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
		.pages = j->dump.nr_pages,
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
		on_done(j, 0);
	}
	free(j);
	g->core_job = NULL;
}
