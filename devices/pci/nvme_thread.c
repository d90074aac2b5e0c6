/*
 * NVMe: the controller's thread, and its states: enabled, reset, shut down (1.4, 3.1.5, 7.3, 7.6).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/pci/nvme.h"
#include "pvabi/pvabi.h"

#define IMAGE_DEPTH 256
#define CSTS_RDY    (1u << NVME_CSTS_RDY_SHIFT)
#define CSTS_CFS    (1u << NVME_CSTS_CFS_SHIFT)
#define CSTS_SHST   (3u << NVME_CSTS_SHST_SHIFT)

static void set_status(struct nvme *n, uint32_t clear, uint32_t set)
{
	pthread_mutex_lock(&n->lock);
	n->csts = (n->csts & ~clear) | set;
	pthread_mutex_unlock(&n->lock);
}

void nvme_die(struct nvme *n, const char *why)
{
	if (n->dead)
		return;
	domain_log(n->d.host->domain, LOG_WARN, "%s: fatal for the controller: %s", n->d.name, why);
	n->dead = true;
	set_status(n, 0, CSTS_CFS);
}

/* ---- the image's queue ---- */

static int open_queue(struct nvme *n)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = -1};

	n->image_queue = image_queue_create(&n->image, IMAGE_DEPTH);
	if (!n->image_queue)
		return errno ? -errno : -ENOMEM;
	if (!epoll_ctl(n->epoll_fd, EPOLL_CTL_ADD, n->image_queue->fd, &e))
		return 0;
	int rc = -errno;
	image_queue_destroy(n->image_queue);
	n->image_queue = NULL;
	return rc;
}

void nvme_submit(struct nvme_request *r)
{
	struct image_queue *q = r->n->image_queue;

	q->ops->submit(q, &r->io);
}

/* ---- states ---- */

static bool enable(struct nvme *n, uint32_t cc)
{
	uint32_t aqa;
	uint64_t asq, acq;

	pthread_mutex_lock(&n->lock);
	aqa = n->aqa;
	asq = n->asq;
	acq = n->acq;
	pthread_mutex_unlock(&n->lock);
	/* The queues below belong to an enabled controller. */
	n->enabled = true;
	n->shutting_down = false;
	if (NVME_CC_CSS(cc) || NVME_CC_MPS(cc) || NVME_CC_AMS(cc))
		nvme_die(n, "it was enabled with a command set, page size or arbitration that it "
			    "does not have");
	else if (nvme_cq_create(n, 0, acq, NVME_AQA_ACQS(aqa) + 1, 0, true) ||
		 nvme_sq_create(n, 0, asq, NVME_AQA_ASQS(aqa) + 1, 0))
		nvme_die(n,
			 "it was enabled with admin queues that are not in the guest's memory, or "
			 "too small");
	else
		set_status(n, 0, CSTS_RDY);
	return true;
}

/* Nothing is in flight. */
static void forget_all(struct nvme *n)
{
	for (unsigned i = 0; i < NVME_MAX_QUEUES; i++)
		nvme_sq_delete(n, &n->sq[i]);
	for (unsigned i = 0; i < NVME_MAX_QUEUES; i++)
		nvme_cq_delete(n, &n->cq[i]);
	n->has_shadows = false;
	n->nr_aer = 0;
	memset(n->event, 0, sizeof(n->event));
	n->namespace_changed = false;
	n->dead = n->shutting_down = false;
	nvme_features_reset(n);
}

/* True: it is disabled. */
static bool disable(struct nvme *n, bool hurry)
{
	struct image_queue *q = n->image_queue;

	n->enabled = false;
	if (n->in_flight) {
		if (hurry && q->ops->hurry)
			q->ops->hurry(q);
		return false;
	}
	forget_all(n);
	if (hurry && q->ops->hurry) { /* its server may be past saving */
		if (open_queue(n)) {
			n->image_queue = q;
			nvme_die(n, "its image cannot be reached any more");
		} else {
			image_queue_destroy(q);
		}
	}
	pthread_mutex_lock(&n->lock);
	n->csts &= n->dead ? CSTS_CFS : 0;
	n->disable = n->hurry = false;
	n->shutdown = 0;
	pthread_cond_broadcast(&n->reset_done);
	pthread_mutex_unlock(&n->lock);
	return true;
}

static void shutdown_flushed(struct image_io *io, int rc)
{
	struct nvme_request *r = (struct nvme_request *)io;
	struct nvme *n = r->n;

	n->in_flight--;
	free(r);
	set_status(n, CSTS_SHST, NVME_CSTS_SHST_CMPLT << NVME_CSTS_SHST_SHIFT);
}

/* What is in flight ends, what the image caches goes to its disk (7.6.2). */
static bool shut_down(struct nvme *n)
{
	n->shutting_down = true;
	if (n->in_flight)
		return false;
	pthread_mutex_lock(&n->lock);
	n->shutdown = 0;
	pthread_mutex_unlock(&n->lock);
	struct nvme_request *r = calloc(1, sizeof(*r));
	if (!r || !n->image.can_flush) {
		free(r);
		set_status(n, CSTS_SHST, NVME_CSTS_SHST_CMPLT << NVME_CSTS_SHST_SHIFT);
		return true;
	}
	r->n = n;
	r->io.op = IMAGE_FLUSH;
	r->io.done = shutdown_flushed;
	n->in_flight++;
	nvme_submit(r);
	return true;
}

/* What the registers ask for. True: something was done. */
static bool control(struct nvme *n)
{
	n->touched = false;
	atomic_thread_fence(memory_order_seq_cst);
	pthread_mutex_lock(&n->lock);
	bool off = n->disable, hurry = n->hurry;
	unsigned shutdown = n->shutdown;
	uint32_t cc = n->cc;
	pthread_mutex_unlock(&n->lock);

	if (off)
		return disable(n, hurry);
	if (shutdown)
		return shut_down(n);
	if (cc & 1 && !n->enabled && !n->dead && !n->in_flight)
		return enable(n, cc);
	return false;
}

/* ---- the thread ---- */

static void look_at_size(struct nvme *n)
{
	uint64_t ticks;

	if (read(n->timer_fd, &ticks, sizeof(ticks)) != sizeof(ticks) || !image_resized(&n->image))
		return;
	n->namespace_changed = true;
	if (n->feature[NVME_FEAT_FID_ASYNC_EVENT] & NVME_CTRL_OAES_NA)
		nvme_event(n, NVME_AER_NOTICE, NVME_AER_NOTICE_NS_CHANGED, NVME_LOG_LID_CHANGED_NS);
}

/* Lets others run until there is something to do. */
static void sleep_until_kicked(struct nvme *n)
{
	struct epoll_event e[3];
	eventfd_t count;

	n->awake = false;
	atomic_thread_fence(memory_order_seq_cst);
	if (n->touched) {
		n->awake = true;
		return;
	}
	int nr = epoll_wait(n->epoll_fd, e, 3, -1);
	n->awake = true;
	for (int i = 0; i < nr; i++) {
		if (e[i].data.fd == n->kick_fd) {
			eventfd_read(n->kick_fd, &count);
			n->stats.wakeups++;
		} else if (e[i].data.fd == n->timer_fd) {
			look_at_size(n);
		}
	}
}

static void *nvme_thread(void *arg)
{
	struct nvme *n = arg;

	while (!n->stop || n->in_flight) {
		struct image_queue *q = n->image_queue;

		if (n->stop) {
			n->enabled = false;
			if (q->ops->hurry)
				q->ops->hurry(q);
		}
		bool did = q->ops->reap(q);
		did |= control(n);
		did |= nvme_queues_serve(n);
		q = n->image_queue;
		q->ops->flush(q);
		nvme_interrupts(n);
		if (!did && !nvme_queues_sleep(n))
			sleep_until_kicked(n);
	}
	return NULL;
}

static int watch(struct nvme *n, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return fd < 0 || epoll_ctl(n->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

int nvme_thread_start(struct nvme *n)
{
	struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
	int rc;

	n->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (n->epoll_fd < 0)
		return -errno;
	n->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if ((rc = watch(n, n->timer_fd)) || (rc = watch(n, n->kick_fd)) || (rc = open_queue(n)))
		return rc;
	if (n->image.fd >= 0)
		timerfd_settime(n->timer_fd, 0, &second, NULL);
	rc = -pthread_create(&n->thread, NULL, nvme_thread, n);
	n->started = !rc;
	return rc;
}

void nvme_thread_stop(struct nvme *n)
{
	if (n->started) {
		n->stop = true;
		n->touched = true;
		eventfd_write(n->kick_fd, 1);
		pthread_join(n->thread, NULL);
		n->started = false;
	}
	n->enabled = false;
	forget_all(n);
	image_queue_destroy(n->image_queue);
	if (n->timer_fd >= 0)
		close(n->timer_fd);
	if (n->epoll_fd >= 0)
		close(n->epoll_fd);
}

void nvme_reset(struct nvme *n)
{
	pthread_mutex_lock(&n->lock);
	n->cc = 0;
	n->disable = n->hurry = true;
	nvme_kick(n);
	while (n->disable)
		pthread_cond_wait(&n->reset_done, &n->lock);
	n->asq = n->acq = 0;
	n->aqa = 0;
	pthread_mutex_unlock(&n->lock);
	pthread_mutex_lock(&n->irq_lock);
	n->masked = 0;
	pthread_mutex_unlock(&n->irq_lock);
}
