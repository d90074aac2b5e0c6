/*
 * A run's console, xenstore and control socket.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "vmm/gdb/gdb.h"
#include "vmm/run_internal.h"

static void on_escape(void *arg)
{
	struct run *r = arg;

	atomic_store(&r->ended_by, ENDED_BY_ESCAPE);
	guest_stop(&r->guest);
}

static void on_destroy(void *arg)
{
	struct run *r = arg;

	atomic_store(&r->ended_by, ENDED_BY_DESTROY);
	guest_stop(&r->guest);
}

/* The socket in the domain's folder, which others look for there. */
static int console_socket(struct run *r)
{
	if (r->dir.fd < 0)
		return error_set(&r->err, -ENOENT,
				 "there is no folder for the console's socket; "
				 "use --console=socket:PATH");
	return runtime_dir_socket(&r->dir, CONSOLE_SOCKET_FILE, r->console_path,
				  sizeof(r->console_path), &r->err);
}

int run_create_console(struct run *r)
{
	struct guest *g = &r->guest;
	struct console_params cp = {
		.kind = r->o->console,
		.path = r->o->console_path,
		.escape = on_escape,
		.escape_arg = r,
	};

	r->loop = event_loop_create();
	if (!r->loop)
		return error_set(&r->err, -errno, "cannot make an event loop: %s", strerror(errno));
	if (cp.kind == CONSOLE_SOCKET && !cp.path) {
		int rc = console_socket(r);
		if (rc)
			return rc;
		cp.path = r->console_path;
	}
	g->console = console_create(r->loop, &cp, r->err.text, sizeof(r->err.text));
	if (!g->console)
		return -EIO;
	if (r->o->console == CONSOLE_PTY && r->o->log_level >= LOG_WARN)
		fprintf(stderr, "xenolith: the console is on %s\n", console_where(g->console));
	return 0;
}

/* Where the user wants it, else in the domain's folder. */
static int listen_for_programs(struct run *r)
{
	const char *path = r->o->xenstore_path;
	char own[128];
	int rc;

	if (path) {
		rc = runtime_socket_clear(path, &r->err);
		return rc ? rc
			  : xenstore_listen(r->xenstore, path, r->err.text, sizeof(r->err.text));
	}
	if (r->dir.fd < 0)
		return 0;
	rc = runtime_dir_socket(&r->dir, XENSTORE_SOCKET, own, sizeof(own), &r->err);
	if (!rc)
		rc = xenstore_listen(r->xenstore, own, r->err.text, sizeof(r->err.text));
	if (rc)
		run_say(r, LOG_WARN, r->err.text);
	return 0;
}

/* In the domain's folder: without one nobody could find it. */
static int listen_for_control(struct run *r)
{
	const struct control_domain cd = {
		.options = r->o,
		.guest = &r->guest,
		.xenstore = r->xenstore,
		.dir = &r->dir,
		.started = time(NULL),
		.destroy = on_destroy,
		.gdb_server = run_gdb_server,
		.arg = r,
	};
	char path[128];

	if (r->dir.fd < 0)
		return 0;
	int rc = runtime_dir_socket(&r->dir, CONTROL_SOCKET, path, sizeof(path), &r->err);
	if (!rc)
		r->server = control_create(r->loop, &cd, path, &r->err);
	if (!r->server)
		run_say(r, LOG_WARN, r->err.text);
	return 0;
}

int run_create_xenstore(struct run *r)
{
	r->xenstore = xenstore_create(r->loop);
	if (!r->xenstore)
		return error_set(&r->err, -ENOMEM, "cannot make a xenstore: out of memory");
	for (unsigned i = 0; i < r->o->nr_quotas; i++)
		xenstore_quota(r->xenstore, r->o->quota[i]);
	int rc = listen_for_programs(r);
	return rc ? rc : listen_for_control(r);
}

static struct gdb_server *make_gdb_server(struct run *r, const struct gdb_where *where, bool wait,
					  struct error *err)
{
	const struct gdb_params p = {
		.loop = r->loop,
		.guest = &r->guest,
		.dir = &r->dir,
		.where = *where,
		.wait = wait,
		.destroy = on_destroy,
		.arg = r,
	};

	return gdb_server_create(&p, err);
}

int run_create_gdb(struct run *r)
{
	struct gdb_server *s;

	if (!r->o->gdb)
		return 0;
	s = make_gdb_server(r, &r->o->gdb_where, !r->o->gdb_nowait, &r->err);
	if (!s)
		return -EIO;
	if (r->o->log_level >= LOG_WARN)
		fprintf(stderr, "xenolith: %s gdb: target remote %s\n",
			r->o->gdb_nowait ? "for" : "waiting for", gdb_server_where(s));
	return 0;
}

int run_gdb_server(void *run, struct gdb_server **s, struct error *err)
{
	static const struct gdb_where own = {.path = NULL};
	struct run *r = run;

	*s = atomic_load(&r->guest.gdb);
	if (!*s)
		*s = make_gdb_server(r, &own, false, err);
	return *s ? 0 : -EIO;
}
