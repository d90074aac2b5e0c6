/*
 * Between the server, its tables of packets and their handlers. Internal to vmm/gdb.
 */
#ifndef VMM_GDB_GDB_INTERNAL_H
#define VMM_GDB_GDB_INTERNAL_H

#include "devices/socket_file.h"
#include "vmm/gdb/gdb.h"
#include "vmm/gdb/packet.h"
#include "vmm/gdb/registers.h"

/* What the client waits for; with a client and GDB_IDLE the domain is held, or was not
 * asked for yet. */
enum gdb_state {
	GDB_IDLE,
	GDB_RUNNING,  /* it let the domain go on, and hears when that stops */
	GDB_STOPPING, /* `parser` holds a packet that needs the domain at rest */
	GDB_LEAVING,  /* there is no client any more; the domain goes on when it is at rest */
};

struct gdb_server {
	struct gdb_params p;
	struct debugger *debugger;
	struct socket_file file;
	int listen_fd;
	int spare_fd; /* given up to refuse a connection when there is no other */
	int fd;	      /* of the client, -1: none */
	char where[128];
	char *xml;
	bool avx;

	enum gdb_state state;
	bool no_ack;
	bool closing;	       /* when everything is out */
	bool swbreak, hwbreak; /* the client understands these reasons */
	unsigned vcpu;	       /* of Hg: registers and memory */
	int step_vcpu;	       /* of Hc: -1 all */
	uint32_t events;       /* that epoll looks for */

	struct gdb_parser parser;
	struct gdb_text reply; /* of the packet at hand */
	struct gdb_text out;   /* what is on its way */
	size_t out_done;
	struct gdb_text last; /* the last packet, for a client that asks for it again */
	/* Read, and not parsed yet. */
	uint8_t in[4096];
	size_t in_used, in_len;

	_Atomic bool has_client; /* for other threads */
	_Atomic bool holds_end;	 /* run.c waits for the client to have seen a crash */
};

/* A handler's result. */
enum gdb_done {
	GDB_REPLY,   /* `reply` is the answer, empty: not supported */
	GDB_SILENCE, /* there is none, or it comes later */
};

struct gdb_command {
	const char *name; /* how the packet begins */
	/* With the domain at rest; else it is served as it comes. */
	bool needs_rest;
	enum gdb_done (*fn)(struct gdb_server *s, const char *args);
};

/* The longest name that fits; NULL. */
const struct gdb_command *gdb_command_find(const struct gdb_command *table, const char *text);
extern const struct gdb_command gdb_commands[]; /* commands.c */
extern const struct gdb_command gdb_queries[];	/* query.c: behind 'q' and 'Q' */

static inline struct domain *gdb_domain(const struct gdb_server *s)
{
	return s->p.guest->domain;
}

static inline struct vcpu *gdb_vcpu(const struct gdb_server *s)
{
	return gdb_domain(s)->vcpu[s->vcpu];
}

/* Replies. */
void gdb_ok(struct gdb_server *s);
void gdb_error(struct gdb_server *s, int rc); /* negative errno */
/* Puts `reply` on its way. server.c */
void gdb_send(struct gdb_server *s);

/* resume.c: c, s, C, S, vCont; what the client hears of a stop; a thread's number. */
enum gdb_done gdb_continue(struct gdb_server *s, const char *args);
enum gdb_done gdb_step(struct gdb_server *s, const char *args);
enum gdb_done gdb_continue_signal(struct gdb_server *s, const char *args);
enum gdb_done gdb_step_signal(struct gdb_server *s, const char *args);
enum gdb_done gdb_vcont(struct gdb_server *s, const char *args);
enum gdb_done gdb_vcont_query(struct gdb_server *s, const char *args);
void gdb_stop_reply(struct gdb_server *s);
/* -1: all, 0: any. False: no number, or no such thread. */
bool gdb_read_thread(struct gdb_server *s, const char **p, int *thread);

/* monitor.c: `monitor TEXT`; its output. */
void gdb_monitor(struct gdb_server *s, const char *text, FILE *out);

/* server.c */
void gdb_leave(struct gdb_server *s); /* the domain goes on without the client */
void gdb_destroy_domain(struct gdb_server *s);
void gdb_let_end(struct gdb_server *s); /* of a crashed domain that was held for the client */

#endif
