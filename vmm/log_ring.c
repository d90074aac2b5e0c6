#include "vmm/log_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_LIMIT 1024

void log_ring_init(struct log_ring *r, uint64_t now)
{
	*r = (struct log_ring){.start = now};
	pthread_mutex_init(&r->lock, NULL);
}

void log_ring_free(struct log_ring *r)
{
	pthread_mutex_destroy(&r->lock);
	free(r->data);
	r->data = NULL;
}

static void drop_line(struct log_ring *r)
{
	bool end;

	do {
		end = r->data[r->first] == '\n';
		r->first = (r->first + 1) % LOG_RING_SIZE;
		r->used--;
	} while (!end);
}

static void append(struct log_ring *r, const char *text, size_t len)
{
	while (LOG_RING_SIZE - r->used < len)
		drop_line(r);
	for (size_t i = 0; i < len; i++)
		r->data[(r->first + r->used++) % LOG_RING_SIZE] = text[i];
}

void log_ring_add(struct log_ring *r, uint64_t now, const char *line)
{
	char text[LINE_LIMIT];
	uint64_t us = (now - r->start) / 1000;
	int n = snprintf(text, sizeof(text) - 1, "[%5lu.%06lu] %s", (unsigned long)(us / 1000000),
			 (unsigned long)(us % 1000000), line);
	size_t len = (size_t)n < sizeof(text) - 1 ? (size_t)n : sizeof(text) - 2;

	/* One line is one line, whatever is in it. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	text[len++] = '\n';
	pthread_mutex_lock(&r->lock);
	if (!r->data)
		r->data = malloc(LOG_RING_SIZE);
	if (r->data)
		append(r, text, len);
	pthread_mutex_unlock(&r->lock);
}

char *log_ring_read(struct log_ring *r, bool clear)
{
	pthread_mutex_lock(&r->lock);
	char *all = malloc(r->used + 1);
	if (all) {
		for (size_t i = 0; i < r->used; i++)
			all[i] = r->data[(r->first + i) % LOG_RING_SIZE];
		all[r->used] = '\0';
		if (clear)
			r->used = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return all;
}
