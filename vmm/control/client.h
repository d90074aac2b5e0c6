/*
 * The verbs' side of control: finding the user's running domains, and asking them.
 * control.h describes the protocol.
 */
#ifndef VMM_CONTROL_CLIENT_H
#define VMM_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "vmm/error.h"
#include "vmm/runtime_dir.h"

/* How long a process that runs may take for an answer that waits for no guest, ms. */
#define ANSWER_MS 10000

/* A connection to a running domain. */
struct link {
	char name[DOMAIN_NAME_LIMIT];
	int fd;
	pid_t pid;    /* of the domain's process */
	json_t *info; /* as answered to "info"; NULL: was not asked */
	char *in;
	size_t used, size;
};

/* All of the user's running domains that answer, by id. The sentence of those that do not
 * goes to stderr. 0, or negative errno and a sentence. */
struct link_list {
	struct link *link;
	unsigned nr;
};
int link_list_open(struct link_list *l, struct error *err);
void link_list_close(struct link_list *l);

/* The domain with this name, id or uuid; its info is there. -ENOENT: there is none.
 * -ETIMEDOUT: its process, l->pid when that is known, does not answer. */
int link_find(struct link *l, const char *which, struct error *err);
void link_close(struct link *l);

/* Asks; takes `args` (NULL: none), gives the answer's "ok". ms < 0: waits for ever. After
 * two seconds it says what it waits for ("'x' to shut down"; NULL: an answer). NULL and a
 * sentence: it refused (*rc is its errno), it does not answer in time (-ETIMEDOUT) or
 * has ended (-EPIPE). */
json_t *link_ask(struct link *l, const char *request, json_t *args, int ms, const char *what,
		 int *rc, struct error *err);
/* The two halves of it. */
int link_send(struct link *l, const char *request, json_t *args, struct error *err);
json_t *link_answer(struct link *l, int ms, const char *what, int *rc, struct error *err);

/* Members of an answer, with 0, false or "" for those that are not there; `key` may have
 * dots: "state.paused". */
json_int_t info_int(const json_t *j, const char *key);
bool info_bool(const json_t *j, const char *key);
const char *info_text(const json_t *j, const char *key);

#endif
