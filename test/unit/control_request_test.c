/*
 * The control socket: what its requests do to a domain in plain memory.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_control.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

START_TEST(pausing)
{
	json_t *ok;

	for (int i = 1; i <= 2; i++) {
		ok = ctl_ok_of("pause", "{}");
		ck_assert_int_eq(json_integer_value(json_object_get(ok, "count")), i);
		json_decref(ok);
	}
	ck_assert_uint_eq(atomic_load(&ctl_t->d->vcpu[3]->pause_flags), VPF_PAUSED);
	ok = ctl_ok_of("info", "{}");
	ck_assert(json_is_true(json_object_get(json_object_get(ok, "state"), "paused")));
	json_decref(ok);
	json_decref(ctl_ok_of("unpause", "{}"));
	json_decref(ctl_ok_of("unpause", "{}"));
	ck_assert_uint_eq(atomic_load(&ctl_t->d->vcpu[3]->pause_flags), 0);
	ck_assert_str_eq(ctl_result_of("unpause", "{}"), "EALREADY");
}
END_TEST

START_TEST(orders)
{
	ck_assert_str_eq(ctl_result_of("shutdown", "{\"order\": \"suspend\"}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("shutdown", "{\"order\": \"reboot\"}"), "ok");
	ctl_holds(AT "control/shutdown", "reboot");
	ck_assert_str_eq(ctl_result_of("shutdown", "{\"order\": \"poweroff\"}"), "EBUSY");
	ck_assert_str_eq(ctl_result_of("shutdown", "{\"order\": \"reboot\"}"), "ok");
	ck_assert_str_eq(ctl_result_of("sysrq", "{\"key\": \"h\"}"), "ok");
	ctl_holds(AT "control/sysrq", "h");
	ck_assert_str_eq(ctl_result_of("sysrq", "{\"key\": \"\"}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("sysrq", "{\"key\": \"hh\"}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("sysrq", "{\"key\": \"\\n\"}"), "EINVAL");
}
END_TEST

/* Is the text in the domain's log? */
static bool logged(const char *text)
{
	return strstr(ctl_t->log, text);
}

START_TEST(debugging)
{
	long port = bind_virq(ctl_t, VIRQ_DEBUG, 1);

	ck_assert_int_gt(port, 0);
	ck_assert_str_eq(ctl_result_of("debug-keys", "{\"keys\": \"q\"}"), "ok");
	ck_assert(port_pending(ctl_t, (evtchn_port_t)port));
	ck_assert(logged("vcpu 3: "));
	ck_assert(!logged("VIRQ 1"));
	ck_assert_str_eq(ctl_result_of("debug-keys", "{\"keys\": \"er\"}"), "ok");
	ck_assert(logged("[p-] v1 VIRQ 1"));
	ck_assert(logged("vcpu 0 is "));
	ck_assert(!logged("debug key"));
	ck_assert_str_eq(ctl_result_of("debug-keys", "{\"keys\": \"hz\"}"), "EINVAL");
	ck_assert(logged("debug key 'q'"));
	ck_assert_str_eq(ctl_result_of("debug-keys", "{}"), "EINVAL");

	ck_assert_str_eq(ctl_result_of("trigger", "{\"trigger\": \"reset\"}"), "EOPNOTSUPP");
	ck_assert_str_eq(ctl_result_of("trigger", "{\"trigger\": \"nmi\", \"vcpu\": 4}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("trigger", "{\"trigger\": \"nmi\", \"vcpu\": -1}"),
			 "EINVAL");
	ck_assert(!ctl_t->d->vcpu[2]->nmi_pending);
	ck_assert_str_eq(ctl_result_of("trigger", "{\"trigger\": \"nmi\", \"vcpu\": 2}"), "ok");
	ck_assert(ctl_t->d->vcpu[2]->nmi_pending);
}
END_TEST

START_TEST(limits)
{
	ck_assert_str_eq(ctl_result_of("mem-set", "{\"kib\": 40000}"), "ok");
	ctl_holds(AT "memory/target", "40000");
	ck_assert_str_eq(ctl_result_of("mem-set", "{\"kib\": 65537}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("mem-set", "{\"kib\": 0}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("mem-set", "{\"kib\": -1}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("vcpu-set", "{\"online\": 3}"), "ok");
	ctl_holds(AT "cpu/2/availability", "online");
	ctl_holds(AT "cpu/3/availability", "offline");
	ck_assert_str_eq(ctl_result_of("vcpu-set", "{\"online\": 0}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("vcpu-set", "{\"online\": 5}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("vcpu-set", "{\"online\": 4294967297}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("vcpu-pin", "{\"vcpu\": 4, \"cpus\": \"0\"}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("vcpu-pin", "{\"vcpu\": 0, \"cpus\": \"a\"}"), "EINVAL");
}
END_TEST

START_TEST(renaming)
{
	struct runtime_dir other;
	struct error err;
	char at[80], *vm;

	ck_assert_int_eq(runtime_dir_open(&other, "other", &err), 0);
	ck_assert_str_eq(ctl_result_of("rename", "{\"name\": \"other\"}"), "EBUSY");
	ck_assert_str_eq(ctl_result_of("rename", "{\"name\": \"a/b\"}"), "EINVAL");
	ck_assert_str_eq(ctl_result_of("rename", "{\"name\": \"new\"}"), "ok");
	runtime_dir_close(&other);
	ck_assert_str_eq(ctl_t->d->name, "new");
	ctl_holds(AT "name", "new");
	vm = xenstore_read(ctl_xs, AT "vm");
	snprintf(at, sizeof(at), "%s/name", vm);
	free(vm);
	ctl_holds(at, "new");
	/* The socket went with its folder. */
	snprintf(ctl_path, sizeof(ctl_path), "%.99s/" CONTROL_SOCKET, ctl_dir.path);
	ck_assert_ptr_nonnull(strstr(ctl_path, "/new/"));
	ck_assert_str_eq(ctl_result_of("info", "{}"), "ok");
}
END_TEST

START_TEST(information)
{
	json_t *ok, *vcpus;

	/* Two up: one runs, one is blocked. */
	atomic_store(&ctl_t->d->vcpu[1]->pause_flags, VPF_BLOCKED);
	atomic_store(&ctl_t->d->vcpu[2]->pause_flags, VPF_DOWN);
	atomic_store(&ctl_t->d->vcpu[3]->pause_flags, VPF_DOWN);
	vcpu_runstate_change(ctl_t->d->vcpu[0], RUNSTATE_running, ctl_t->now);
	ctl_t->now += 5000000000;
	ok = ctl_ok_of("info", "{}");
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "domid")), ctl_t->d->domid);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "online_vcpus")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "max_vcpus")), 4);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "cpu_ns")), 5000000000);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "memory_kib")),
			 (json_int_t)ctl_t->d->tot_pages * 4);
	ck_assert(json_is_true(json_object_get(json_object_get(ok, "state"), "running")));
	ck_assert(json_is_false(json_object_get(json_object_get(ok, "state"), "blocked")));
	vcpus = json_object_get(ok, "vcpus");
	ck_assert_uint_eq(json_array_size(vcpus), 4);
	ck_assert(json_is_true(json_object_get(json_array_get(vcpus, 1), "blocked")));
	ck_assert(json_is_false(json_object_get(json_array_get(vcpus, 2), "online")));
	json_decref(ok);
	/* All that are up are blocked: the domain is. */
	atomic_store(&ctl_t->d->vcpu[0]->pause_flags, VPF_BLOCKED);
	vcpu_runstate_change(ctl_t->d->vcpu[0], RUNSTATE_blocked, ctl_t->now);
	ok = ctl_ok_of("info", "{}");
	ck_assert(json_is_true(json_object_get(json_object_get(ok, "state"), "blocked")));
	ck_assert(json_is_false(json_object_get(json_object_get(ok, "state"), "running")));
	json_decref(ok);
}
END_TEST

START_TEST(the_log)
{
	json_t *ok;

	log_ring_add(&ctl_g->log, 1500000000, "first");
	ok = ctl_ok_of("log", "{}");
	ck_assert_str_eq(json_string_value(json_object_get(ok, "log")), "[    1.500000] first\n");
	json_decref(ok);
	json_decref(ctl_ok_of("log", "{\"clear\": true}"));
	ok = ctl_ok_of("log", "{}");
	ck_assert_str_eq(json_string_value(json_object_get(ok, "log")), "");
	json_decref(ok);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		pausing, orders, debugging, limits, renaming, information, the_log,
	};

	return RUN_TESTS("control_request", ctl_setup, ctl_teardown, tests);
}
