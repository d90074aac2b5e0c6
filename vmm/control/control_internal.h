/*
 * Between the server, its table of requests and their handlers. Internal to
 * vmm/control.
 */
#ifndef VMM_CONTROL_CONTROL_INTERNAL_H
#define VMM_CONTROL_CONTROL_INTERNAL_H

#include <jansson.h>

#include "devices/socket_file.h"
#include "vmm/control/control.h"

struct local_watch;

/* A handler's result when it answers later. */
#define CALL_LATER 1

/* A request that is being served. */
struct call {
	struct control *control;
	json_t *args;	/* an object */
	json_t *result; /* an object: the answer's "ok" */
	struct error err;

	/* Of one that is answered later: by the end of the domain ... */
	bool at_end; /* ... which is what it waits for; else that is an error */
	/* ... or when `again`, called after changes at the watched node, returns
	 * something else than CALL_LATER. */
	int (*again)(struct call *call);
	struct local_watch *watch;
	/* ... or by call_done(). The peer may be gone first: then `cancel` is called. */
	void (*cancel)(struct call *call);
	void *later; /* the handler's */
	char path[BACKEND_PATH_SIZE];
};

/* 0, CALL_LATER, or negative errno with a sentence in call->err. */
typedef int (*request_fn)(struct call *call);

struct request {
	const char *name;
	request_fn fn;
};

/* NULL: there is none of that name. requests.c */
const struct request *request_find(const char *name);

/* Fails with a sentence when the arguments are not as `fmt` (json_unpack) says. */
int call_args(struct call *call, const char *fmt, ...);
/* The call is answered when `again` says so; it is asked after each change of `path`. */
int call_watch(struct call *call, const char *path, int (*again)(struct call *call));

/* For a handler that has call_done() called later, with 0 or negative errno and a sentence
 * in call->err, or `cancel`: one of the two, once, in the loop's thread. CALL_LATER. */
int call_defer(struct call *call, void (*cancel)(struct call *call), void *later);
void call_done(struct call *call, int rc);

/* req_domain.c, req_devices.c, req_debug.c, info.c */
int request_info(struct call *call);
int request_pause(struct call *call);
int request_unpause(struct call *call);
int request_shutdown(struct call *call);
int request_destroy(struct call *call);
int request_wait(struct call *call);
int request_sysrq(struct call *call);
int request_trigger(struct call *call);
int request_debug_keys(struct call *call);
int request_trace_start(struct call *call);
int request_trace_stop(struct call *call);
int request_inject_add(struct call *call);
int request_inject_remove(struct call *call);
int request_inject_list(struct call *call);
int request_mem_set(struct call *call);
int request_vcpu_set(struct call *call);
int request_vcpu_pin(struct call *call);
int request_gdb(struct call *call);
int request_dump_core(struct call *call);
int request_dump_status(struct call *call);
int request_rename(struct call *call);
int request_log(struct call *call);
int request_inspect(struct call *call);
int request_watch(struct call *call);
int request_device_attach(struct call *call);
int request_device_detach(struct call *call);
int request_device_list(struct call *call);
int request_media_insert(struct call *call);

/* A JSON string of any bytes: what is not UTF-8 becomes '?'. */
json_t *json_text(const char *text);

struct peer {
	struct peer *next;
	struct control *control;
	int fd;
	uint32_t events;   /* what epoll looks for */
	uint64_t activity; /* control.clock when it last asked */
	bool ended;	   /* it sends no more */
	bool closing;	   /* disconnect when the answer is out */
	bool waiting;	   /* `call` is answered later */
	struct call call;
	json_t *id;
	size_t used;
	char in[CONTROL_LINE_MAX];
	char *out; /* the answer, NULL: none waits */
	size_t out_len, out_done;
};

struct control {
	struct event_loop *loop;
	struct control_domain domain;
	struct socket_file file;
	int fd;
	int spare_fd; /* given up to refuse a connection when there is no other */
	uint64_t clock;
	struct peer *peers;
	unsigned nr_peers;
	struct look_waits *looks; /* req_inspect.c; NULL: none ever was asked for */
	struct call *watching[CONTROL_MAX_PEERS]; /* req_watch.c */
	unsigned nr_watching;
};

/* req_inspect.c */
void look_waits_free(struct control *c);

#endif
