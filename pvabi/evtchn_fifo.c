/*
 * The FIFO event ABI: a word for each port in pages that the guest gives
 * (event_channel.h: EVTCHN_FIFO_*), and for each vcpu a control block with the heads
 * of 16 queues, one a priority, which the words link. Rules and order of steps are
 * those of Xen's common/event_fifo.c.
 *
 * evtchn_lock is held whenever a queue changes, so the queues have no locks of their
 * own. The guest changes words and heads at the same time: every access is one atomic
 * operation, nothing read from there is trusted, and no loop depends on it.
 */
#include <errno.h>
#include <stdlib.h>

#include "pvabi/evtchn.h"
#include "pvabi/mm.h"

#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define MAX_PAGES      (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED	(1u << EVTCHN_FIFO_MASKED)
#define LINKED	(1u << EVTCHN_FIFO_LINKED)
#define BUSY	(1u << EVTCHN_FIFO_BUSY)

struct fifo_vcpu {
	struct evtchn_fifo_control_block *control; /* NULL: none yet */
	uint64_t mfn;
	evtchn_port_t tail[EVTCHN_FIFO_MAX_QUEUES]; /* 0: the queue is empty */
};

struct evtchn_fifo {
	event_word_t *page[MAX_PAGES];
	uint64_t mfn[MAX_PAGES];
	evtchn_port_t nr_words;
	struct fifo_vcpu vcpu[MAX_VCPUS];
};

/* NULL when the guest has not given the page yet. */
static event_word_t *word_of(const struct domain *d, evtchn_port_t port)
{
	const struct evtchn_fifo *f = d->evtchn_fifo;

	return port < f->nr_words ? f->page[port / WORDS_PER_PAGE] + port % WORDS_PER_PAGE : NULL;
}

static uint32_t word_read(const event_word_t *w)
{
	return __atomic_load_n(w, __ATOMIC_SEQ_CST);
}

/* Both return the word as it was. */
static uint32_t word_set(event_word_t *w, uint32_t bits)
{
	return __atomic_fetch_or(w, bits, __ATOMIC_SEQ_CST);
}

static uint32_t word_clear(event_word_t *w, uint32_t bits)
{
	return __atomic_fetch_and(w, ~bits, __ATOMIC_SEQ_CST);
}

/* 1: linked; 0: the word is not LINKED any more; -EAGAIN: it changed. */
static int try_link(event_word_t *w, uint32_t link)
{
	uint32_t old = word_read(w);

	if (!(old & LINKED))
		return 0;
	return __atomic_compare_exchange_n(w, &old, (old & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | link,
					   false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
		       ? 1
		       : -EAGAIN;
}

/*
 * Links `port` behind the word if that is still LINKED. A guest may set and clear
 * MASKED, clear PENDING and clear LINKED meanwhile; BUSY forbids it to unmask, so the
 * word can change four more times. If it changes more often, the guest broke the rules
 * and the event is only reachable through the words.
 */
static bool set_link(struct domain *d, event_word_t *w, evtchn_port_t port)
{
	int rc = try_link(w, port);

	if (rc >= 0)
		return rc;
	word_set(w, BUSY);
	for (unsigned tries = 0; tries < 4; tries++) {
		rc = try_link(w, port);
		if (rc > 0)
			return true;
		if (rc == 0)
			break;
	}
	word_clear(w, BUSY);
	if (rc)
		domain_log(d, LOG_WARN, "event port %u not linked", port);
	return rc;
}

/* Puts the LINKED event at the end of v's queue. True when the queue was empty, and
 * so the guest is to be told. */
static bool enqueue(struct vcpu *v, evtchn_port_t port)
{
	struct domain *d = v->domain;
	struct evtchn *chn = &d->evtchn[port];
	struct fifo_vcpu *q = &d->evtchn_fifo->vcpu[v->id];
	evtchn_port_t *tail = &q->tail[chn->priority];
	evtchn_port_t *old = &d->evtchn_fifo->vcpu[chn->last_vcpu].tail[chn->last_priority];
	bool linked = false;

	/* It was the last of its old queue: that is empty now, and nothing must be
	 * linked behind it there. */
	if (*old == port)
		*old = 0;
	chn->last_vcpu = v->id;
	chn->last_priority = chn->priority;
	if (*tail)
		linked = set_link(d, word_of(d, *tail), port);
	if (!linked)
		__atomic_store_n(&q->control->head[chn->priority], port, __ATOMIC_SEQ_CST);
	*tail = port;
	return !linked;
}

static void set_pending(struct vcpu *v, evtchn_port_t port)
{
	struct domain *d = v->domain;
	struct evtchn *chn = &d->evtchn[port];
	struct fifo_vcpu *q = &d->evtchn_fifo->vcpu[v->id];
	event_word_t *w = word_of(d, port);
	bool was_pending;

	if (!w) {
		chn->pending = true; /* until its page is there */
		return;
	}
	/* A guest must not unmask events for a vcpu without a control block. */
	if (!q->control)
		return;
	was_pending = word_set(w, PENDING) & PENDING;
	if (!(word_read(w) & MASKED) && !(word_set(w, LINKED) & LINKED) && enqueue(v, port)) {
		uint32_t bit = 1u << chn->last_priority;

		if (!(__atomic_fetch_or(&q->control->ready, bit, __ATOMIC_SEQ_CST) & bit))
			vcpu_mark_events_pending(v);
	}
	if (!was_pending)
		evtchn_check_pollers(d, port);
}

/* The guest takes the event off its queue itself when it finds it not pending. */
static void clear_pending(struct domain *d, evtchn_port_t port)
{
	event_word_t *w = word_of(d, port);

	d->evtchn[port].pending = false;
	if (w)
		word_clear(w, PENDING);
}

static void unmask(struct domain *d, evtchn_port_t port)
{
	event_word_t *w = word_of(d, port);

	if (!w)
		return;
	word_clear(w, MASKED);
	if (word_read(w) & PENDING)
		set_pending(d->vcpu[d->evtchn[port].notify_vcpu], port);
}

static bool is_pending(const struct domain *d, evtchn_port_t port)
{
	const event_word_t *w = word_of(d, port);

	return w && word_read(w) & PENDING;
}

static bool is_masked(const struct domain *d, evtchn_port_t port)
{
	const event_word_t *w = word_of(d, port);

	return !w || word_read(w) & MASKED;
}

static bool is_busy(const struct domain *d, evtchn_port_t port)
{
	const event_word_t *w = word_of(d, port);

	return w && word_read(w) & LINKED;
}

static void port_init(struct domain *d, evtchn_port_t port)
{
	d->evtchn[port].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
}

/* For events to come: one that is on a queue stays there. */
static int set_priority(struct domain *d, evtchn_port_t port, unsigned priority)
{
	if (priority > EVTCHN_FIFO_PRIORITY_MIN)
		return -EINVAL;
	d->evtchn[port].priority = priority;
	return 0;
}

static const struct evtchn_port_ops fifo_ops = {
	.nr_ports = EVTCHN_FIFO_NR_CHANNELS,
	.init = port_init,
	.set_pending = set_pending,
	.clear_pending = clear_pending,
	.unmask = unmask,
	.is_pending = is_pending,
	.is_masked = is_masked,
	.is_busy = is_busy,
	.set_priority = set_priority,
};

/* What is bound already moves over: pending bits of the two levels are kept until
 * the page of their words comes. */
static void take_over(struct domain *d)
{
	for (evtchn_port_t port = 1; port < d->nr_evtchns && port < EVTCHN_2L_PORTS; port++) {
		if (evtchn_2l_ops.is_pending(d, port))
			d->evtchn[port].pending = true;
		d->evtchn[port].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	}
}

static int map_control_block(struct domain *d, unsigned vcpu, uint64_t mfn, uint32_t offset)
{
	struct fifo_vcpu *q = &d->evtchn_fifo->vcpu[vcpu];
	int rc;

	if (q->control)
		return -EINVAL;
	rc = mm_get_page_and_type(d, mfn, PGT_WRITABLE);
	if (rc)
		return -EINVAL;
	q->mfn = mfn;
	q->control = (void *)((uint8_t *)frame_ptr(d, mfn) + offset);
	return 0;
}

int evtchn_fifo_init_control(struct domain *d, const struct evtchn_init_control *c)
{
	int rc;

	if (c->vcpu >= d->nr_vcpus)
		return -ENOENT;
	if (c->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || c->offset % 8)
		return -EINVAL;
	if (d->evtchn_fifo)
		return map_control_block(d, c->vcpu, c->control_gfn, c->offset);
	d->evtchn_fifo = calloc(1, sizeof(*d->evtchn_fifo));
	if (!d->evtchn_fifo)
		return -ENOMEM;
	rc = map_control_block(d, c->vcpu, c->control_gfn, c->offset);
	if (rc) {
		evtchn_fifo_destroy(d);
		return rc;
	}
	take_over(d);
	d->evtchn_ops = &fifo_ops;
	return 0;
}

int evtchn_fifo_expand_array(struct domain *d, uint64_t mfn)
{
	struct evtchn_fifo *f = d->evtchn_fifo;
	evtchn_port_t port;

	if (!f)
		return -EOPNOTSUPP;
	if (f->nr_words == EVTCHN_FIFO_NR_CHANNELS)
		return -ENOSPC;
	if (mm_get_page_and_type(d, mfn, PGT_WRITABLE))
		return -EINVAL;
	port = f->nr_words;
	f->mfn[port / WORDS_PER_PAGE] = mfn;
	f->page[port / WORDS_PER_PAGE] = frame_ptr(d, mfn);
	f->nr_words += WORDS_PER_PAGE;
	for (; port < f->nr_words && port < d->nr_evtchns; port++)
		if (d->evtchn[port].pending)
			set_pending(d->vcpu[d->evtchn[port].notify_vcpu], port);
	return 0;
}

uint32_t evtchn_fifo_word(const struct domain *d, evtchn_port_t port)
{
	const event_word_t *w = word_of(d, port);

	return w ? word_read(w) : 0;
}

bool evtchn_fifo_queue(const struct vcpu *v, unsigned queue, evtchn_port_t *head,
		       evtchn_port_t *tail, bool *ready)
{
	const struct fifo_vcpu *q = &v->domain->evtchn_fifo->vcpu[v->id];

	if (!q->control)
		return false;
	*head = __atomic_load_n(&q->control->head[queue], __ATOMIC_RELAXED);
	*ready = __atomic_load_n(&q->control->ready, __ATOMIC_RELAXED) >> queue & 1;
	*tail = q->tail[queue];
	return true;
}

uint64_t evtchn_fifo_page(const struct domain *d, unsigned n, int *vcpu)
{
	const struct evtchn_fifo *f = d->evtchn_fifo;

	*vcpu = -1;
	if (n < f->nr_words / WORDS_PER_PAGE)
		return f->mfn[n];
	n -= f->nr_words / WORDS_PER_PAGE;
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		if (f->vcpu[i].control && !n--) {
			*vcpu = (int)i;
			return f->vcpu[i].mfn;
		}
	return INVALID_MFN;
}

void evtchn_fifo_destroy(struct domain *d)
{
	struct evtchn_fifo *f = d->evtchn_fifo;

	if (!f)
		return;
	d->evtchn_ops = &evtchn_2l_ops;
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		if (f->vcpu[i].control)
			mm_put_page_and_type(d, f->vcpu[i].mfn);
	for (unsigned i = 0; i < f->nr_words / WORDS_PER_PAGE; i++)
		mm_put_page_and_type(d, f->mfn[i]);
	free(f);
	d->evtchn_fifo = NULL;
}
