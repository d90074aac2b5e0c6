/*
 * What the unit tests of gdb's server share: a domain of two vcpus in plain memory, and a
 * client.
 */
#ifndef TEST_UNIT_TEST_GDB_H
#define TEST_UNIT_TEST_GDB_H

#include "test/unit/test_domain.h"
#include "vmm/gdb/gdb.h"

extern struct test_domain *gs_t;
extern struct event_loop *gs_loop;
extern struct guest *gs_g;
extern struct cpu gs_cpu[2];
extern struct gdb_server *gs_server;
extern char gs_path[64];	      /* of its socket */
extern _Atomic unsigned gs_destroyed; /* how often that was asked for */
extern struct error gs_err;
extern uint64_t gs_va; /* a page of nops */
extern int gs_fd;      /* the client's */

void gs_setup(void);
void gs_teardown(void);
struct gdb_params gs_params(bool wait);
int gs_dial(void);
/* Server, loop and a client. */
void gs_start(bool wait);

void gs_send_all(const char *bytes, size_t len);
void gs_send_packet(const char *content);
bool gs_readable(int ms);
/* The next packet's content; NULL: the connection ended. */
const char *gs_receive(void);
const char *gs_ask(const char *content);
void gs_no_ack(void);
/* Does gdb hold the vcpu? */
bool gs_held(unsigned i);
void gs_wait_until_going(void);

#endif
