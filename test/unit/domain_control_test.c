/*
 * What is asked of a running domain, as it stands in the store: what libxl 4.17 wrote
 * there for the same `xl` commands on real Xen.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"
#include "vmm/domain_control.h"

#define AT "/local/domain/1/"

static struct test_domain *t;
static struct event_loop *loop;
static struct xenstore *xs;

static void setup(void)
{
	t = test_domain_new(4, PROFILE_XEN_4_17);
	loop = event_loop_create();
	xs = xenstore_create(loop);
	ck_assert_ptr_nonnull(xs);
	struct xenstore_domain xd = {
		.domain = t->d,
		.memory_kib = 32768,
		.maxmem_kib = 65536,
		.vcpus_online = 2,
		.console_type = "xenconsoled",
	};
	ck_assert_int_eq(tree_build(xs, &xd), 0);
}

static void teardown(void)
{
	event_loop_destroy(loop);
	xenstore_destroy(xs);
	test_domain_free(t);
}

static void holds(const char *path, const char *want)
{
	char *v = xenstore_read(xs, path);

	ck_assert_msg(v && !strcmp(v, want), "%s is '%s', not '%s'", path, v ? v : "missing", want);
	free(v);
}

START_TEST(memory_target)
{
	char path[80], *vm = xenstore_read(xs, AT "vm");

	snprintf(path, sizeof(path), "%s/memory", vm);
	free(vm);
	holds(AT "memory/static-max", "65536");
	holds(AT "memory/target", "32768");
	holds(AT "memory/videoram", "0");
	ck_assert(!xenstore_exists(xs, path));
	ck_assert_int_eq(domain_set_memory_target(xs, t->d, 49152), 0);
	holds(AT "memory/target", "49152");
	holds(path, "48");
	/* 48 MiB and LIBXL_MAXMEM_CONSTANT, in pages. */
	ck_assert_uint_eq(t->d->max_pages, 49 * 256);
	ck_assert_int_eq(domain_set_memory_target(xs, t->d, 65536), 0);
	ck_assert_int_eq(domain_set_memory_target(xs, t->d, 65537), -EINVAL);
	holds(AT "memory/target", "65536");
	ck_assert_int_eq(domain_set_memory_target(xs, t->d, 1024), 0);
	holds(path, "1");
	ck_assert_int_eq(xenstore_remove(xs, AT "memory/static-max"), 0);
	ck_assert_int_eq(domain_set_memory_target(xs, t->d, 1024), -ENOENT);
}
END_TEST

START_TEST(vcpus)
{
	static const char *const states[][4] = {
		{"online", "online", "offline", "offline"},
		{"online", "online", "online", "online"},
		{"online", "offline", "offline", "offline"},
	};
	static const unsigned asked[] = {2, 4, 1};

	for (unsigned n = 0; n < 3; n++) {
		if (n)
			ck_assert_int_eq(domain_set_vcpus(xs, t->d, asked[n]), 0);
		for (unsigned i = 0; i < 4; i++) {
			char path[80];
			snprintf(path, sizeof(path), AT "cpu/%u/availability", i);
			holds(path, states[n][i]);
		}
	}
	ck_assert_int_eq(domain_set_vcpus(xs, t->d, 0), -EINVAL);
	ck_assert_int_eq(domain_set_vcpus(xs, t->d, 5), -EINVAL);
	ck_assert(!xenstore_exists(xs, AT "cpu/4"));
}
END_TEST

START_TEST(orders)
{
	static const struct {
		enum domain_order order;
		const char *word;
	} cases[] = {{ORDER_POWEROFF, "poweroff"}, {ORDER_REBOOT, "reboot"}, {ORDER_HALT, "halt"}};

	for (unsigned i = 0; i < 3; i++) {
		ck_assert(!domain_order_pending(xs, t->d));
		ck_assert_int_eq(domain_order(xs, t->d, cases[i].order), 0);
		holds(AT "control/shutdown", cases[i].word);
		ck_assert(domain_order_pending(xs, t->d));
		ck_assert_int_eq(domain_order(xs, t->d, ORDER_POWEROFF), -EBUSY);
		/* The guest acknowledges. */
		ck_assert_int_eq(xenstore_write(xs, AT "control/shutdown", "%s", ""), 0);
	}
}
END_TEST

START_TEST(suspend_goes_on)
{
	struct domain_control c;

	ck_assert_int_eq(domain_control_start(&c, xs, t->d), 0);
	local_run(xs);
	ck_assert(!t->d->suspend_goes_on);
	ck_assert_int_eq(xenstore_write(xs, AT "control/shutdown", "suspend"), 0);
	local_run(xs);
	holds(AT "control/shutdown", "suspend");
	ck_assert(t->d->suspend_goes_on);
	/* The guest acknowledges, and has yet to do it. */
	ck_assert_int_eq(xenstore_write(xs, AT "control/shutdown", "%s", ""), 0);
	local_run(xs);
	ck_assert(t->d->suspend_goes_on);
	/* Another order: a suspension that comes now is nobody's. */
	ck_assert_int_eq(domain_order(xs, t->d, ORDER_REBOOT), 0);
	local_run(xs);
	ck_assert(!t->d->suspend_goes_on);
	/* The guest may have removed what is its own. */
	ck_assert_int_eq(xenstore_remove(xs, AT "control/shutdown"), 0);
	local_run(xs);
	ck_assert(!domain_order_pending(xs, t->d));
}
END_TEST

START_TEST(sysrq)
{
	ck_assert_int_eq(domain_sysrq(xs, t->d, 'h'), 0);
	holds(AT "control/sysrq", "h");
	ck_assert_int_eq(domain_sysrq(xs, t->d, 0), -EINVAL);
	ck_assert_int_eq(domain_sysrq(xs, t->d, '\n'), -EINVAL);
	ck_assert_int_eq(domain_sysrq(xs, t->d, (char)0xe4), -EINVAL);
	holds(AT "control/sysrq", "h");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {memory_target, vcpus, orders, suspend_goes_on, sysrq};

	return RUN_TESTS("domain_control", setup, teardown, tests);
}
