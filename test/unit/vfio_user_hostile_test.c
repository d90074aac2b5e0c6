/*
 * vfio-user servers that are slow, poor, die, lie, or say what is no message: a sentence, and a
 * guest that lives on.
 */
#include "test/unit/vfio_user_fixture.h"

/* ---- servers that fail while they are asked who they are ---- */

static const struct {
	const char *server, *words;
} bad_beginnings[] = {
	{"--wrong silent testcard", "within 1 s"},
	{"--wrong silent:4 testcard", "within 1 s"},
	{"--wrong slow:2:1500 testcard", "within 1 s"},
	{"--wrong die testcard", "has ended the connection"},
	{"--wrong die:20 testcard", "has ended the connection"},
	{"--wrong hang-up:1 testcard", "has ended the connection"},
	{"--wrong garbage testcard", "sends what is no message of vfio-user"},
	{"--wrong half:2 testcard", "within 1 s"},
	{"--wrong other-id testcard", "answers what it was not asked"},
	{"--wrong other-command:1 testcard", "answers another command"},
	{"--wrong small-size testcard", "no message of vfio-user"},
	{"--wrong huge-size testcard", "no message of vfio-user"},
	{"--wrong type testcard", "no message of vfio-user"},
	{"--wrong short testcard", "an answer of a wrong size"},
	{"--wrong long:1 testcard", "an answer of a wrong size"},
	{"--wrong many-fds testcard", "more descriptors"},
	{"--wrong dma-size:4 testcard", "whose size is not what it says"},
	{"--wrong dma-huge:4 testcard", "whose size is not what it says"},
	{"--fail 1:22 testcard", "refuses version 0.1 of vfio-user: Invalid argument"},
	{"--fail 4:95 testcard", "Operation not supported"},
	{"--fail 5:0 testcard", "does not answer as a PCI function must"},
	{"--fail 7:13 testcard", "Permission denied"},
	{"--fail 8:22 testcard", "Invalid argument"},
	{"--fail 9:22 testcard", "Invalid argument"},
	{"--version 1.0 testcard", "speaks version 1.0 of vfio-user, not 0.1"},
	{"--version 0.2 testcard", "speaks version 0.2"},
	{"--json nonsense testcard", "are no JSON"},
	{"--json [] testcard", "are no object"},
	{"--json unterminated testcard", "do not end"},
	{"--json {\"capabilities\":[]} testcard", "are no object"},
	{"--json {\"capabilities\":{\"max_msg_fds\":\"1\"}} testcard", "is no number"},
	{"--json {\"capabilities\":{\"max_msg_fds\":-1}} testcard", "too small"},
	{"--json {\"capabilities\":{\"max_data_xfer_size\":4}} testcard", "too small"},
	{"--json {\"capabilities\":{\"pgsizes\":65536}} testcard", "no pages of 4096"},
};

START_TEST(a_bad_beginning)
{
	serve(bad_beginnings[_i].server);
	/* Only who waits in vain does not wait long. */
	d = try(strstr(bad_beginnings[_i].words, "within 1 s") ? ",timeout=1" : ",timeout=60");
	ck_assert_msg(!d, "%s", bad_beginnings[_i].server);
	ck_assert_msg(strstr(err, bad_beginnings[_i].words), "%s: %s", bad_beginnings[_i].server,
		      err);
	ck_assert_msg(strstr(err, path), "%s", err);
	ck_assert_uint_eq(pci_calls.leaves, 0);
}
END_TEST

/* Less than everything is enough. */
static const char *const poor_servers[] = {
	"--json - testcard",
	"--json {} testcard",
	"--json {\"capabilities\":{}} testcard",
	"--json {\"capabilities\":{\"max_msg_fds\":3,\"pgsizes\":4096}} testcard",
	"--version 0.0 testcard",
	"--fail 6:22 testcard",
	"--fail 2:12 testcard",
};

START_TEST(a_poor_server)
{
	serve(poor_servers[_i]);
	create("");
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	ck_assert_int_eq(msi_enable(8), 0);
	raise_all();
	for (unsigned i = 0; i < 8; i++)
		WAIT_FOR(pci_calls.msi[i] == 1);
}
END_TEST

/* ---- servers that fail later ---- */

/* All is as ones, nothing waits, and the guest is asked to let the device go. */
static void is_lost(const char *words)
{
	uint32_t val;

	WAIT_FOR(pci_calls.leaves == 1);
	ck_assert_msg(strstr(t->log, words), "%s", t->log);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0, 8), ~0ull);
	put(TESTCARD_SCRATCH, 1);
	ck_assert_int_eq(d->ops->config_read(d, 0, 4, &val), 0);
	ck_assert_uint_eq(val, ~0u);
	ck_assert_int_eq(d->ops->config_read(d, PCI_COMMAND, 2, &val), 0);
	ck_assert_uint_eq(val, 0xffff);
	ck_assert_int_eq(d->ops->config_write(d, PCI_COMMAND, 2, 0), 0);
	ck_assert_int_lt(msi_enable(1), 0);
	ck_assert_int_lt(reset(), 0);
}

START_TEST(a_server_that_is_killed)
{
	serve("testcard");
	create("");
	ck_assert_int_eq(msi_enable(2), 0);
	end_server();
	is_lost("has ended the connection; the function reads as all ones from now on");
	ck_assert_ptr_nonnull(strstr(t->log, path));
}
END_TEST

START_TEST(a_server_that_stops)
{
	serve("testcard");
	create(",timeout=5");
	kill(server, SIGSTOP);
	ck_assert_int_eq(waitpid(server, NULL, WUNTRACED), server);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	is_lost("does not answer REGION_READ within 5 s");
}
END_TEST

/* Unasked, while nobody waits for anything. */
START_TEST(a_server_that_talks_nonsense)
{
	static const char *const wrongs[][2] = {{"garbage", "no message"},
						{"other-id", "was not asked"},
						{"dma-size", "whose size"},
						{"many-fds", "descriptors"}};
	char words[64];

	/* Enough messages for a beginning come first. */
	snprintf(words, sizeof(words), "--wrong %s:150 testcard", wrongs[_i][0]);
	serve(words);
	create(",timeout=60");
	for (unsigned i = 0; i < 200 && !pci_calls.leaves; i++)
		get(TESTCARD_ID);
	is_lost(wrongs[_i][1]);
}
END_TEST

START_TEST(a_slow_server_is_waited_for)
{
	serve("--wrong slow:0:20 testcard");
	create(",timeout=60");
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
}
END_TEST

/* ---- no server at all, and bad words ---- */

START_TEST(where_there_is_no_server)
{
	char other[120], long_path[200];

	ck_assert_ptr_null(try(""));
	ck_assert_ptr_nonnull(strstr(err, "start the vfio-user server first"));
	serve("testcard");
	end_server();
	ck_assert_ptr_null(try(""));
	ck_assert_ptr_nonnull(strstr(err, "no vfio-user server listens there"));
	ck_assert_int_eq(pci_vfio_user.check(path, true, err, sizeof(err)), 0);
	snprintf(other, sizeof(other), "%s/file", dir);
	ck_assert_int_eq(pci_vfio_user.check(other, true, err, sizeof(err)), -ENOENT);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(pci_vfio_user.check(other, true, err, sizeof(err)), -ENOTSOCK);
	unlink(other);
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = 0;
	ck_assert_ptr_null(pci_vfio_user.create(&host, long_path, err, sizeof(err)));
	ck_assert_ptr_nonnull(strstr(err, "at most 107 characters"));
}
END_TEST

START_TEST(bad_options)
{
	static const char *const bad[] = {NULL,
					  "",
					  ",timeout=1",
					  "/x,timeout=0",
					  "/x,timeout=3601",
					  "/x,memory=some",
					  "/x,map=maybe",
					  "/x,color=red"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_int_eq(pci_vfio_user.check(bad[i], false, err, sizeof(err)), -EINVAL);
		ck_assert_uint_gt(strlen(err), 15);
	}
	ck_assert_int_eq(
		pci_vfio_user.check("/x,timeout=9,memory=private,map=any", false, err, sizeof(err)),
		0);
}
END_TEST

#define LOOP(c, test, table) tcase_add_loop_test(c, test, 0, sizeof(table) / sizeof(*(table)))

int main(void)
{
	const TTest *const plain[] = {
		a_server_that_is_killed,  a_server_that_stops, a_slow_server_is_waited_for,
		where_there_is_no_server, bad_options,
	};
	Suite *suite = suite_create("vfio_user_hostile");
	TCase *c = tcase_create("vfio_user_hostile");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup, teardown);
	for (unsigned i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		tcase_add_test(c, plain[i]);
	tcase_add_loop_test(c, a_server_that_talks_nonsense, 0, 4);
	LOOP(c, a_bad_beginning, bad_beginnings);
	LOOP(c, a_poor_server, poor_servers);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
