/*
 * The control socket: connections, lines, answers. Nothing here ever waits. While an
 * answer is on its way, or is still to come, nothing more is read of a connection: it
 * holds one request and one answer at most.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/xenstore/local.h"
#include "vmm/control/control_internal.h"

static void call_free(struct peer *p)
{
	struct call *c = &p->call;

	if (c->watch)
		xenstore_unwatch(c->watch);
	if (c->cancel)
		c->cancel(c);
	json_decref(c->args);
	json_decref(c->result);
	json_decref(p->id);
	*c = (struct call){.control = p->control};
	p->id = NULL;
	p->waiting = false;
}

static void peer_free(struct peer *p)
{
	struct control *c = p->control;

	for (struct peer **at = &c->peers; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	c->nr_peers--;
	call_free(p);
	close(p->fd);
	free(p->out);
	free(p);
}

static void peer_close(struct peer *p)
{
	event_loop_del(p->control->loop, p->fd);
	peer_free(p);
}

/* Where the first line in `in` ends; NULL: it is not complete. */
static char *line_end(struct peer *p)
{
	return memchr(p->in, '\n', p->used);
}

static void look_for(struct peer *p)
{
	uint32_t events = 0;

	if (p->out || (!p->waiting && line_end(p)))
		events = EPOLLOUT; /* for a line: soon, when the others had their turn */
	else if (!p->waiting && !p->ended)
		events = EPOLLIN;
	if (events != p->events)
		event_loop_mod(p->control->loop, p->fd, events);
	p->events = events;
}

/* ---- answers ---- */

static void put_answer(struct peer *p, json_t *answer)
{
	json_object_set_new(answer, "version", json_integer(CONTROL_VERSION));
	if (p->id)
		json_object_set(answer, "id", p->id);
	char *text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	size_t len = text ? strlen(text) : 0;
	char *out = text ? realloc(text, len + 1) : NULL;
	if (!out) {
		free(text);
		p->closing = true; /* no memory: the connection says so */
		return;
	}
	out[len] = '\n';
	p->out = out;
	p->out_len = len + 1;
	p->out_done = 0;
}

static void put_error(struct peer *p, int rc, const char *text)
{
	json_t *answer = json_object();
	const char *name = strerrorname_np(-rc);

	json_object_set_new(answer, "error", json_string(name ? name : "EIO"));
	json_object_set_new(answer, "text", json_text(text));
	put_answer(p, answer);
}

static void put_result(struct peer *p, int rc)
{
	if (rc < 0) {
		put_error(p, rc, p->call.err.text);
	} else {
		json_t *answer = json_object();
		json_object_set(answer, "ok", p->call.result);
		put_answer(p, answer);
	}
	call_free(p);
}

/* ---- requests ---- */

/* Reads one line. 0 with *r; or negative errno with a sentence. */
static int read_request(struct peer *p, const char *line, size_t len, const struct request **r)
{
	struct call *call = &p->call;
	json_error_t e;
	json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, &e);
	json_t *id, *args;
	const char *name;
	json_int_t version = 0;

	if (!json_is_object(j)) {
		json_decref(j);
		return error_set(&call->err, -EBADMSG, "a request is a JSON object%s%s",
				 e.text[0] ? ": " : "", e.text[0] ? e.text : "");
	}
	id = json_object_get(j, "id");
	if (json_is_integer(id) || json_is_string(id))
		p->id = json_incref(id);
	version = json_integer_value(json_object_get(j, "version"));
	name = json_string_value(json_object_get(j, "request"));
	args = json_object_get(j, "args");
	call->args = args ? json_incref(args) : json_object();
	int rc = 0;
	if (version != CONTROL_VERSION)
		rc = error_set(&call->err, -EPROTO, "this domain speaks version %d, not %lld",
			       CONTROL_VERSION, (long long)version);
	else if (!name)
		rc = error_set(&call->err, -EINVAL, "\"request\" is missing");
	else if (!json_is_object(call->args))
		rc = error_set(&call->err, -EINVAL, "\"args\" is no object");
	else if (!(*r = request_find(name)))
		rc = error_set(&call->err, -ENOSYS, "there is no request '%.40s'", name);
	json_decref(j);
	return rc;
}

static void serve_line(struct peer *p, const char *line, size_t len)
{
	const struct request *r;

	p->activity = ++p->control->clock;
	p->call.result = json_object();
	int rc = read_request(p, line, len, &r);
	if (!rc)
		rc = r->fn(&p->call);
	if (rc == CALL_LATER)
		p->waiting = true;
	else
		put_result(p, rc);
}

/* The first complete line, if there is one and nothing else is to be done. */
static void serve(struct peer *p)
{
	char *end = line_end(p);

	if (p->out || p->waiting || p->closing)
		return;
	if (end) {
		size_t len = (size_t)(end - p->in);
		serve_line(p, p->in, len);
		p->used -= len + 1;
		memmove(p->in, end + 1, p->used);
	} else if (p->used == sizeof(p->in)) {
		put_error(p, -EMSGSIZE, "the line is too long");
		p->closing = true;
	} else if (p->ended) {
		p->closing = true;
	}
}

/* False: the peer is gone. */
static bool deliver(struct peer *p)
{
	while (p->out) {
		ssize_t n = send(p->fd, p->out + p->out_done, p->out_len - p->out_done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		p->out_done += (size_t)n;
		if (p->out_done == p->out_len) {
			free(p->out);
			p->out = NULL;
		}
	}
	return true;
}

static bool receive(struct peer *p)
{
	if (p->out || p->waiting || p->ended || line_end(p) || p->used == sizeof(p->in))
		return true;
	ssize_t n = recv(p->fd, p->in + p->used, sizeof(p->in) - p->used, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	p->used += (size_t)n;
	p->ended = n == 0;
	return true;
}

static void on_peer(void *arg, uint32_t events)
{
	struct peer *p = arg;
	/* Nobody will read what is still to come. */
	bool alive = !(events & (EPOLLHUP | EPOLLERR)) || !(p->waiting || p->out);

	alive = alive && deliver(p) && receive(p);
	if (alive) {
		serve(p);
		alive = deliver(p) && !(p->closing && !p->out);
	}
	if (alive)
		look_for(p);
	else
		peer_close(p);
}

/* ---- answers that come later ---- */

static void answer_later(struct peer *p, int rc)
{
	put_result(p, rc);
	look_for(p); /* its handler delivers, or finds that the peer is gone */
}

static void on_change(void *arg)
{
	struct peer *p = arg;
	int rc = p->call.again(&p->call);

	if (rc != CALL_LATER)
		answer_later(p, rc);
}

static struct peer *peer_of(struct call *call)
{
	return (struct peer *)((char *)call - offsetof(struct peer, call));
}

int call_defer(struct call *call, void (*cancel)(struct call *call), void *later)
{
	call->cancel = cancel;
	call->later = later;
	return CALL_LATER;
}

void call_done(struct call *call, int rc)
{
	call->cancel = NULL;
	answer_later(peer_of(call), rc);
}

int call_watch(struct call *call, const char *path, int (*again)(struct call *call))
{
	struct peer *p = peer_of(call);

	call->again = again;
	call->watch = xenstore_watch(call->control->domain.xenstore, path, on_change, p);
	return call->watch ? CALL_LATER : error_set(&call->err, -ENOMEM, "out of memory");
}

void control_end(struct control *c, const char *how)
{
	for (struct peer *p = c->peers; p; p = p->next) {
		if (!p->waiting)
			continue;
		json_object_set_new(p->call.result, "ended", json_string(how));
		put_result(p, p->call.at_end
				      ? 0
				      : error_set(&p->call.err, -ENODEV, "the domain has ended"));
		deliver(p);
	}
}

/* ---- connections ---- */

/* Makes room for one more. What waits for an answer has a reason to be idle, but somebody
 * who lets all of them wait must not keep others out either. */
static void evict(struct control *c)
{
	struct peer *oldest = NULL;

	for (struct peer *p = c->peers; p; p = p->next)
		if (!oldest || (p->waiting == oldest->waiting ? p->activity < oldest->activity
							      : oldest->waiting))
			oldest = p;
	peer_close(oldest);
}

/* A connection that is left waiting would wake the loop for ever. */
static void refuse(struct control *c)
{
	close(c->spare_fd);
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	c->spare_fd = eventfd(0, EFD_CLOEXEC);
}

static void on_listener(void *arg, uint32_t events)
{
	struct control *c = arg;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse(c);
		return;
	}
	if (c->nr_peers == CONTROL_MAX_PEERS)
		evict(c);
	struct peer *p = calloc(1, sizeof(*p));
	if (!p || event_loop_add(c->loop, fd, EPOLLIN, on_peer, p)) {
		free(p);
		close(fd);
		return;
	}
	p->control = p->call.control = c;
	p->fd = fd;
	p->events = EPOLLIN;
	p->activity = ++c->clock;
	p->next = c->peers;
	c->peers = p;
	c->nr_peers++;
}

struct control *control_create(struct event_loop *l, const struct control_domain *d,
			       const char *path, struct error *err)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (c) {
		c->loop = l;
		c->domain = *d;
		c->spare_fd = eventfd(0, EFD_CLOEXEC);
		rc = c->fd = socket_file_listen(&c->file, path, 16);
		if (rc >= 0)
			rc = event_loop_add(l, c->fd, EPOLLIN, on_listener, c);
	}
	if (!rc)
		return c;
	error_set(err, rc, "cannot listen on '%s': %s", path, strerror(-rc));
	if (c) {
		socket_file_remove(&c->file);
		if (c->fd >= 0)
			close(c->fd);
		if (c->spare_fd >= 0)
			close(c->spare_fd);
		free(c);
	}
	return NULL;
}

void control_destroy(struct control *c)
{
	while (c->peers)
		peer_free(c->peers);
	look_waits_free(c);
	close(c->fd);
	close(c->spare_fd);
	socket_file_remove(&c->file);
	free(c);
}
