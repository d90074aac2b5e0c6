/*
 * A domain's server for gdb's remote protocol: one socket, one client at a time, in the
 * event loop's thread. What it does to the domain is debugger.h's.
 */
#ifndef VMM_GDB_GDB_H
#define VMM_GDB_GDB_H

#include "vmm/error.h"
#include "vmm/gdb/debugger.h"

struct event_loop;
struct runtime_dir;
struct gdb_server;

/* Where it listens. */
struct gdb_where {
	unsigned port;	  /* TCP, of this machine only; 0: a UNIX socket ... */
	const char *path; /* ... here; NULL: in the domain's folder */
};

/* "PORT", "unix:PATH" or NULL, the domain's folder. 0, or -EINVAL and a sentence. */
int gdb_where_parse(struct gdb_where *w, const char *text, struct error *err);

struct gdb_params {
	struct event_loop *loop;
	struct guest *guest;
	const struct runtime_dir *dir;
	struct gdb_where where;
	bool wait;		    /* nothing runs before a client lets it: no vcpu ran yet */
	void (*destroy)(void *arg); /* the domain is to end */
	void *arg;
};

/* In the loop's thread, or before it starts; sets guest->debugger. NULL and a sentence. */
struct gdb_server *gdb_server_create(const struct gdb_params *p, struct error *err);
/* What gdb's `target remote` takes. */
const char *gdb_server_where(const struct gdb_server *s);
bool gdb_server_has_client(const struct gdb_server *s);
/* Its client is gone, as if it had detached. In the loop's thread. */
void gdb_server_drop_client(struct gdb_server *s);

/* The domain has crashed and its vcpus' threads have ended. True: a client is there and is
 * told; guest->end_fd is written when it is done with what is left. Any thread. */
bool gdb_server_crashed(struct gdb_server *s);
/* The loop does not run any more: the client is told how the domain ended (a shutdown code;
 * -1: it was destroyed). */
void gdb_server_end(struct gdb_server *s, int code);
/* Also frees guest->debugger. */
void gdb_server_destroy(struct gdb_server *s);

#endif
