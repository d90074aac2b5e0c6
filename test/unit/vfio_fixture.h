/*
 * A function on the stand-in, for the tests that include this: set up by create(), its
 * calls of pciback written down.
 */
#ifndef TEST_UNIT_VFIO_FIXTURE_H
#define TEST_UNIT_VFIO_FIXTURE_H

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "test/unit/pci_calls.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"
#include "test/unit/vfio_stand_in.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

static struct vfio_stand_in s;
static struct test_domain *t;
static struct event_loop *loop;
static struct pci_host host;
static struct pci_device *d;
static int pinned;
static char err[400];

static void pin_memory(struct pci_host *h, bool on)
{
	pinned += on ? 1 : -1;
}

static void setup(void)
{
	memset(&pci_calls, 0, sizeof(pci_calls));
	pinned = 0;
	d = NULL;
	stand_in_init(&s);
	t = test_domain_new(1, PROFILE_XEN_4_17);
	loop = event_loop_create();
	test_loop_init(loop);
	host = (struct pci_host){.domain = t->d, .loop = loop, .pin_memory = pin_memory};
}

/* Handlers run between the calls of the test, in another thread. */
static inline void settle(void)
{
	ck_assert(!event_loop_start(loop));
	test_loop_sync();
	event_loop_stop(loop);
}

static void destroy(void)
{
	if (d)
		d->ops->destroy(d);
	d = NULL;
}

static void teardown(void)
{
	destroy();
	ck_assert_uint_eq(s.open_fds, 0);
	ck_assert_uint_eq(s.mmaps, 0);
	ck_assert_int_eq(pinned, 0);
	ck_assert_ptr_null(host.vfio);
	event_loop_destroy(loop);
	test_loop_free();
	test_domain_free(t);
	stand_in_free(&s);
}

static struct pci_device *try(const char *options)
{
	err[0] = 0;
	return vfio_host_create(&s.system, &host, options, err, sizeof(err));
}

static void create(void)
{
	d = try(STAND_IN_BDF);
	ck_assert_msg(d, "%s", err);
}

static inline void refused(const char *words)
{
	d = try(STAND_IN_BDF);
	ck_assert_ptr_null(d);
	ck_assert_msg(strstr(err, words), "'%s' is not in: %s", words, err);
	ck_assert_msg(strstr(err, STAND_IN_BDF), "%s", err);
	ck_assert_uint_eq(s.open_fds, 0);
	ck_assert_ptr_null(host.vfio);
	ck_assert_int_eq(pinned, 0);
}

#endif
