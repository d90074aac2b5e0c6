/*
 * The FIFO event ABI between evtchn_fifo.c, where the guest gives pages for it, and
 * evtchn_fifo_queue.c, which marks events in them.
 */
#ifndef PVABI_EVTCHN_FIFO_H
#define PVABI_EVTCHN_FIFO_H

#include "pvabi/evtchn.h"

#define WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define MAX_PAGES      (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

struct fifo_vcpu {
	SHARED_PTR(struct evtchn_fifo_control_block) control; /* NULL: none yet */
	uint64_t mfn;
	evtchn_port_t tail[EVTCHN_FIFO_MAX_QUEUES]; /* 0: the queue is empty */
};

struct evtchn_fifo {
	SHARED_PTR(event_word_t) page[MAX_PAGES];
	uint64_t mfn[MAX_PAGES];
	evtchn_port_t nr_words;
	struct fifo_vcpu vcpu[MAX_VCPUS];
};

#endif
