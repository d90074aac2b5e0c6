/*
 * The FIFO event ABI: the pages that the guest gives for it. Rules and order of steps are those
 * of Xen's common/event_fifo.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "pvabi/evtchn_fifo.h"
#include "pvabi/mm.h"

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
			evtchn_fifo_ops.set_pending(d->vcpu[d->evtchn[port].notify_vcpu], port);
	return 0;
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
	for (unsigned i = 0; i < d->nr_vcpus; i++)
		if (f->vcpu[i].control)
			mm_put_page_and_type(d, f->vcpu[i].mfn);
	for (unsigned i = 0; i < f->nr_words / WORDS_PER_PAGE; i++)
		mm_put_page_and_type(d, f->mfn[i]);
	free(f);
	d->evtchn_fifo = NULL;
}
