/*
 * The tables of list and the others, as xl 4.17 prints them: the lines are what xl's own
 * formats (tools/xl: xl_info.c, xl_vcpu.c, xl_block.c, xl_nic.c) give for such values.
 */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/control/cpu_list.h"
#include "vmm/top_table.h"
#include "vmm/verb_domain.h"

static char *text;
static size_t len;
static FILE *f;
static json_t *info;

static void setup(void)
{
	setenv("TZ", "UTC", 1);
	f = open_memstream(&text, &len);
	info = json_pack("{s:s, s:i, s:s, s:i, s:i, s:I, s:I, s:i, s:{s:b, s:b, s:b, s:b, s:b}}",
			 "name", "guest", "domid", 12, "uuid",
			 "01234567-89ab-cdef-0123-456789abcdef", "memory_kib", 262656,
			 "online_vcpus", 2, "cpu_ns", (json_int_t)12345678901, "now",
			 (json_int_t)5000000000, "started", 1000, "state", "running", 1, "blocked",
			 0, "paused", 0, "shutdown", 0, "dying", 0);
	ck_assert_ptr_nonnull(info);
}

static void teardown(void)
{
	fclose(f);
	free(text);
	json_decref(info);
}

static void is(const char *want)
{
	fflush(f);
	ck_assert_str_eq(text, want);
	rewind(f);
	fflush(f);
}

static void set_state(const char *key, bool on)
{
	json_object_set_new(json_object_get(info, "state"), key, json_boolean(on));
}

START_TEST(list)
{
	table_list_head(f, false);
	table_list_row(f, info, false);
	is("Name                                        ID   Mem VCPUs\tState\tTime(s)\n"
	   "guest                                       12   256     2     r-----      12.3\n");
}
END_TEST

START_TEST(list_verbose)
{
	table_list_head(f, true);
	table_list_row(f, info, true);
	is("Name                                        ID   Mem VCPUs\tState\tTime(s)"
	   "   UUID                            Reason-Code\tSecurity Label\n"
	   "guest                                       12   256     2     r-----      12.3"
	   " 01234567-89ab-cdef-0123-456789abcdef        -                -\n");
}
END_TEST

/* xl's "-rscwS": the fifth letter is why it was shut down. */
START_TEST(states)
{
	static const char letters[] = "-rscwS?";

	set_state("running", false);
	set_state("blocked", true);
	set_state("paused", true);
	table_list_row(f, info, false);
	fflush(f);
	ck_assert_ptr_nonnull(strstr(text, " -bp--- "));
	set_state("blocked", false);
	set_state("paused", false);
	set_state("shutdown", true);
	for (int i = 0; i < 7; i++) {
		char want[10];
		json_object_set_new(info, "shutdown_reason", json_integer(i));
		rewind(f);
		table_list_row(f, info, false);
		fflush(f);
		snprintf(want, sizeof(want), " ---s%c- ", letters[i]);
		ck_assert_msg(strstr(text, want) != NULL, "%s", text);
	}
	set_state("shutdown", false);
	set_state("dying", true);
	rewind(f);
	table_list_row(f, info, false);
	fflush(f);
	ck_assert_ptr_nonnull(strstr(text, " -----d "));
}
END_TEST

START_TEST(vcpus)
{
	json_object_set_new(info, "vcpus",
			    json_pack("[{s:i, s:b, s:b, s:b, s:i, s:I, s:s}, {s:i, s:b, s:i, s:s}]",
				      "id", 0, "online", 1, "running", 0, "blocked", 1, "cpu", 3,
				      "cpu_ns", (json_int_t)1500000000, "affinity", "0-1", "id", 1,
				      "online", 0, "cpu_ns", 0, "affinity", "all"));
	table_vcpu_head(f);
	table_vcpu_rows(f, info);
	is("Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / "
	   "Soft)\n"
	   "guest                               12     0    3   -b-       1.5  0-1 / all\n"
	   "guest                               12     1    -   --p       0.0  all / all\n");
}
END_TEST

START_TEST(disks)
{
	json_t *d = json_pack("[{s:i, s:i, s:s, s:{s:s, s:s}}, {s:i, s:i, s:s, s:{}}]", "id", 51712,
			      "frontend_state", 4, "backend_path",
			      "/local/domain/0/backend/vbd/12/51712", "frontend", "event-channel",
			      "10", "ring-ref", "8", "id", 51728, "frontend_state", 1,
			      "backend_path", "/local/domain/0/backend/vbd/12/51728", "frontend");

	ck_assert_ptr_nonnull(d);
	table_block_head(f);
	table_block_rows(f, info, d);
	is("Vdev  BE  handle state evt-ch ring-ref BE-path                       \n"
	   "51712 0   12     4     10     8        /local/domain/0/backend/vbd/12/51712\n"
	   "51728 0   12     1     -1     -1       /local/domain/0/backend/vbd/12/51728\n");
	json_decref(d);
}
END_TEST

START_TEST(nics)
{
	json_t *d =
		json_pack("[{s:i, s:i, s:s, s:{s:s}, s:{s:s, s:s, s:s}}]", "id", 0,
			  "frontend_state", 4, "backend_path", "/local/domain/0/backend/vif/12/0",
			  "backend", "mac", "00:16:3e:01:02:03", "frontend", "event-channel-tx",
			  "11", "tx-ring-ref", "768", "rx-ring-ref", "769");

	ck_assert_ptr_nonnull(d);
	table_network_head(f);
	table_network_rows(f, info, d);
	is("Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path               "
	   "        \n"
	   "0   0  00:16:3e:01:02:03     0     4     11   768/769         "
	   "/local/domain/0/backend/vif/12/0\n");
	json_decref(d);
}
END_TEST

START_TEST(uptime)
{
	table_uptime_head(f);
	table_uptime_row(f, info, 1000 + 3723, false);
	is("Name                                ID Uptime\n"
	   "guest                               12  1:02:03\n");
	table_uptime_row(f, info, 1000 + 86400 + 60, false);
	fflush(f);
	ck_assert(!strncmp(text, "guest                               12 1 day,  0:01:00\n", 55));
	rewind(f);
	table_uptime_row(f, info, 1000 + 3 * 86400, true);
	fflush(f);
	ck_assert(!strncmp(text, " 00:16:40 up 3 days,  0:00, guest (12)\n", 39));
	/* A clock that was set back. */
	rewind(f);
	table_uptime_row(f, info, 10, false);
	fflush(f);
	ck_assert(!strncmp(text, "guest                               12  0:00:00\n", 48));
}
END_TEST

/* xl: print_bitmap(). */
START_TEST(cpu_lists)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{"0", "0"},	   {"0-3", "0-3"},	{"0,2", "0,2"},	  {"0-7", "all"},
		{"all", NULL},	   {"0-3,^2", "0-1,3"}, {"1,2,3", "1-3"}, {"4,6-7", "4,6-7"},
		{"0-7,^0", "1-7"}, {"5-5", "5"},
	};
	static const char *const bad[] = {
		"",   "x",   "1-", "-1",     "3-1",	      "1,", ",1", "1,,2", "0x1",
		"^1", "1 2", "al", "999999", "1-99999999999", "1;2"};
	char out[CPU_LIST_TEXT];
	struct error err;
	cpu_set_t set;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_msg(!cpu_list_parse(good[i].in, &set, &err), "%s", good[i].in);
		cpu_list_print(&set, 8, out, sizeof(out));
		if (good[i].out)
			ck_assert_str_eq(out, good[i].out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(cpu_list_parse(bad[i], &set, &err) < 0, "'%s'", bad[i]);
	CPU_ZERO(&set);
	cpu_list_print(&set, 8, out, sizeof(out));
	ck_assert_str_eq(out, "none");
	/* The worst case is cut, not written beyond. */
	for (int i = 0; i < CPU_SETSIZE; i += 2)
		CPU_SET(i, &set);
	cpu_list_print(&set, CPU_SETSIZE, out, sizeof(out));
	ck_assert_uint_lt(strlen(out), sizeof(out));
}
END_TEST

/* ---- top ---- */

START_TEST(top_for_scripts)
{
	json_t *before = json_deep_copy(info);
	char head[] = "      NAME  STATE   CPU(sec) CPU(%)     MEM(k) MEM(%)  MAXMEM(k) MAXMEM(%)";

	json_object_set_new(info, "exits", json_integer(3000));
	json_object_set_new(before, "exits", json_integer(1000));
	json_object_set_new(before, "now", json_integer(3000000000)); /* 2 s ago */
	json_object_set_new(before, "cpu_ns", json_integer(12345678901 - 500000000));
	json_object_set_new(info, "devices",
			    json_pack("{s:{s:{s:i, s:i, s:i, s:i}, s:{s:i}}, s:{s:{s:i, s:i}}}",
				      "disks", "xvda", "reads", 7, "writes", 5, "read_bytes", 5120,
				      "written_bytes", 1024, "xvdb", "reads", 1, "vifs", "0",
				      "tx_bytes", 4096, "rx_bytes", 8192));
	top_head(f, TOP_XENTOP, 0);
	top_row(f, TOP_XENTOP, 0, info, before);
	fflush(f);
	ck_assert(!strncmp(text, head, strlen(head)));
	/* Fields as a script finds them. */
	char *row = strchr(text, '\n') + 1, *word[32], *save = NULL;
	int n = 0;
	for (char *w = strtok_r(row, " \n", &save); w && n < 32; w = strtok_r(NULL, " \n", &save))
		word[n++] = w;
	ck_assert_int_eq(n, 18);
	static const struct {
		int at;
		const char *is;
	} want[] = {
		{0, "guest"}, {1, "-----r"}, {2, "12"},	 {3, "25.0"}, {4, "262656"},
		{8, "2"},     {9, "1"},	     {10, "4"},	 {11, "8"},   {12, "2"},
		{13, "8"},    {14, "5"},     {15, "10"}, {16, "2"},   {17, "1000"},
	};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_msg(!strcmp(word[want[i].at], want[i].is), "field %d: %s", want[i].at,
			      word[want[i].at]);
	json_decref(before);
}
END_TEST

START_TEST(top_on_a_terminal)
{
	top_head(f, TOP_LIVE, 80);
	top_row(f, TOP_LIVE, 80, info, NULL);
	is("      NAME  STATE CPU(%)  EXITS/s     MEM(k) NETTX(k) NETRX(k)   VBD_RD   VBD_WR\n"
	   "     guest -----r    0.0        0     262656        0        0        0        0\n");
	top_row(f, TOP_LIVE, 20, info, NULL);
	fflush(f);
	ck_assert(!strncmp(text, "     guest -----r   \n", 21));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		list, list_verbose, states,    vcpus,		disks,
		nics, uptime,	    cpu_lists, top_for_scripts, top_on_a_terminal,
	};

	return RUN_TESTS("tables", setup, teardown, tests);
}
