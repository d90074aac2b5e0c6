/*
 * The socket: one client, its bytes, and which packet is served when. Nothing here ever
 * waits. While an answer is on its way nothing more is read, and of what the client sends
 * while the domain runs only ^C and the end count.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/device.h"
#include "vmm/gdb/gdb_internal.h"
#include "vmm/options.h"
#include "vmm/runtime_dir.h"

static void look_for(struct gdb_server *s);

/* ---- sending ---- */

void gdb_send(struct gdb_server *s)
{
	if (s->reply.full) {
		/* No memory: the client gets an error that it can do something about. */
		s->reply.full = false;
		s->reply.len = 0;
		gdb_error(s, -ENOMEM);
	}
	gdb_text_packet(&s->out, s->reply.len ? s->reply.buf : "", s->reply.len);
	if (!s->no_ack) {
		s->last.len = 0;
		gdb_text_packet(&s->last, s->reply.len ? s->reply.buf : "", s->reply.len);
	}
	s->reply.len = 0;
}

/* False: the client is gone. */
static bool deliver(struct gdb_server *s)
{
	while (s->out_done < s->out.len) {
		ssize_t n = send(s->fd, s->out.buf + s->out_done, s->out.len - s->out_done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		s->out_done += (size_t)n;
	}
	if (s->out.len && s->out.full)
		return false; /* part of an answer is lost */
	s->out.len = s->out_done = 0;
	return true;
}

/* ---- the client's end ---- */

static void forget_client(struct gdb_server *s)
{
	event_loop_del(s->p.loop, s->fd);
	close(s->fd);
	s->fd = -1;
	s->in_used = s->in_len = 0;
	gdb_text_free(&s->out);
	gdb_text_free(&s->last);
	gdb_text_free(&s->reply);
	s->out_done = 0;
	s->no_ack = s->closing = false;
	atomic_store(&s->has_client, false);
}

void gdb_let_end(struct gdb_server *s)
{
	if (atomic_exchange(&s->holds_end, false))
		guest_stop(s->p.guest);
}

/* The domain goes on as if there had been no debugger. */
static void release(struct gdb_server *s)
{
	if (debugger_is_dead(s->debugger)) {
		s->state = GDB_IDLE;
		gdb_let_end(s);
		return;
	}
	/* An int3 may be on its way to us: it must find its breakpoint. */
	s->state = GDB_LEAVING;
	if (!s->debugger->held)
		debugger_stop(s->debugger);
	if (debugger_at_rest(s->debugger)) {
		debugger_release(s->debugger);
		s->state = GDB_IDLE;
	}
}

void gdb_leave(struct gdb_server *s)
{
	s->closing = true;
	release(s);
}

void gdb_destroy_domain(struct gdb_server *s)
{
	s->closing = true;
	s->p.destroy(s->p.arg);
}

static void client_gone(struct gdb_server *s)
{
	bool leaving = s->closing;

	forget_client(s);
	if (!leaving)
		release(s);
}

void gdb_server_drop_client(struct gdb_server *s)
{
	if (s->fd >= 0)
		client_gone(s);
}

/* ---- packets ---- */

static const struct gdb_command *find_command(const char *text)
{
	return gdb_command_find(*text == 'q' || *text == 'Q' ? gdb_queries : gdb_commands, text);
}

static void serve_packet(struct gdb_server *s)
{
	const char *text = s->parser.text;
	const struct gdb_command *c = find_command(text);

	if (c && c->fn && c->needs_rest && !debugger_at_rest(s->debugger)) {
		s->state = GDB_STOPPING;
		debugger_stop(s->debugger);
		return;
	}
	s->state = GDB_IDLE;
	if (!c || !c->fn || c->fn(s, text + strlen(c->name)) == GDB_REPLY)
		gdb_send(s);
}

/* While the domain runs. */
static void serve_running(struct gdb_server *s)
{
	switch (s->parser.text[0]) {
	case 'D':
	case 'k':
		serve_packet(s);
		break;
	case 'v':
		if (!strncmp(s->parser.text, "vKill", 5))
			serve_packet(s);
		break;
	default:
		break;
	}
}

static void serve_input(struct gdb_server *s, enum gdb_input in)
{
	switch (in) {
	case GDB_PACKET:
		if (!s->no_ack)
			gdb_text_add(&s->out, "+", 1);
		if (s->state == GDB_RUNNING)
			serve_running(s);
		else
			serve_packet(s);
		break;
	case GDB_BAD:
		if (!s->no_ack) {
			gdb_text_add(&s->out, "-", 1);
		} else if (s->state != GDB_RUNNING) {
			gdb_error(s, -EBADMSG);
			gdb_send(s);
		}
		break;
	case GDB_STOP:
		if (s->state == GDB_RUNNING)
			debugger_stop(s->debugger);
		break;
	case GDB_NACK:
		if (!s->no_ack && s->last.len)
			gdb_text_add(&s->out, s->last.buf, s->last.len);
		break;
	default:
		break;
	}
}

static bool may_serve(const struct gdb_server *s)
{
	return !s->out.len && !s->closing && s->state != GDB_STOPPING && s->state != GDB_LEAVING;
}

/* What has been read, up to the first packet whose answer does not fit. */
static void serve(struct gdb_server *s)
{
	while (s->fd >= 0 && may_serve(s) && s->in_used < s->in_len) {
		size_t used;
		enum gdb_input in =
			gdb_parse(&s->parser, s->in + s->in_used, s->in_len - s->in_used, &used);
		s->in_used += used;
		serve_input(s, in);
		if (!deliver(s)) {
			client_gone(s);
			return;
		}
	}
}

/* False: the client is gone. */
static bool receive(struct gdb_server *s)
{
	if (!may_serve(s) || s->in_used < s->in_len)
		return true;
	ssize_t n = recv(s->fd, s->in, sizeof(s->in), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	s->in_used = 0;
	s->in_len = (size_t)n;
	return n > 0;
}

static void on_client(void *arg, uint32_t events)
{
	struct gdb_server *s = arg;

	if (!deliver(s) || (events & EPOLLERR) || !receive(s) ||
	    ((events & EPOLLHUP) && !may_serve(s))) {
		client_gone(s);
		return;
	}
	serve(s);
	look_for(s);
}

static void look_for(struct gdb_server *s)
{
	uint32_t events = 0;

	if (s->fd < 0)
		return;
	if (s->closing && !s->out.len) {
		forget_client(s);
		return;
	}
	if (s->out.len || (may_serve(s) && s->in_used < s->in_len))
		events = EPOLLOUT;
	else if (may_serve(s))
		events = EPOLLIN;
	if (events != s->events)
		event_loop_mod(s->p.loop, s->fd, events);
	s->events = events;
}

/* ---- the domain ---- */

static void rested(struct gdb_server *s)
{
	switch (s->state) {
	case GDB_RUNNING:
		s->state = GDB_IDLE;
		gdb_stop_reply(s);
		gdb_send(s);
		break;
	case GDB_STOPPING:
		serve_packet(s);
		break;
	case GDB_LEAVING:
		debugger_release(s->debugger);
		s->state = GDB_IDLE;
		break;
	default:
		break;
	}
}

static void on_event(void *arg, uint32_t events)
{
	struct gdb_server *s = arg;
	eventfd_t n;

	eventfd_read(s->debugger->event_fd, &n);
	if (atomic_load(&s->holds_end) && s->fd < 0)
		gdb_let_end(s);
	if (s->state == GDB_IDLE || s->debugger->held || !debugger_at_rest(s->debugger))
		return;
	rested(s);
	if (s->fd < 0)
		return;
	if (!deliver(s)) {
		client_gone(s);
		return;
	}
	serve(s);
	look_for(s);
}

/* ---- connections ---- */

/* A connection that is left waiting would wake the loop for ever. */
static void refuse(struct gdb_server *s)
{
	close(s->spare_fd);
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	s->spare_fd = eventfd(0, EFD_CLOEXEC);
}

static void on_listener(void *arg, uint32_t events)
{
	struct gdb_server *s = arg;
	int on = 1, fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse(s);
		return;
	}
	/* One at a time; and the last one's breakpoints must be gone. */
	if (s->fd >= 0 || s->state != GDB_IDLE ||
	    event_loop_add(s->p.loop, fd, EPOLLIN, on_client, s)) {
		close(fd);
		return;
	}
	if (s->p.where.port)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	s->events = EPOLLIN;
	s->parser.state = GDB_BETWEEN;
	s->swbreak = s->hwbreak = false;
	s->vcpu = 0;
	s->step_vcpu = -1;
	atomic_store(&s->has_client, true);
}

static int listen_tcp(struct gdb_server *s, struct error *err)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)s->p.where.port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;

	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listen_fd >= 0)
		setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s->listen_fd < 0 || bind(s->listen_fd, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(s->listen_fd, 1))
		return error_set(err, -errno, "cannot listen for gdb on port %u: %s",
				 s->p.where.port, strerror(errno));
	snprintf(s->where, sizeof(s->where), "localhost:%u", s->p.where.port);
	return 0;
}

static int listen_unix(struct gdb_server *s, struct error *err)
{
	int rc;

	if (s->p.where.path) {
		snprintf(s->where, sizeof(s->where), "%s", s->p.where.path);
		rc = runtime_socket_clear(s->where, err);
	} else if (s->p.dir->fd < 0) {
		return error_set(err, -ENOENT,
				 "there is no folder for gdb's socket; use --gdb=PORT or "
				 "--gdb=unix:PATH");
	} else {
		rc = runtime_dir_socket(s->p.dir, GDB_SOCKET, s->where, sizeof(s->where), err);
	}
	if (rc)
		return rc;
	s->listen_fd = socket_file_listen(&s->file, s->where, 1);
	return s->listen_fd < 0 ? error_set(err, s->listen_fd, "cannot make the socket '%s': %s",
					    s->where, strerror(-s->listen_fd))
				: 0;
}

int gdb_where_parse(struct gdb_where *w, const char *text, struct error *err)
{
	unsigned long long port;

	*w = (struct gdb_where){.path = NULL};
	if (!text)
		return 0;
	if (!strncmp(text, "unix:", 5)) {
		w->path = text + 5;
		if (*w->path && strlen(w->path) < sizeof(((struct sockaddr_un *)0)->sun_path))
			return 0;
	} else if (!option_number("gdb", "a port", text, 1, 65535, &port, err)) {
		w->port = (unsigned)port;
		return 0;
	}
	return error_set(
		err, -EINVAL,
		"option --gdb takes a TCP port, 1 to 65535, or unix:PATH with a path of at "
		"most %zu characters, not '%.120s'",
		sizeof(((struct sockaddr_un *)0)->sun_path) - 1, text);
}

static int start(struct gdb_server *s, struct error *err)
{
	int rc;

	s->debugger = debugger_create(s->p.guest);
	s->avx = s->p.guest->cpuid.xcr0_mask & 4;
	s->xml = registers_xml(s->avx);
	if (!s->debugger || !s->xml)
		return error_set(err, -ENOMEM, "out of memory");
	rc = s->p.where.port ? listen_tcp(s, err) : listen_unix(s, err);
	if (rc)
		return rc;
	if (event_loop_add(s->p.loop, s->listen_fd, EPOLLIN, on_listener, s) ||
	    event_loop_add(s->p.loop, s->debugger->event_fd, EPOLLIN, on_event, s))
		return error_set(err, -ENOMEM, "out of memory");
	/* From now on the vcpus' threads may use it. */
	atomic_store(&s->p.guest->debugger, s->debugger);
	atomic_store(&s->p.guest->gdb, s);
	if (s->p.wait)
		debugger_stop(s->debugger);
	return 0;
}

struct gdb_server *gdb_server_create(const struct gdb_params *p, struct error *err)
{
	struct gdb_server *s = calloc(1, sizeof(*s));

	if (!s) {
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	s->p = *p;
	s->listen_fd = s->fd = -1;
	s->spare_fd = eventfd(0, EFD_CLOEXEC);
	s->step_vcpu = -1;
	if (!start(s, err))
		return s;
	gdb_server_destroy(s);
	return NULL;
}

const char *gdb_server_where(const struct gdb_server *s)
{
	return s->where;
}

bool gdb_server_has_client(const struct gdb_server *s)
{
	return s->fd >= 0;
}

bool gdb_server_crashed(struct gdb_server *s)
{
	if (!atomic_load(&s->has_client))
		return false;
	atomic_store(&s->holds_end, true);
	eventfd_write(s->debugger->event_fd, 1);
	return true;
}

void gdb_server_end(struct gdb_server *s, int code)
{
	if (s->fd < 0)
		return;
	/* gdb takes these only while it waits for a stop. */
	if (s->state == GDB_RUNNING) {
		if (code >= 0)
			gdb_text_printf(&s->reply, "W%02x", (unsigned)code & 0xff);
		else
			gdb_text_printf(&s->reply, "X09");
		gdb_send(s);
		deliver(s);
	}
	forget_client(s);
}

void gdb_server_destroy(struct gdb_server *s)
{
	if (s->fd >= 0)
		forget_client(s);
	if (s->debugger) {
		event_loop_del(s->p.loop, s->debugger->event_fd);
		if (atomic_load(&s->p.guest->gdb) == s) {
			atomic_store(&s->p.guest->gdb, NULL);
			atomic_store(&s->p.guest->debugger, NULL);
		}
		debugger_destroy(s->debugger);
	}
	if (s->listen_fd >= 0) {
		event_loop_del(s->p.loop, s->listen_fd);
		close(s->listen_fd);
	}
	if (s->spare_fd >= 0)
		close(s->spare_fd);
	socket_file_remove(&s->file);
	gdb_text_free(&s->reply);
	gdb_text_free(&s->out);
	gdb_text_free(&s->last);
	free(s->xml);
	free(s);
}
