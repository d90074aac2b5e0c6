/*
 * Our store as a program, with the domains that talk.py plays: the counterpart of
 * test/oracle/xenstored/stand_in.c, with the same files in the same folder. Each domain
 * is one in plain memory; its ring is the file's page. With TREE set domain 1 has a tree,
 * as if xl had made it (test/oracle/domu.sh has the configuration).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"

#define MAX_DOMID  64
#define VIRQ_PORT  1
#define LOCAL_PORT 1000

static const char *dir;
static struct xenstore *xs;
static int events;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char state_of(unsigned domid)
{
	char path[120], c = 0;

	snprintf(path, sizeof(path), "%s/domain.%u", dir, domid);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) != 1)
		c = 'r';
	close(fd);
	return c;
}

static void add(unsigned domid)
{
	struct test_domain *t = test_domain_new(1, PROFILE_XEN_4_17);
	char path[120];

	t->d->domid = (domid_t)domid;
	if (xenstore_bind_port(xs, t->d) != 1)
		die("port");
	struct store_domain *d = domain_find(xs, domid);
	d->ring_mfn = test_frame(t);
	snprintf(path, sizeof(path), "%s/ring.%u", dir, domid);
	int fd = open(path, O_RDWR);
	if (fd < 0 || mmap(frame_ptr(t->d, d->ring_mfn), PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		die(path);
	close(fd);
}

static void make_tree(void)
{
	static const xen_domain_handle_t uuid = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x47, 0x77,
						 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
	struct test_domain *t = test_domain_new(2, PROFILE_XEN_4_17);

	t->d->domid = 1;
	t->d->name = "start_info";
	memcpy(t->d->handle, uuid, sizeof(uuid));
	struct xenstore_domain xd = {
		.domain = t->d,
		.memory_kib = 64 << 10,
		.maxmem_kib = 96 << 10,
		.vcpus_online = 1,
		.store_mfn = test_frame(t),
		.console_mfn = test_frame(t),
		.store_port = (evtchn_port_t)xenstore_bind_port(xs, t->d),
		.console_port = 2,
		.console_type = "xenconsoled",
		.tty = "/dev/pts/0",
		.kernel = "/guests/start_info",
	};
	if (xenstore_introduce(xs, &xd))
		die("tree");
}

static void look_at_domains(void)
{
	for (unsigned i = 1; i < MAX_DOMID; i++)
		switch (state_of(i)) {
		case 0:
		case 'd':
			xenstore_domain_gone(xs, (domid_t)i);
			break;
		case 's':
			xenstore_domain_shut_down(xs, (domid_t)i);
			break;
		}
}

static void on_event(void *arg, uint32_t what)
{
	uint32_t port;

	if (recv(events, &port, sizeof(port), 0) != sizeof(port))
		return;
	struct store_domain *d = domain_find(xs, port - LOCAL_PORT);
	if (port == VIRQ_PORT)
		look_at_domains();
	else if (d)
		ring_notify(d);
}

int main(void)
{
	struct event_loop *loop = event_loop_create();
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char err[200];

	dir = getenv("STAND_IN");
	xs = xenstore_create(loop);
	if (!dir || !xs)
		return 1;
	for (unsigned i = 1; i < MAX_DOMID; i++)
		if (state_of(i))
			add(i);
	if (getenv("TREE"))
		make_tree();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/events", dir);
	events = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (events < 0 || bind(events, (struct sockaddr *)&a, sizeof(a)) ||
	    event_loop_add(loop, events, EPOLLIN, on_event, NULL))
		die("events");
	if (xenstore_listen(xs, getenv("XENSTORED_PATH"), err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	if (event_loop_start(loop))
		die("loop");
	pause();
	return 0;
}
