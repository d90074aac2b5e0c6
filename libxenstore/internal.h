/*
 * A connection to xenstore. One request is on its way at a time. Until the first watch
 * whoever asks reads the answer itself; then a thread reads everything, hands answers to
 * whoever waits, and keeps events for xs_read_watch().
 */
#ifndef LIBXENSTORE_INTERNAL_H
#define LIBXENSTORE_INTERNAL_H

#include <pthread.h>
#include <sys/uio.h>

#include "libxenstore/include/xenstore.h"

/* A message from the store; a NUL follows the payload. */
struct message {
	struct message *next;
	struct xsd_sockmsg h;
	char body[];
};

/* As libxentoolcore has it: Xentoolcore__Active_Handle. */
struct toolcore_handle {
	int (*restrict_callback)(struct toolcore_handle *th, uint16_t domid);
	struct toolcore_handle *next, **prev;
};

struct xs_handle {
	int fd;
	bool is_socket;
	bool unwatch_filter;
	struct toolcore_handle toolcore;

	/* Held during a request; taken before `lock`. */
	pthread_mutex_t request_lock;
	bool has_reader;
	pthread_t reader;
	int stop_fd; /* an eventfd that ends the reader; -1: none */

	/* For everything below. */
	pthread_mutex_t lock;
	bool broken; /* no further request or event: fd stays open, its number taken */
	bool expects_reply;
	struct message *reply;
	pthread_cond_t replied;
	struct message *events, **events_end;
	pthread_cond_t fired;
	int watch_fd; /* an eventfd, 1 while there are events; -1: not asked for */
};

/* path.c. False: too long. */
bool socket_path(char *buf, size_t size);
const char *device_path(void);

/* receive.c */
/* The next message. NULL: errno is that of the connection, or ECANCELED by stop_fd. */
struct message *message_read(struct xs_handle *h, int stop_fd);
/* To whom it belongs. False: the store broke the protocol. */
bool message_deliver(struct xs_handle *h, struct message *m);
/* Nothing works any more; wakes everybody who waits. The other end is not told... */
void connection_disable(struct xs_handle *h);
/* ...or is. */
void connection_break(struct xs_handle *h);
/* With the request lock held. False: errno. */
bool reader_start(struct xs_handle *h);
void reader_stop(struct xs_handle *h);
void messages_free(struct message *m);

/* request.c: sends the parts as one payload. The answer's payload with a NUL behind it,
 * the caller's to free(); its length, without that, in *len unless that is NULL. */
char *request(struct xs_handle *h, xs_transaction_t t, enum xsd_sockmsg_type type,
	      const struct iovec *parts, unsigned int nr, unsigned int *len);
/* A payload of one string with its NUL. */
char *request_string(struct xs_handle *h, xs_transaction_t t, enum xsd_sockmsg_type type,
		     const char *s, unsigned int *len);
/* One of two strings, of a path and data, or of a command and data. */
char *request_pair(struct xs_handle *h, xs_transaction_t t, enum xsd_sockmsg_type type,
		   const char *s, const void *data, size_t len, unsigned int *reply_len);
/* Frees the answer. False: there was none. */
bool done(char *reply);

/* strings.c: how many strings with a NUL are in the bytes. */
unsigned int count_strings(const char *s, unsigned int len);
/* One block with pointers to the strings in front of a copy of them. */
char **split_strings(const char *s, unsigned int len, unsigned int *num);

/* restrict.c */
void toolcore_register(struct xs_handle *h);
void toolcore_deregister(struct xs_handle *h);

#endif
