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

#include "pvabi/evtchn_fifo.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED	(1u << EVTCHN_FIFO_MASKED)
#define LINKED	(1u << EVTCHN_FIFO_LINKED)
#define BUSY	(1u << EVTCHN_FIFO_BUSY)

/* NULL when the guest has not given the page yet. */
static event_word_t *word_of(const struct domain *d, evtchn_port_t port)
{
	const struct evtchn_fifo *f = shared(d->evtchn_fifo);

	return port < f->nr_words ? shared(f->page[port / WORDS_PER_PAGE]) + port % WORDS_PER_PAGE
				  : NULL;
}

static uint32_t word_read(const event_word_t *w)
{
	return __atomic_load_n(w, __ATOMIC_SEQ_CST);
}

uint32_t evtchn_fifo_word(const struct domain *d, evtchn_port_t port)
{
	const event_word_t *w = word_of(d, port);

	return w ? word_read(w) : 0;
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
	struct domain *d = shared(v->domain);
	struct evtchn *chn = &shared(d->evtchn)[port];
	struct fifo_vcpu *q = &shared(d->evtchn_fifo)->vcpu[v->id];
	evtchn_port_t *tail = &q->tail[chn->priority];
	evtchn_port_t *old = &shared(d->evtchn_fifo)->vcpu[chn->last_vcpu].tail[chn->last_priority];
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
		__atomic_store_n(&shared(q->control)->head[chn->priority], port, __ATOMIC_SEQ_CST);
	*tail = port;
	return !linked;
}

static void set_pending(struct vcpu *v, evtchn_port_t port)
{
	struct domain *d = shared(v->domain);
	struct evtchn *chn = &shared(d->evtchn)[port];
	struct fifo_vcpu *q = &shared(d->evtchn_fifo)->vcpu[v->id];
	event_word_t *w = word_of(d, port);
	bool was_pending;

	if (!w) {
		chn->pending = true; /* until its page is there */
		return;
	}
	/* A guest must not unmask events for a vcpu without a control block. */
	if (!shared(q->control))
		return;
	was_pending = word_set(w, PENDING) & PENDING;
	if (!(word_read(w) & MASKED) && !(word_set(w, LINKED) & LINKED) && enqueue(v, port)) {
		uint32_t bit = 1u << chn->last_priority;

		if (!(__atomic_fetch_or(&shared(q->control)->ready, bit, __ATOMIC_SEQ_CST) & bit))
			vcpu_mark_events_pending(v);
	}
	if (!was_pending)
		evtchn_check_pollers(d, port);
}

/* The guest takes the event off its queue itself when it finds it not pending. */
static void clear_pending(struct domain *d, evtchn_port_t port)
{
	event_word_t *w = word_of(d, port);

	shared(d->evtchn)[port].pending = false;
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
		set_pending(shared(d->vcpu[shared(d->evtchn)[port].notify_vcpu]), port);
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
	shared(d->evtchn)[port].priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
}

/* For events to come: one that is on a queue stays there. */
static int set_priority(struct domain *d, evtchn_port_t port, unsigned priority)
{
	if (priority > EVTCHN_FIFO_PRIORITY_MIN)
		return -EINVAL;
	shared(d->evtchn)[port].priority = priority;
	return 0;
}

const struct evtchn_port_ops evtchn_fifo_ops = {
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
