/*
 * The host's side of an NVMe controller, for unit tests: queues, commands, completions.
 * To be included by one file of a program, after which `n` is the controller.
 */
#ifndef TEST_UNIT_TEST_NVME_H
#define TEST_UNIT_TEST_NVME_H

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/pci/nvme.h"
#include "test/unit/test_pci.h"

#define ENTRIES	   16u
#define IMAGE_SIZE (4u << 20)
#define EN	   (1u | 6u << 16 | 4u << 20)
/* A status as the tests name it: without DNR. */
#define SPECIFIC(s) NVME_SPECIFIC(s)

struct host_queue {
	unsigned id, size, tail, head, phase;
	struct nvme_command *sq;
	volatile struct nvme_completion *cq;
	uint64_t sq_at, cq_at;
};

static struct pci_device *d;
static struct host_queue admin, io;
static char image[32];
static uint16_t next_cid;
static uint32_t result; /* of the last command */
static uint16_t raw_status;

static inline uint32_t get(unsigned reg)
{
	return bar_get(d, 0, reg);
}

static inline void set(unsigned reg, uint32_t val)
{
	bar_set(d, 0, reg, val);
}

static inline void nvme_setup(void)
{
	strcpy(image, "/tmp/nvme.XXXXXX");
	int fd = mkstemp(image);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, IMAGE_SIZE), 0);
	close(fd);
	d = NULL;
}

static inline void nvme_teardown(void)
{
	if (d)
		pci_free(d);
	unlink(image);
}

/* Frames that follow each other; the machine address of the first. */
static inline uint64_t frames(unsigned nr)
{
	uint64_t mfn = 0;

	while (nr--)
		mfn = test_frame(pci.t);
	return mfn * PAGE_SIZE;
}

static inline void *at(uint64_t maddr)
{
	return pci.t->memory + maddr;
}

static inline void queue_memory(struct host_queue *q, unsigned id, unsigned size)
{
	q->id = id;
	q->size = size;
	q->tail = q->head = 0;
	q->phase = 1;
	if (!q->sq_at) {
		q->sq_at = frames((size * 64 + 4095) / 4096);
		q->cq_at = frames((size * 16 + 4095) / 4096);
	}
	q->sq = at(q->sq_at);
	q->cq = at(q->cq_at);
	memset(q->sq, 0, size * 64);
	memset(at(q->cq_at), 0, size * 16);
}

static inline void enable(void)
{
	queue_memory(&admin, 0, ENTRIES);
	set(NVME_REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	d->ops->bar_write(d, 0, NVME_REG_ASQ, 8, admin.sq_at);
	set(NVME_REG_ACQ, (uint32_t)admin.cq_at);
	set(NVME_REG_ACQ + 4, (uint32_t)(admin.cq_at >> 32));
	set(NVME_REG_CC, EN);
	PCI_WAIT(get(NVME_REG_CSTS) & 1);
}

static inline void disable(void)
{
	set(NVME_REG_CC, 0);
	PCI_WAIT(!(get(NVME_REG_CSTS) & 1));
}

static inline void power_on(const char *more)
{
	char options[200];

	memset(&admin, 0, sizeof(admin));
	memset(&io, 0, sizeof(io));
	snprintf(options, sizeof(options), "file=%s%s%s", image, *more ? "," : "", more);
	d = pci_new(&pci_nvme, options);
	config_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline void ring_tail(struct host_queue *q)
{
	set(NVME_DOORBELLS + 8 * q->id, q->tail);
}

/* Puts a command into the queue, without the doorbell; its number. */
static inline uint16_t push(struct host_queue *q, struct nvme_command c)
{
	c.cid = ++next_cid;
	q->sq[q->tail] = c;
	q->tail = (q->tail + 1) % q->size;
	return c.cid;
}

static inline bool has_completion(const struct host_queue *q)
{
	return (q->cq[q->head].status & 1) == q->phase;
}

/* Takes the next completion; false: there is none within a minute. */
static inline struct nvme_completion pop(struct host_queue *q)
{
	struct nvme_completion c;

	PCI_WAIT(has_completion(q));
	atomic_thread_fence(memory_order_acquire);
	memcpy(&c, (const void *)&q->cq[q->head], sizeof(c));
	q->head = (q->head + 1) % q->size;
	if (!q->head)
		q->phase ^= 1;
	set(NVME_DOORBELLS + 8 * q->id + 4, q->head);
	return c;
}

/* Carries a command out: its status without DNR. */
static inline uint16_t run(struct host_queue *q, struct nvme_command c)
{
	uint16_t cid = push(q, c);

	ring_tail(q);
	struct nvme_completion e = pop(q);
	ck_assert_uint_eq(e.cid, cid);
	ck_assert_uint_eq(e.sq_id, q->id);
	ck_assert_uint_eq(e.sq_head, q->tail);
	result = e.result;
	raw_status = e.status >> 1;
	return raw_status & 0x7ff;
}

#define ADMIN(...) run(&admin, (struct nvme_command){__VA_ARGS__})
#define IO(...)	   run(&io, (struct nvme_command){.nsid = 1, __VA_ARGS__})

static inline uint16_t create_cq(unsigned id, uint64_t base, unsigned size, unsigned vector)
{
	return ADMIN(.opcode = nvme_admin_create_cq, .prp1 = base, .cdw10 = (size - 1) << 16 | id,
		     .cdw11 = vector << 16 | 3);
}

static inline uint16_t create_sq(unsigned id, uint64_t base, unsigned size, unsigned cq)
{
	return ADMIN(.opcode = nvme_admin_create_sq, .prp1 = base, .cdw10 = (size - 1) << 16 | id,
		     .cdw11 = cq << 16 | 1);
}

static inline void create_io(void)
{
	queue_memory(&io, 1, ENTRIES);
	ck_assert_uint_eq(create_cq(1, io.cq_at, ENTRIES, 0), 0);
	ck_assert_uint_eq(create_sq(1, io.sq_at, ENTRIES, 1), 0);
}

/* Up to a queue for I/O. */
static inline void start(const char *options)
{
	power_on(options);
	enable();
	create_io();
}

#endif
