/*
 * The control socket: devices come and go, with a frontend that is written here.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_control.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"

static int frontend_state;

static void set_frontend(void)
{
	xenstore_write(ctl_xs, AT "device/vbd/51728/state", "%d", frontend_state);
}

static void attach_xvdb(void)
{
	char args[300];

	snprintf(args, sizeof(args), "{\"kind\": \"vbd\", \"spec\": \"%s,raw,xvdb,rw\"}", ctl_disk);
	json_t *ok = ctl_ok_of("device-attach", args);
	ck_assert_int_eq(json_integer_value(json_object_get(ok, "id")), 51728);
	json_decref(ok);
	ck_assert_str_eq(ctl_result_of("device-attach", args), "EINVAL"); /* not twice */
}

START_TEST(devices)
{
	json_t *ok, *d;

	ck_assert_str_eq(ctl_result_of("device-attach", "{\"kind\": \"tty\", \"spec\": \"\"}"),
			 "EOPNOTSUPP");
	ck_assert_str_ne(
		ctl_result_of("device-attach", "{\"kind\": \"vbd\", \"spec\": \"nothing\"}"), "ok");
	attach_xvdb();
	ok = ctl_ok_of("device-list", "{\"kind\": \"vbd\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(ok, "devices")), 1);
	d = json_array_get(json_object_get(ok, "devices"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "backend_state")),
			 XenbusStateInitWait);
	ck_assert_str_eq(json_string_value(json_object_get(d, "backend_path")),
			 "/local/domain/0/backend/vbd/1/51728");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(d, "backend"), "dev")),
			 "xvdb");
	json_decref(ok);
	ck_assert_str_eq(
		ctl_result_of("device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdc\"}"),
		"ENODEV");
	ck_assert_str_eq(
		ctl_result_of("device-detach",
			      "{\"kind\": \"vbd\", \"device\": \"51728\", \"force\": true}"),
		"ok");
	ok = ctl_ok_of("device-list", "{\"kind\": \"vbd\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(ok, "devices")), 0);
	json_decref(ok);
}
END_TEST

START_TEST(a_guest_that_lets_go)
{
	int a = ctl_dial(), b = ctl_dial();

	attach_xvdb();
	/* A driver has it, but has not connected. */
	frontend_state = XenbusStateInitWait;
	ctl_in_loop(set_frontend);
	ctl_put(a, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	ck_assert(ctl_silent(a));
	ctl_holds("/local/domain/0/backend/vbd/1/51728/state", "5");
	ctl_holds("/local/domain/0/backend/vbd/1/51728/online", "0");
	/* Who asks again waits for the same. */
	ctl_put(b, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	frontend_state = XenbusStateClosing;
	ctl_in_loop(set_frontend);
	ck_assert(ctl_silent(a) && ctl_silent(b));
	frontend_state = XenbusStateClosed;
	ctl_in_loop(set_frontend);
	ck_assert_str_eq(ctl_heard(a), "ok");
	ck_assert_str_eq(ctl_heard(b), "ok");
	close(a);
	close(b);
	ck_assert_uint_eq(ctl_g->devices.nr, 0);
}
END_TEST

/* It never lets go, and who waits hangs up, or the domain ends. */
START_TEST(a_guest_that_does_not)
{
	int a = ctl_dial(), b = ctl_dial();

	attach_xvdb();
	frontend_state = XenbusStateInitWait;
	ctl_in_loop(set_frontend);
	ctl_put(a, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	ck_assert(ctl_silent(a));
	close(a);
	ctl_put(b, "device-detach", "{\"kind\": \"vbd\", \"device\": \"xvdb\"}");
	ck_assert(ctl_silent(b));
	ck_assert_uint_eq(ctl_server->nr_peers, 1);
	event_loop_stop(ctl_loop);
	control_end(ctl_server, "poweroff");
	ck_assert_str_eq(ctl_heard(b), "ENODEV");
	close(b);
}
END_TEST

/* A frontend that closes instead of connecting. */
START_TEST(a_guest_that_refuses)
{
	char args[300];
	int a = ctl_dial();

	snprintf(args, sizeof(args),
		 "{\"kind\": \"vbd\", \"spec\": \"%s,raw,xvdb,rw\", \"wait\": true}", ctl_disk);
	ctl_put(a, "device-attach", args);
	ck_assert(ctl_silent(a));
	frontend_state = XenbusStateClosing;
	ctl_in_loop(set_frontend);
	ck_assert_str_eq(ctl_heard(a), "ENODEV");
	close(a);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		devices,
		a_guest_that_lets_go,
		a_guest_that_does_not,
		a_guest_that_refuses,
	};

	return RUN_TESTS("control_device", ctl_setup, ctl_teardown, tests);
}
