/*
 * vfio_user_server SOCKET MODEL[,OPTIONS]: serves the model (testcard, nvme, mapped,
 * mapped-unsealed) at SOCKET, which it makes. Prints "ready" when it does. Options are before:
 *
 *	--once			ends with its first client
 *	--dma-messages		reads and writes the guest's memory by messages only
 *	--wrong WHAT[:AFTER[:MS]]	does WHAT (server_socket.c) after so many messages
 *	--fail COMMAND:ERRNO	answers that command so
 *	--version MAJOR.MINOR	says that it speaks this
 *	--json TEXT		its capabilities; "-": none
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/device.h"
#include "test/pci/server.h"
#include "test/unit/test_domain.h"

struct server server;

/* ---- what the device calls ---- */

static void trigger(unsigned index, unsigned vector)
{
	pthread_mutex_lock(&server.lock);
	if (server.trigger[index][vector] >= 0)
		eventfd_write(server.trigger[index][vector], 1);
	pthread_mutex_unlock(&server.lock);
}

void pci_intx(struct pci_device *d, bool asserted)
{
	pthread_mutex_lock(&server.lock);
	server.intx = asserted;
	bool send =
		asserted && !server.intx_masked && server.trigger[VFIO_PCI_INTX_IRQ_INDEX][0] >= 0;
	server.intx_masked |= send;
	pthread_mutex_unlock(&server.lock);
	if (send)
		trigger(VFIO_PCI_INTX_IRQ_INDEX, 0);
}

void pci_msi(struct pci_device *d, unsigned vector)
{
	trigger(VFIO_PCI_MSI_IRQ_INDEX, vector);
}

void pci_msix(struct pci_device *d, unsigned entry)
{
	trigger(VFIO_PCI_MSIX_IRQ_INDEX, entry);
}

void pci_aer(struct pci_device *d, enum pci_aer_severity severity)
{
	trigger(VFIO_PCI_ERR_IRQ_INDEX, 0);
}

void pci_leave(struct pci_device *d)
{
	trigger(VFIO_PCI_REQ_IRQ_INDEX, 0);
}

/* ---- DMA ---- */

/* Asks the client; what else comes meanwhile waits. In the loop's thread. */
static int dma_message(uint16_t command, uint64_t address, void *dst, const void *src, size_t len)
{
	struct vfio_user_dma_access a = {address, len};
	struct vfio_user_header h = {.id = ++server.last_id,
				     .command = command,
				     .size = (uint32_t)(sizeof(h) + sizeof(a) + (src ? len : 0))};
	struct message m;

	if (!server_send(&h, &a, sizeof(a), src, src ? len : 0, NULL, 0))
		return -EIO;
	while (server_receive(&m)) {
		if (!(m.h.flags & VFIO_USER_REPLY)) {
			if (server.nr_queue == SERVER_MAX_QUEUE)
				abort();
			server.queue[server.nr_queue++] = m;
			continue;
		}
		int rc = m.h.id != h.id				 ? -EPROTO
			 : m.h.flags & VFIO_USER_ERROR		 ? -(int)m.h.error
			 : m.size != sizeof(a) + (dst ? len : 0) ? -EPROTO
								 : 0;
		if (!rc && dst)
			memcpy(dst, m.data + sizeof(a), len);
		message_free(&m);
		return rc;
	}
	return -EIO;
}

static int dma(uint64_t address, void *dst, const void *src, size_t len)
{
	for (unsigned i = 0; i < server.nr_maps; i++) {
		uint64_t at = address - server.map[i].address;
		if (at >= server.map[i].size || len > server.map[i].size - at)
			continue;
		if (server.map[i].memory) {
			memcpy(dst ? dst : server.map[i].memory + at,
			       dst ? server.map[i].memory + at : src, len);
			return 0;
		}
	}
	/* Also what it has not: the client is to refuse it. */
	while (len) {
		size_t some = len > 32768 ? 32768 : len;
		int rc = dma_message(dst ? VFIO_USER_DMA_READ : VFIO_USER_DMA_WRITE, address, dst,
				     src, some);
		if (rc)
			return rc;
		address += some;
		dst = dst ? (uint8_t *)dst + some : NULL;
		src = src ? (const uint8_t *)src + some : NULL;
		len -= some;
	}
	return 0;
}

int pci_dma_read(struct pci_device *d, uint64_t maddr, void *dst, size_t len)
{
	return dma(maddr, dst, NULL, len);
}

int pci_dma_write(struct pci_device *d, uint64_t maddr, const void *src, size_t len)
{
	return dma(maddr, NULL, src, len);
}

/* Pages that a device has in its hands: where they are not mapped, a copy. */
static struct bounce {
	uint64_t maddr;
	size_t len;
	void *copy;
	struct bounce *next;
} * bounces;

void *pci_dma_map(struct pci_device *d, uint64_t maddr, size_t len, bool write)
{
	for (unsigned i = 0; i < server.nr_maps; i++) {
		uint64_t at = maddr - server.map[i].address;
		if (at < server.map[i].size && len <= server.map[i].size - at &&
		    server.map[i].memory)
			return server.map[i].memory + at;
	}
	struct bounce *b = calloc(1, sizeof(*b));
	if (!b || !(b->copy = malloc(len)) || dma(maddr, b->copy, NULL, len)) {
		free(b ? b->copy : NULL);
		free(b);
		return NULL;
	}
	b->maddr = maddr;
	b->len = len;
	b->next = bounces;
	bounces = b;
	return b->copy;
}

void pci_dma_unmap(struct pci_device *d, uint64_t maddr, bool write)
{
	for (struct bounce **p = &bounces; *p; p = &(*p)->next) {
		struct bounce *b = *p;
		if (b->maddr != maddr)
			continue;
		*p = b->next;
		if (write)
			dma(maddr, NULL, b->copy, b->len);
		free(b->copy);
		free(b);
		return;
	}
}

/* ---- clients ---- */

static void finish(void)
{
	event_loop_del(server.host.loop, server.fd);
	close(server.fd);
	server.fd = -1;
	server_forget_client();
	if (server.once)
		_exit(0);
	event_loop_mod(server.host.loop, server.listener, EPOLLIN);
}

static void on_message(void *arg, uint32_t events)
{
	struct message m;
	bool ok = server_receive(&m);

	if (ok)
		ok = server_handle(&m);
	message_free(&m);
	while (ok && server.nr_queue) {
		m = server.queue[0];
		memmove(server.queue, server.queue + 1, --server.nr_queue * sizeof(m));
		ok = server_handle(&m);
		message_free(&m);
	}
	if (!ok)
		finish();
}

static void on_client(void *arg, uint32_t events)
{
	int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	/* One at a time: the next waits. */
	event_loop_mod(server.host.loop, server.listener, 0);
	server.fd = fd;
	server.received = 0;
	server.intx_masked = false;
	if (event_loop_add(server.host.loop, fd, EPOLLIN, on_message, NULL))
		_exit(1);
}

/* ---- the device ---- */

static struct pci_device *make_device(char *spec)
{
	static const struct pci_model *const models[] = {&pci_testcard, &pci_nvme};
	char err[300] = "", *options = strchr(spec, ',');
	struct pci_device *d = NULL;

	if (options)
		*options++ = 0;
	if (!strcmp(spec, "mapped") || !strcmp(spec, "mapped-unsealed"))
		return mapped_card_create(&server.host, !strcmp(spec, "mapped"), &server.bar_fd[0]);
	for (unsigned i = 0; i < sizeof(models) / sizeof(*models); i++)
		if (!strcmp(spec, models[i]->name))
			d = models[i]->create(&server.host, options, err, sizeof(err));
	if (!d)
		fprintf(stderr, "vfio_user_server: %s: %s\n", spec,
			err[0] ? err : "there is no such model");
	return d;
}

static bool read_option(int c, char *arg)
{
	struct wrongs *w = &server.wrong;

	switch (c) {
	case 'o':
		server.once = true;
		return true;
	case 'd':
		server.messages_only = true;
		return true;
	case 'w':
		w->what = strsep(&arg, ":");
		w->after = arg ? (unsigned)strtoul(arg, &arg, 10) : 0;
		w->ms = arg && *arg == ':' ? (unsigned)atoi(arg + 1) : 0;
		return server_knows_wrong(w->what);
	case 'f':
		return sscanf(arg, "%u:%u", &w->fail_command, &w->fail_errno) == 2;
	case 'v':
		w->minor_given = 1;
		return sscanf(arg, "%u.%u", &w->major, &w->minor) == 2;
	case 'j':
		w->json = arg;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"once", 0, NULL, 'o'}, {"dma-messages", 0, NULL, 'd'}, {"wrong", 1, NULL, 'w'},
		{"fail", 1, NULL, 'f'}, {"version", 1, NULL, 'v'},	{"json", 1, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int c;

	pthread_mutex_init(&server.lock, NULL);
	memset(server.trigger, 0xff, sizeof(server.trigger));
	memset(server.bar_fd, 0xff, sizeof(server.bar_fd));
	server.fd = -1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!read_option(c, optarg))
			return 2;
	if (argc - optind != 2 || strlen(argv[optind]) >= sizeof(a.sun_path)) {
		fprintf(stderr, "usage: vfio_user_server [OPTION]... SOCKET MODEL[,OPTIONS]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	server.host.domain = test_domain_new(1, PROFILE_XEN_4_17)->d;
	server.host.loop = event_loop_create();
	server.d = make_device(argv[optind + 1]);
	if (!server.d)
		return 1;
	strcpy(a.sun_path, argv[optind]);
	unlink(a.sun_path);
	server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server.listener < 0 || bind(server.listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(server.listener, 4) ||
	    event_loop_add(server.host.loop, server.listener, EPOLLIN, on_client, NULL) ||
	    event_loop_start(server.host.loop)) {
		perror(argv[optind]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
