/*
 * A connection to a vfio-user server. A thread of its own reads what the server sends: replies
 * go to whoever waits for them, the server's own requests are served there. So any thread may
 * ask, several at once, and a server that does DMA while it is asked does not wait for ever.
 *
 * A server that breaks the protocol, is silent for longer than the time limit, or goes, is
 * not spoken to again: every request fails from then on, at once.
 */
#ifndef DEVICES_PCI_VFIO_USER_H
#define DEVICES_PCI_VFIO_USER_H

#include <pthread.h>

#include "devices/pci/vfio.h"
#include "devices/pci/vfio_user_protocol.h"

#define VFIO_USER_MAX_FDS  16u /* that we take in a message */
#define VFIO_USER_MOST_FDS 64u /* that we send in one, whatever the server takes */
/* Of a message that we take: the largest has data. */
#define VFIO_USER_MAX_SIZE (VFIO_USER_DEFAULT_TRANSFER + 64u)

/* One request. */
struct vfio_user_request {
	uint16_t command;
	const void *data; /* size bytes of payload, then size2 */
	size_t size;
	const void *data2;
	size_t size2;
	const int *fds;
	unsigned nr_fds;
	/* The answer: at least `least` bytes of payload, at most `room`; got is how many. */
	void *reply;
	size_t least, room, got;
	/* Descriptors of the answer, the caller's to close: room for VFIO_USER_MAX_FDS. NULL: they
	 * are not wanted. */
	int *reply_fds;
	unsigned nr_reply_fds;
	/* the connection's */
	struct vfio_user_request *next;
	uint16_t id;
	bool done;
	int rc;
};

struct vfio_user_options {
	char *path;
	unsigned timeout; /* s */
	unsigned memory;  /* VFIO_USER_SHARED, _PRIVATE */
	unsigned map;	  /* VFIO_USER_SEALED, ... */
};
/* Does the server get the descriptor of the guest's memory, or has it to ask for each byte? */
enum { VFIO_USER_SHARED, VFIO_USER_PRIVATE };
/* Which of the server's memory does the guest reach directly? What the server can make
 * shorter ends the domain when the guest touches it then. */
enum { VFIO_USER_SEALED, VFIO_USER_ANY, VFIO_USER_NONE };

struct vfio_user_link {
	struct vfio_link link;
	struct pci_host *host;
	struct pci_device *_Atomic device; /* NULL while it is being made */
	int fd, broken_fd;		   /* broken_fd: in the event loop */
	unsigned timeout_ms, memory, map;
	unsigned max_fds, max_transfer, max_maps; /* that the server takes */
	bool resets;				  /* it knows DEVICE_RESET */
	pthread_t reader;
	bool reading;
	pthread_mutex_t send_lock;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t answered;
	struct vfio_user_request *waiting;
	uint16_t last_id;
	bool broken;
	char why[200]; /* then: a sentence without its subject */
	/* The loop's thread: the file and the place of each region. */
	struct {
		int fd; /* -1: none */
		uint64_t offset;
	} region[VFIO_PCI_NUM_REGIONS];
	int bell[VFIO_PCI_NUM_REGIONS][VFIO_USER_MAX_FDS]; /* descriptors of its bells; -1 */
	_Atomic uint64_t dma_reads, dma_writes;
};

/* vfio_user_link.c: connects and starts to read. 0, or negative errno and a sentence. */
int vfio_user_connect(struct vfio_user_link *l, const char *path, char *err, size_t errlen);
void vfio_user_disconnect(struct vfio_user_link *l);
/* 0, the errno of the server's answer, or -EIO: there is none. */
int vfio_user_ask(struct vfio_user_link *l, struct vfio_user_request *r);
/* The connection ends here: the reason is the first that is given. Any thread. */
void vfio_user_break(struct vfio_user_link *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A message as it is. Any thread. 0, or -EIO: the connection is broken now. */
int vfio_user_send(struct vfio_user_link *l, const struct vfio_user_header *h, const void *data,
		   size_t size, const void *data2, size_t size2, const int *fds, unsigned nr_fds);

/* vfio_user_serve.c: a request of the server; payload: `size` bytes. In the reader's thread. */
void vfio_user_serve(struct vfio_user_link *l, const struct vfio_user_header *h,
		     const void *payload, size_t size);
/* vfio_user_hello.c: versions and capabilities. 0, or negative errno and a sentence. */
int vfio_user_hello(struct vfio_user_link *l, const char *path, char *err, size_t errlen);

#endif
