#include "test/unit/test_xenstore.h"

#include <check.h>

struct xenstore *test_xenstore_new(struct test_domain *t, struct event_loop *loop)
{
	struct xenstore *xs = xenstore_create(loop);
	ck_assert_int_gt(xenstore_bind_port(xs, t->d), 0);
	struct xenstore_domain xd = {
		.domain = t->d,
		.memory_kib = 65536,
		.maxmem_kib = 65536,
		.vcpus_online = 1,
		.store_mfn = test_frame(t),
		.console_mfn = test_frame(t),
		.store_port = 1,
		.console_port = 2,
		.console_type = "xenconsoled",
		.tty = "",
	};
	ck_assert_int_eq(xenstore_introduce(xs, &xd), 0);
	return xs;
}
