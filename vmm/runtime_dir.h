/*
 * The folder of a running domain, where its sockets are: $XDG_RUNTIME_DIR/xenolith/NAME,
 * for root without that variable /run/xenolith/NAME. A lock on it is held as long as the
 * process lives, so what another process left there is stale.
 */
#ifndef VMM_RUNTIME_DIR_H
#define VMM_RUNTIME_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"

struct runtime_dir {
	int fd; /* holds the lock; -1: there is no folder */
	char path[4096];
};

/* Makes the folder, for this user only. 0, or a negative errno with a sentence: -EBUSY
 * when a domain of this name runs, -ENOENT when the user has no place for it. */
int runtime_dir_open(struct runtime_dir *d, const char *name, struct error *err);
/* The path of a socket in the folder; what is left of an earlier one is removed. */
int runtime_dir_socket(const struct runtime_dir *d, const char *file, char *path, size_t size,
		       struct error *err);
/* An id that no domain of the user has or had lately: one more than the last, which the
 * parent folder keeps. The folder keeps it too, in its file "domid". */
int runtime_dir_domid(struct runtime_dir *d, uint16_t *domid, struct error *err);
/* Another name for the domain and its folder. -EBUSY: a domain of that name runs. */
int runtime_dir_rename(struct runtime_dir *d, const char *name, struct error *err);
/* Removes the domain's sockets and the folder, and gives the lock back. */
void runtime_dir_close(struct runtime_dir *d);

/* The folder of all domains, whether it exists or not. -ENOENT: the user has none. */
int runtime_dir_base(char *path, size_t size, struct error *err);

/* The folder of what outlives a domain, with a '/' behind it, whether it exists or not:
 * $XDG_STATE_HOME/xenolith/, for root without that variable `of_root`, else
 * ~/.local/state/xenolith/. `what` is for the sentence: "logs". */
int state_dir_base(char *path, size_t size, const char *of_root, const char *what,
		   struct error *err);

/* Names of sockets in the folder. */
#define XENSTORE_SOCKET	    "xenstore.sock"
#define CONTROL_SOCKET	    "control.sock"
#define CONSOLE_SOCKET_FILE "console.sock"
#define GDB_SOCKET	    "gdb.sock"

/* May a domain have this name? It becomes a folder and a part of messages. */
#define DOMAIN_NAME_LIMIT 64
bool domain_name_is_good(const char *name);

/* Makes room for a new socket at a path that the user chose: removes one that nobody
 * listens on. 0, or a negative errno with a sentence: -EADDRINUSE, -EEXIST (no socket). */
int runtime_socket_clear(const char *path, struct error *err);

#endif
