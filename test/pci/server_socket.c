/*
 * The server's end of the socket, and what it does wrong there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "test/pci/server.h"

bool server_send(const struct vfio_user_header *h, const void *data, size_t size, const void *data2,
		 size_t size2, const int *fds, unsigned nr_fds)
{
	struct iovec iov[3] = {{(void *)(uintptr_t)h, sizeof(*h)},
			       {(void *)(uintptr_t)data, size},
			       {(void *)(uintptr_t)data2, size2}};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))] = {0};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 3};
	size_t left = sizeof(*h) + size + size2;

	if (nr_fds) {
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	while (left) {
		ssize_t n = sendmsg(server.fd, &m, MSG_NOSIGNAL);
		if (n < 0)
			return false;
		left -= (size_t)n;
		m.msg_control = NULL;
		m.msg_controllen = 0;
		for (; m.msg_iovlen && (size_t)n >= m.msg_iov->iov_len; m.msg_iovlen--)
			n -= (ssize_t)m.msg_iov++->iov_len;
		if (m.msg_iovlen) {
			m.msg_iov->iov_base = (uint8_t *)m.msg_iov->iov_base + n;
			m.msg_iov->iov_len -= (size_t)n;
		}
	}
	return true;
}

static bool receive(struct message *msg, void *buf, size_t len)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(SERVER_MAX_FDS * sizeof(int))];

	while (len) {
		struct iovec iov = {buf, len};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control,
				   .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(server.fd, &m, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return false;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) &&
					   msg->nr_fds < SERVER_MAX_FDS;
			     i++)
				memcpy(&msg->fds[msg->nr_fds++], CMSG_DATA(c) + i * sizeof(int),
				       sizeof(int));
		buf = (uint8_t *)buf + n;
		len -= (size_t)n;
	}
	return true;
}

bool server_receive(struct message *m)
{
	memset(m, 0, sizeof(*m));
	if (!receive(m, &m->h, sizeof(m->h)))
		return false;
	if (m->h.size < sizeof(m->h) || m->h.size > SERVER_MAX_DATA) {
		fprintf(stderr, "the client sends a message of %u bytes\n", m->h.size);
		return false;
	}
	m->size = m->h.size - sizeof(m->h);
	m->data = calloc(1, m->size + 1);
	return m->data && receive(m, m->data, m->size);
}

void message_free(struct message *m)
{
	for (unsigned i = 0; i < m->nr_fds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	free(m->data);
	m->data = NULL;
	m->nr_fds = 0;
}

/* ---- what it does wrong ---- */

static struct vfio_user_header reply_to(const struct message *m, size_t size)
{
	return (struct vfio_user_header){.id = m->h.id,
					 .command = m->h.command,
					 .size = (uint32_t)(sizeof(m->h) + size),
					 .flags = VFIO_USER_REPLY};
}

static void say_nothing(const struct message *m)
{
}

static void die(const struct message *m)
{
	_exit(0);
}

static void hang_up(const struct message *m)
{
	shutdown(server.fd, SHUT_RDWR);
}

static void garbage(const struct message *m)
{
	char text[256];

	memset(text, 0xa5, sizeof(text));
	send(server.fd, text, sizeof(text), MSG_NOSIGNAL);
}

static void half(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 4000);

	send(server.fd, &h, sizeof(h), MSG_NOSIGNAL);
	send(server.fd, "half", 4, MSG_NOSIGNAL);
}

static void other_id(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 0);

	h.id += 7;
	server_send(&h, NULL, 0, NULL, 0, NULL, 0);
}

static void other_command(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 0);

	h.command =
		h.command == VFIO_USER_DEVICE_RESET ? VFIO_USER_VERSION : VFIO_USER_DEVICE_RESET;
	server_send(&h, NULL, 0, NULL, 0, NULL, 0);
}

static void small_size(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 0);

	h.size = 15;
	server_send(&h, NULL, 0, NULL, 0, NULL, 0);
}

static void huge_size(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 0);

	h.size = 0xffffffff;
	server_send(&h, NULL, 0, NULL, 0, NULL, 0);
}

static void short_answer(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 2);

	server_send(&h, "xx", 2, NULL, 0, NULL, 0);
}

static void long_answer(const struct message *m)
{
	static const char much[8192];
	struct vfio_user_header h = reply_to(m, sizeof(much));

	server_send(&h, much, sizeof(much), NULL, 0, NULL, 0);
}

static void many_fds(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 0);
	int fds[64];

	for (unsigned i = 0; i < 64; i++)
		fds[i] = server.fd;
	server_send(&h, NULL, 0, NULL, 0, fds, 64);
}

static void dma_size(const struct message *m)
{
	struct vfio_user_dma_access a = {0, 4096};
	struct vfio_user_header h = {.command = VFIO_USER_DMA_WRITE,
				     .size = sizeof(h) + sizeof(a) + 4};

	server_send(&h, &a, sizeof(a), "four", 4, NULL, 0);
}

static void dma_huge(const struct message *m)
{
	struct vfio_user_dma_access a = {0, 1ull << 40};
	struct vfio_user_header h = {.command = VFIO_USER_DMA_READ, .size = sizeof(h) + sizeof(a)};

	server_send(&h, &a, sizeof(a), NULL, 0, NULL, 0);
}

static void reply_type(const struct message *m)
{
	struct vfio_user_header h = reply_to(m, 0);

	h.flags = 7;
	server_send(&h, NULL, 0, NULL, 0, NULL, 0);
}

static const struct {
	const char *what;
	void (*act)(const struct message *m);
} server_wrongs[] = {
	{"silent", say_nothing},
	{"die", die},
	{"hang-up", hang_up},
	{"garbage", garbage},
	{"half", half},
	{"other-id", other_id},
	{"other-command", other_command},
	{"small-size", small_size},
	{"huge-size", huge_size},
	{"short", short_answer},
	{"long", long_answer},
	{"many-fds", many_fds},
	{"dma-size", dma_size},
	{"dma-huge", dma_huge},
	{"type", reply_type},
};

bool server_knows_wrong(const char *what)
{
	for (unsigned i = 0; i < sizeof(server_wrongs) / sizeof(*server_wrongs); i++)
		if (!strcmp(what, server_wrongs[i].what))
			return true;
	return !strcmp(what, "slow");
}

bool server_misbehave(const struct message *m)
{
	const struct wrongs *w = &server.wrong;

	if (w->fail_command && m->h.command == w->fail_command) {
		struct vfio_user_header h = reply_to(m, 0);
		h.flags |= VFIO_USER_ERROR;
		h.error = w->fail_errno;
		server_send(&h, NULL, 0, NULL, 0, NULL, 0);
		return true;
	}
	if (!w->what || server.received <= w->after)
		return false;
	if (!strcmp(w->what, "slow")) {
		nanosleep(&(struct timespec){w->ms / 1000, w->ms % 1000 * 1000000l}, NULL);
		return false;
	}
	for (unsigned i = 0; i < sizeof(server_wrongs) / sizeof(*server_wrongs); i++)
		if (!strcmp(w->what, server_wrongs[i].what))
			server_wrongs[i].act(m);
	return true;
}
