/*
 * What the unit tests of the control socket share: a domain in plain memory with a store and
 * a socket, and a client.
 */
#ifndef TEST_UNIT_TEST_CONTROL_H
#define TEST_UNIT_TEST_CONTROL_H

#include <jansson.h>

#include "test/unit/test_domain.h"
#include "vmm/control/control_internal.h"
#include "vmm/vmm.h"

#define AT "/local/domain/1/"

extern struct test_domain *ctl_t;
extern struct event_loop *ctl_loop;
extern struct xenstore *ctl_xs;
extern struct guest *ctl_g;
extern struct runtime_dir ctl_dir;
extern struct run_options ctl_options;
extern struct control *ctl_server;
extern char ctl_path[128], ctl_disk[128]; /* the socket; a file of 1 MiB */
extern unsigned ctl_destroyed;		  /* how often that was asked for */

void ctl_setup(void);
void ctl_teardown(void);
/* Work for the loop's thread, to which the store and the devices belong. */
void ctl_in_loop(void (*fn)(void));
/* The store has this value there. */
void ctl_holds(const char *at, const char *want);

int ctl_dial(void);
void ctl_tell(int fd, const char *text);
/* A line; NULL: the connection ended. */
json_t *ctl_hear(int fd);
/* Nothing comes. */
bool ctl_silent(int fd);
/* The error's name, or "ok". */
const char *ctl_heard(int fd);
void ctl_put(int fd, const char *request, const char *args);
/* On connections of their own: the error's name or "ok"; what was answered. */
const char *ctl_result_of(const char *request, const char *args);
json_t *ctl_ok_of(const char *request, const char *args);

#endif
