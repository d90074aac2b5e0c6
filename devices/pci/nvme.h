/*
 * An NVMe controller (NVM Express 1.4) with one namespace, which is an image
 * (devices/block/image.h). "1.4, 4.3" and the like in these files name sections of that
 * specification; structures and numbers come from libnvme's <nvme/types.h>.
 *
 * Registers are read and written by the vcpus (nvme_regs.c). A write only leaves a note and
 * wakes the controller's own thread (nvme_thread.c), to which everything else here
 * belongs: queues, commands, and the image's queue. Data goes between the image and the
 * guest's pages without a copy (nvme_prp.c).
 */
#ifndef DEVICES_PCI_NVME_H
#define DEVICES_PCI_NVME_H

#include <pthread.h>
#include <stdatomic.h>
#include <nvme/types.h>

#include "devices/block/disk_spec.h"
#include "devices/block/image.h"
#include "devices/pci/pci_config.h"

#define NVME_VENDOR 0x5853 /* XenSource; the device's number is not registered */
#define NVME_DEVICE 0xf0c2

#define NVME_MAX_IO_QUEUES 32
#define NVME_MAX_QUEUES	   (NVME_MAX_IO_QUEUES + 1)
#define NVME_MAX_ENTRIES   4096
#define NVME_PAGE	   4096ul
#define NVME_MDTS	   7 /* 2^7 pages a command */
#define NVME_MAX_TRANSFER  (NVME_PAGE << NVME_MDTS)
#define NVME_MAX_PAGES	   ((1u << NVME_MDTS) + 1)
#define NVME_MAX_IN_FLIGHT 1024 /* commands; more wait in their queues */
#define NVME_ERROR_LOG	   64	/* entries */
#define NVME_MAX_AER	   4	/* asynchronous event requests at a time */
#define NVME_NR_EVENTS	   3	/* types of asynchronous events: NVME_AER_ERROR to _NOTICE */
#define NVME_NR_FEATURES   16
#define NVME_NSID	   1u

/* BAR 0 */
#define NVME_DOORBELLS 0x1000
#define NVME_TABLE     0x2000
#define NVME_PENDING   0x3000
#define NVME_BAR       0x4000

/* Admin commands of ours, with the option `faults`: for tests of drivers. */
#define NVME_ADMIN_ERROR  0xc0 /* an error by AER; CDW10: 1 correctable, 2 non-fatal, 3 fatal */
#define NVME_ADMIN_REMOVE 0xc4 /* pulled out: everything reads as ones, pciback takes it away */

#define NVME_STATUS(type, code) ((uint16_t)((type) << 8 | (code)))
#define NVME_SPECIFIC(code)	NVME_STATUS(NVME_SCT_CMD_SPECIFIC, code)
#define NVME_MEDIA(code)	NVME_STATUS(NVME_SCT_MEDIA, code)
/* The command goes on: it completes later. */
#define NVME_LATER 0xffff

struct nvme_command { /* 1.4, 4.2 */
	uint8_t opcode;
	uint8_t flags; /* fused operation 1:0, PRP or SGL 7:6 */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_command) == 64, "1.4, 4.2");

struct nvme_completion { /* 1.4, 4.6 */
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head, sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0: phase */
};
_Static_assert(sizeof(struct nvme_completion) == 16, "1.4, 4.6");

struct nvme;

/* A command on its way. */
struct nvme_request {
	struct image_io io; /* first */
	struct nvme *n;
	struct nvme_request *next; /* of a list that it waits in */
	struct nvme_command cmd;
	uint16_t sq_id, cq_id, sq_head, status;
	uint32_t result;
	/* What is left to do after the step that is being done; true: another one began. */
	bool (*step)(struct nvme_request *r);
	void *buffer;  /* of its own; freed with it */
	uint64_t done; /* of a list in the buffer, or bytes */
	struct iovec piece[16];
	/* The guest's pages of its data. */
	bool to_guest;
	unsigned nr_pages, nr_iov;
	uint64_t *page; /* machine addresses */
	struct iovec *iov;
};

struct nvme_sq {
	bool exists;
	uint16_t id, cq_id;
	uint32_t size, head, tail; /* entries */
	uint64_t base;
	unsigned in_flight;
	struct nvme_request *deletion; /* of the queue: waits for what is in flight */
};

struct nvme_cq {
	bool exists, interrupts, phase, raise;
	uint16_t id, vector;
	uint32_t size, head;
	uint64_t base;
	unsigned nr_sqs;
	struct nvme_request *full, **full_tail; /* completions that have no room */
	_Atomic uint32_t tail;			/* others look at it for INTx */
};

struct nvme_options {
	char *file, *serial;
	unsigned format; /* enum disk_format */
	unsigned access; /* rw, ro, rw! */
	bool msi, msix, no_discard, no_flush, no_dbbuf, faults;
	unsigned sector_size; /* 0: 512, 1: 4096 */
	unsigned queues, entries;
};

enum nvme_interrupts { NVME_INTX, NVME_MSI, NVME_MSIX };

struct nvme_stats {
	_Atomic uint64_t reads, writes, flushes, discards, zeroes, errors;
	_Atomic uint64_t read_bytes, written_bytes;
	_Atomic uint64_t doorbells, wakeups, interrupts;
};

struct nvme {
	struct pci_device d; /* first */
	struct pci_config config;
	struct nvme_options options;
	struct disk_spec spec;
	struct image image;
	unsigned lba_shift;
	char serial[21];
	uint8_t uuid[16];
	struct nvme_stats stats;

	/* ---- between the vcpus and the thread ---- */
	int kick_fd, epoll_fd, timer_fd, work_fd;
	_Atomic bool awake;   /* the thread runs, or was woken */
	_Atomic bool touched; /* since it last looked */
	_Atomic bool stop, removed;
	_Atomic uint32_t doorbell[2 * NVME_MAX_QUEUES]; /* as in the BAR: tail, head, tail, ... */
	_Atomic uint64_t rung[2];			/* bit n: tail, or head, of queue n */
	_Atomic bool bad_doorbell;

	pthread_mutex_t lock; /* of the registers */
	pthread_cond_t reset_done;
	uint64_t asq, acq;
	uint32_t cc, csts, aqa;
	bool disable;	   /* CC.EN was cleared, or the function reset: not yet done */
	bool hurry;	   /* that may not wait for the image */
	unsigned shutdown; /* CC.SHN: not yet done */
	uint32_t error;	   /* to be reported by the loop's thread */
	bool leaves;	   /* the same */

	pthread_mutex_t irq_lock;
	_Atomic enum nvme_interrupts mode;
	_Atomic unsigned nr_msi;
	_Atomic uint32_t masked; /* INTMS */
	bool intx;

	/* ---- the thread's ---- */
	pthread_t thread;
	bool started;
	bool enabled, dead; /* dead: CSTS.CFS */
	bool shutting_down; /* waits for what is in flight, then flushes */
	struct image_queue *image_queue;
	struct nvme_sq sq[NVME_MAX_QUEUES];
	struct nvme_cq cq[NVME_MAX_QUEUES];
	unsigned in_flight; /* commands with the image */
	unsigned next_sq;   /* whose turn it is */
	uint32_t feature[NVME_NR_FEATURES];
	uint32_t vector_config[NVME_MAX_QUEUES];
	/* Asynchronous events. */
	uint16_t aer[NVME_MAX_AER]; /* command identifiers */
	unsigned nr_aer;
	struct {
		bool pending, masked; /* masked: reported, and the log not yet read */
		uint8_t info, log;
	} event[NVME_NR_EVENTS];
	bool namespace_changed; /* for the log of changed namespaces */
	struct nvme_error_log_page error_log[NVME_ERROR_LOG];
	uint64_t nr_errors;
	unsigned reported; /* of the host's errors */
	/* DBBUF: pages of the guest with its doorbells, and with up to where we have looked,
	 * which we remember. */
	bool has_shadows;
	uint64_t shadow_base, seen_base;
	uint32_t seen[2 * NVME_MAX_QUEUES];
};

/* ---- nvme_regs.c ---- */
uint64_t nvme_bar_read(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes);
void nvme_bar_write(struct pci_device *d, unsigned bar, uint64_t offset, unsigned bytes,
		    uint64_t val);
/* Wakes the thread. Any. */
void nvme_kick(struct nvme *n);

/* ---- nvme.c: the loop's thread is to look at `error` and `leaves` ---- */
void nvme_work(struct nvme *n);

/* ---- nvme_thread.c ---- */
int nvme_thread_start(struct nvme *n);
void nvme_thread_stop(struct nvme *n);
/* As after power-on; waits for the thread. In the event loop's. */
void nvme_reset(struct nvme *n);
/* CSTS.CFS: nothing goes on until the guest resets the controller. */
void nvme_die(struct nvme *n, const char *why);

/* ---- nvme_queue.c ---- */
/* 0, or a status. */
uint16_t nvme_cq_create(struct nvme *n, unsigned id, uint64_t base, uint32_t size, unsigned vector,
			bool interrupts);
uint16_t nvme_sq_create(struct nvme *n, unsigned id, uint64_t base, uint32_t size, unsigned cq);
void nvme_cq_delete(struct nvme *n, struct nvme_cq *cq);
void nvme_sq_delete(struct nvme *n, struct nvme_sq *sq); /* nothing may be in flight */
/* Takes the doorbells; begins commands. True: it did anything. */
bool nvme_queues_serve(struct nvme *n);
/* The command is done, with r->status and r->result: tells the guest; frees r. */
void nvme_complete(struct nvme_request *r, uint16_t status);
/* A completion of a command that has no request any more. */
void nvme_post(struct nvme *n, unsigned sq, uint16_t cid, uint16_t status, uint32_t result);
/* Interrupts for what was posted. */
void nvme_interrupts(struct nvme *n);
/* INTx as it must be now; the pending ones again after an unmasking. Any thread. */
void nvme_intx_update(struct nvme *n);
void nvme_set_mode(struct nvme *n, enum nvme_interrupts mode, unsigned nr_msi);
/* The status of a failure on the host's side. */
uint16_t nvme_host_status(const struct nvme_request *r, int rc);

/* Posts completions that had no room, as far as there is some now. */
void nvme_post_waiting(struct nvme *n, struct nvme_cq *cq);

/* ---- nvme_doorbell.c ---- */
/* What rang. True: something did. */
bool nvme_doorbells_take(struct nvme *n);
/* Before the thread sleeps: asks the guest to ring. True: there is more to do. */
bool nvme_queues_sleep(struct nvme *n);
/* From now on the doorbells of I/O queues are words in these pages. */
void nvme_shadows_begin(struct nvme *n, uint64_t shadow, uint64_t seen);
/* The doorbell, by its index, of a queue that is new. */
void nvme_shadow_init(struct nvme *n, unsigned doorbell);
/* cq->head as memory says; posts nothing. */
void nvme_shadow_head(struct nvme *n, struct nvme_cq *cq);

/* ---- nvme_prp.c ---- */
/* r's data of len bytes: its pages are the guest's until r is freed, and r->iov names them.
 * 0, or a status. to_guest: the controller writes them. */
uint16_t nvme_map_data(struct nvme_request *r, size_t len, bool to_guest);
void nvme_unmap_data(struct nvme_request *r);
/* Copies from or to what was mapped: at most len bytes. */
void nvme_data_read(struct nvme_request *r, void *dst, size_t len);
uint16_t nvme_data_write(struct nvme_request *r, const void *src, size_t len);

/* ---- commands; a status, or NVME_LATER ---- */
uint16_t nvme_admin_command(struct nvme_request *r); /* nvme_admin.c */
uint16_t nvme_identify(struct nvme_request *r);	     /* nvme_identify.c */
uint16_t nvme_get_log(struct nvme_request *r);	     /* nvme_log.c */
uint16_t nvme_get_features(struct nvme_request *r);  /* nvme_features.c */
uint16_t nvme_set_features(struct nvme_request *r);
uint16_t nvme_io_command(struct nvme_request *r); /* nvme_io.c */
/* What of a namespace's commands and ours there is: for the log of effects. */
uint32_t nvme_admin_effects(const struct nvme *n, uint8_t opcode);
uint32_t nvme_io_effects(const struct nvme *n, uint8_t opcode);

/* nvme_features.c: as after a reset. */
void nvme_features_reset(struct nvme *n);
static inline bool nvme_write_cache(const struct nvme *n)
{
	return n->feature[NVME_FEAT_FID_VOLATILE_WC] & 1;
}

/* nvme_log.c: an asynchronous event, when there is a request for it; later when not. */
void nvme_event(struct nvme *n, unsigned type, uint8_t info, uint8_t log);
void nvme_event_request(struct nvme *n, uint16_t cid);
/* The log that an event is about was read. */
void nvme_log_error(struct nvme_request *r, uint16_t status);

/* Begins r->io. */
void nvme_submit(struct nvme_request *r);
static inline uint64_t nvme_blocks(const struct nvme *n)
{
	return n->image.size >> n->lba_shift;
}

#endif
