/*
 * The last lines that a domain's process has logged, for `xenolith dmesg`. Any thread.
 */
#ifndef VMM_LOG_RING_H
#define VMM_LOG_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_RING_SIZE 65536

struct log_ring {
	pthread_mutex_t lock;
	uint64_t start;	    /* CLOCK_MONOTONIC, ns: times are counted from it */
	char *data;	    /* LOG_RING_SIZE, made with the first line */
	size_t first, used; /* always whole lines */
};

void log_ring_init(struct log_ring *r, uint64_t now);
void log_ring_free(struct log_ring *r);
/* A line without its end. The oldest ones make room; a long one is cut. */
void log_ring_add(struct log_ring *r, uint64_t now, const char *line);
/* All lines, "[    1.234567] text\n" each; the caller's to free, NULL without memory.
 * clear: they are forgotten. */
char *log_ring_read(struct log_ring *r, bool clear);

#endif
