/*
 * A vfio-user server for tests, to the public specification (vfio_user_protocol.h): serves one
 * of our models, or the card of mapped_card.c, to one client after another, and breaks the
 * protocol as it is told to. Everything runs in its event loop's thread, interrupts excepted.
 */
#ifndef TEST_PCI_SERVER_H
#define TEST_PCI_SERVER_H

#include <pthread.h>

#include "devices/pci/pci_device.h"
#include "devices/pci/vfio_user_protocol.h"

#define SERVER_MAX_MAPS	 16
#define SERVER_MAX_FDS	 8
#define SERVER_MAX_DATA	 65536
#define SERVER_MAX_QUEUE 64

struct message {
	struct vfio_user_header h;
	uint8_t *data; /* size bytes, allocated */
	size_t size;
	int fds[SERVER_MAX_FDS];
	unsigned nr_fds;
};

/* What it does wrong, in its `after`th message from the client on (0: the first). */
struct wrongs {
	const char *what; /* a name of server_wrongs; NULL: nothing */
	unsigned after, ms;
	/* This command is answered with this errno. */
	unsigned fail_command, fail_errno;
	/* What it says of itself. */
	unsigned major, minor, minor_given;
	const char *json;
};

struct server {
	struct pci_device *d;
	struct pci_host host;
	struct wrongs wrong;
	int listener, fd;
	bool messages_only; /* DMA by messages, whatever the client shares */
	bool once;	    /* ends with its first client */
	unsigned received, client_fds;
	struct {
		uint64_t address, size;
		uint8_t *memory; /* NULL: by messages */
	} map[SERVER_MAX_MAPS];
	unsigned nr_maps;
	/* What came while a DMA message waited for its answer. */
	struct message queue[SERVER_MAX_QUEUE];
	unsigned nr_queue;
	uint16_t last_id;
	/* A file that BAR n's areas are in; -1: none */
	int bar_fd[PCI_NR_BARS];
	/* Interrupts: any thread. */
	pthread_mutex_t lock;
	int trigger[VFIO_PCI_NUM_IRQS][PCI_MAX_MSIX];
	bool intx, intx_masked;
};
/* The one that pci_msi() and the like are of. */
extern struct server server;

/* server_socket.c. False: the client is gone. */
bool server_send(const struct vfio_user_header *h, const void *data, size_t size, const void *data2,
		 size_t size2, const int *fds, unsigned nr_fds);
bool server_receive(struct message *m);
void message_free(struct message *m);
/* True: what was to be done wrong was done, and there is nothing else to do. */
bool server_misbehave(const struct message *m);
bool server_knows_wrong(const char *what);

/* server_messages.c */
bool server_handle(struct message *m);
/* The client is gone: its memory and descriptors are forgotten, the device stays. */
void server_forget_client(void);

/* mapped_card.c: BAR 0 of 16 KiB: page 0 registers, pages 1 and 2 a file that can be mapped
 * (sealed or not), page 3 an MSI-X table of 4 entries. A write of n to register 0 sends
 * MSI-X n; register 4 counts such writes; register 8 is a bell's count, its bell at 0x10. */
struct pci_device *mapped_card_create(struct pci_host *h, bool sealed, int *bar_fd);

#endif
