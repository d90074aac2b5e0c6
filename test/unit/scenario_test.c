/*
 * Scenarios: what is read from their files, and the sentences about what cannot be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/test_run.h"
#include "vmm/scenario/scenario.h"

static struct error err;

static struct scenario *good(const char *text)
{
	struct scenario *s = scenario_parse("dir/some.scn", text, &err);

	ck_assert_msg(s != NULL, "%s", err.text);
	return s;
}

static void bad(const char *text, const char *sentence)
{
	struct scenario *s = scenario_parse("x.scn", text, &err);

	ck_assert_msg(!s, "this was read: %s", text);
	ck_assert_msg(strstr(err.text, sentence) != NULL, "'%s' has no '%s'", err.text, sentence);
}

START_TEST(times_and_sizes)
{
	static const struct {
		const char *text;
		uint64_t value;
	} times[] = {{"10ms", 10000000}, {"2s", 2000000000},	{"100us", 100000},
		     {"5ns", 5},	 {"1min", 60000000000}, {"0s", 0}},
	  sizes[] = {{"512", 512}, {"4k", 4096}, {"64M", 64u << 20}, {"2G", 2ull << 30}};
	static const char *const no_times[] = {"",   "2", "s", "-1s", "1.5s", "2 s", "99999999999s",
					       " 2s"};
	static const char *const no_sizes[] = {"", "M", "-1", "1x", "4kk", "99999999T"};
	uint64_t v;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		ck_assert_msg(!scenario_time(times[i].text, &v), "%s", times[i].text);
		ck_assert_uint_eq(v, times[i].value);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_msg(!scenario_size(sizes[i].text, &v), "%s", sizes[i].text);
		ck_assert_uint_eq(v, sizes[i].value);
	}
	for (size_t i = 0; i < sizeof(no_times) / sizeof(no_times[0]); i++)
		ck_assert_msg(scenario_time(no_times[i], &v), "%s", no_times[i]);
	for (size_t i = 0; i < sizeof(no_sizes) / sizeof(no_sizes[0]); i++)
		ck_assert_msg(scenario_size(no_sizes[i], &v), "%s", no_sizes[i]);
}
END_TEST

START_TEST(words)
{
	struct text_list w = {0};

	ck_assert(!scenario_split("a 'b  c' \"d'e\"f  g''", &w));
	ck_assert_uint_eq(w.nr, 4);
	ck_assert_str_eq(w.text[1], "b  c");
	ck_assert_str_eq(w.text[2], "d'ef");
	ck_assert_str_eq(w.text[3], "g");
	text_list_free(&w);
	ck_assert(scenario_split("a 'b", &w));
	text_list_free(&w);
	ck_assert(!scenario_split("   ", &w));
	ck_assert_uint_eq(w.nr, 0);
}
END_TEST

START_TEST(all_of_it)
{
	struct scenario *s = good("# a comment\n"
				  "title a title, with words\n"
				  "why first\n"
				  "why second\n"
				  "\n"
				  "module xen-blkfront\n"
				  "module ./mine.ko later\n"
				  "memory 256\n"
				  "disk xvda 16M ro,queues=2\n"
				  "spare xvdb 4k\n"
				  "disk xvdc empty cdrom\n"
				  "vif\n"
				  "vif mac=00:16:3e:00:00:01\n"
				  "option --p2m=shuffle:7 --max-grant-frames 4\n"
				  "inject event_pending drop count=1\n"
				  "trace block\n"
				  "limit 30s\n"
				  "allow WARNING: this one\n"
				  "xfail 6.1.* it is known\n"
				  "xfail-message ^so it says$\n"
				  "script\n"
				  "\techo a\n"
				  "\n"
				  "\tif b; then\n"
				  "\t\techo c\n"
				  "\tfi\n"
				  "expect console ^a within 5s\n"
				  "at 2s do pause\n"
				  "do fails block-attach xvdb\n");

	ck_assert_str_eq(s->name, "some");
	ck_assert_str_eq(s->title, "a title, with words");
	ck_assert_str_eq(s->why, "first second");
	ck_assert_str_eq(s->guest, "linux-cloud");
	ck_assert_uint_eq(s->nr_modules, 2);
	ck_assert_str_eq(s->module[1].name, "dir/./mine.ko");
	ck_assert(!s->module[0].later && s->module[1].later);
	ck_assert_uint_eq(s->nr_disks, 3);
	ck_assert_str_eq(s->disk[0].spec, "ro,queues=2");
	ck_assert(s->disk[1].spare && s->disk[1].bytes == 4096);
	ck_assert(!s->disk[2].bytes);
	ck_assert_uint_eq(s->vif.nr, 2);
	ck_assert_str_eq(s->vif.text[0], "");
	ck_assert_uint_eq(s->option.nr, 3);
	ck_assert_str_eq(s->inject.text[0], "event_pending drop count=1");
	ck_assert_uint_eq(s->limit, 30000000000ull);
	ck_assert_str_eq(s->xfail_kernel.text[0], "6.1.*");
	ck_assert_str_eq(s->xfail_reason.text[0], "it is known");
	ck_assert_str_eq(s->xfail_message.text[0], "^so it says$");
	ck_assert_str_eq(s->script, "\techo a\n\n\tif b; then\n\t\techo c\n\tfi\n");
	ck_assert_uint_eq(s->nr_steps, 3);
	ck_assert_uint_eq(s->step[0].line, 27);
	ck_assert_uint_eq(s->step[1].at, 2000000000);
	ck_assert(s->step[2].outcome == MUST_FAIL);
	scenario_free(s);
}
END_TEST

START_TEST(expectations)
{
	struct scenario *s = good("title t\n"
				  "expect console a within b within 5s\n"
				  "expect no console x\n"
				  "expect xenstore backend/vbd/1/state = ^[45]$\n"
				  "expect no xenstore device/vbd/1\n"
				  "expect trace block:op=write,status!=0 at most 3 within 1s\n"
				  "expect trace blk_request exactly 2\n"
				  "expect no trace fault\n"
				  "expect trace net\n"
				  "expect message boom\n"
				  "expect exit crash within 1min\n");
	const struct step *st = s->step;

	ck_assert_str_eq(st[0].regex_text, "a within b");
	ck_assert_uint_eq(st[0].within, 5000000000ull);
	ck_assert(st[1].kind == STEP_NO_CONSOLE);
	ck_assert_str_eq(st[2].text, "backend/vbd/1/state");
	ck_assert_str_eq(st[2].regex_text, "^[45]$");
	ck_assert(st[3].kind == STEP_NO_XENSTORE && !st[3].has_regex);
	ck_assert_str_eq(st[4].text, "block:op=write,status!=0");
	ck_assert(st[4].limit == AT_MOST && st[4].n == 3);
	ck_assert(st[5].limit == EXACTLY && st[5].n == 2);
	ck_assert(st[6].limit == EXACTLY && st[6].n == 0);
	ck_assert(st[7].limit == AT_LEAST && st[7].n == 1);
	ck_assert(st[8].kind == STEP_MESSAGE);
	ck_assert_str_eq(st[9].text, "crash");
	ck_assert_uint_eq(s->nr_trace_steps, 4);
	scenario_free(s);
}
END_TEST

START_TEST(repeats)
{
	struct scenario *s = good("title t\nrepeat 3\ndo pause\nend\nrepeat 2\nwait 1ms\nend\n");

	ck_assert_uint_eq(s->step[0].partner, 2);
	ck_assert_uint_eq(s->step[2].partner, 0);
	ck_assert_uint_eq(s->step[5].partner, 3);
	scenario_free(s);
}
END_TEST

static const struct {
	const char *text, *sentence;
} mistakes[] = {
	{"", "x.scn:1: a scenario needs a 'title'"},
	{"title t\ntitle u\n", "x.scn:2: there is a 'title' already"},
	{"title t\nmodul x\n", "x.scn:2: 'modul' is no word of a scenario; did you mean 'module'?"},
	{"title\n", "'title' needs something behind it"},
	{"title t\nmodule a now\n", "'module' takes a name or a path"},
	{"title t\ndisk xvda\n", "a disk is DEVICE SIZE"},
	{"title t\ndisk xvda 1x\n", "a disk is DEVICE SIZE"},
	{"title t\ndisk xvda 1M\ndisk xvda 1M\n", "x.scn:3: there is a disk 'xvda' already"},
	{"title t\ndisk a/b 1M\n", "'a/b' is no device"},
	{"title t\nlimit 3\n", "'limit' takes a time"},
	{"title t\noption memory\n", "'option' takes options"},
	{"title t\noption --name='x\n", "a quote has no end"},
	{"title t\ntrace nonsense\n", "'nonsense' is no category"},
	{"title t\nallow (\n", "'allow' takes a regular expression"},
	{"title t\nxfail 6.1\n", "'xfail' takes a kernel's version"},
	{"title t\nxfail-message (\n", "'xfail-message' takes a regular expression"},
	{"title t\nexpect sunshine\n", "'expect' takes [no] console"},
	{"title t\nexpect console\n", "'expect' takes [no] console"},
	{"title t\nexpect console (\n", "'(' is no regular expression"},
	{"title t\nexpect console a within soon\n", "'within soon': not a time"},
	{"title t\nexpect xenstore a\n", "takes PATH = REGEX"},
	{"title t\nexpect no xenstore a = b\n", "takes a path"},
	{"title t\nexpect trace nonsense\n", "'nonsense' is no category"},
	{"title t\nexpect trace block:colour=red\n", "has a field 'colour'"},
	{"title t\nexpect trace block at least many\n", "not a number of records"},
	{"title t\nexpect exit gracefully\n", "'expect exit' takes poweroff"},
	{"title t\nexpect no exit crash\n", "'expect exit' takes poweroff"},
	{"title t\nexpect no message x\n", "there is no 'expect no message'"},
	{"title t\ndo\n", "'do' needs an action"},
	{"title t\ndo puase\n", "there is no action 'puase'; did you mean 'pause'?"},
	{"title t\ndo xenstore-chmod a\n", "'xenstore-chmod' needs 2 operands"},
	{"title t\ndo resize xvda big\n", "'big' is no size"},
	{"title t\nat noon do pause\n", "'at' takes a time"},
	{"title t\nat 2s pause\n", "'at' takes a time"},
	{"title t\nwait long\n", "'wait' takes a time"},
	{"title t\nrepeat 0\n", "'repeat' takes a number"},
	{"title t\nrepeat 2\ndo pause\n", "x.scn:4: a 'repeat' without its 'end'"},
	{"title t\nrepeat 2\nrepeat 2\n", "a 'repeat' within a 'repeat'"},
	{"title t\nend\n", "an 'end' without a 'repeat'"},
	{"title t\nscript\n\ta\nscript\n", "x.scn:4: there is a 'script' already"},
	{"title t\nramdisk r\nscript\n\ta\n", "has a 'ramdisk' of its own"},
};

START_TEST(sentences)
{
	bad(mistakes[_i].text, mistakes[_i].sentence);
}
END_TEST

START_TEST(too_much)
{
	char text[8192] = "title t\n";

	for (int i = 0; i < SCENARIO_MAX_STEPS + 1; i++)
		strcat(text, "do pause\n");
	bad(text, "at most 128 steps");
	strcpy(text, "title t\n");
	for (int i = 0; i < 7; i++)
		strcat(text, "expect trace block\n");
	bad(text, "at most 6 traces");
	strcpy(text, "title t\n");
	for (int i = 0; i < SCENARIO_MAX_DISKS + 1; i++)
		snprintf(text + strlen(text), 40, "disk d%d 1M\n", i);
	bad(text, "at most 16 disks");
}
END_TEST

/* Any prefix of a file, and any byte changed, is read or refused. */
START_TEST(any_bytes)
{
	const char *whole =
		"title t\nmodule a later\ndisk xvda 1M ro\nscript\n\techo\nrepeat 2\n"
		"do xenstore-write a 'b c'\nend\nexpect trace block at most 3 within 2s\n";
	char text[400];

	for (size_t i = 0; i < strlen(whole); i++)
		for (int c = -1; c < 128; c += 7) {
			strcpy(text, whole);
			text[i] = (char)(c < 0 ? 0 : c);
			struct scenario *s = scenario_parse("x.scn", text, &err);
			if (s)
				scenario_free(s);
		}
}
END_TEST

START_TEST(files)
{
	char path[] = "/tmp/scenario-test-XXXXXX";
	int fd = mkstemp(path);

	ck_assert(!scenario_read("/nonexistent/x.scn", &err));
	ck_assert(strstr(err.text, "cannot read /nonexistent/x.scn"));
	ck_assert(!scenario_read("/", &err));
	ck_assert(write(fd, "title t\n\0", 9) == 9);
	ck_assert(!scenario_read(path, &err));
	ck_assert(strstr(err.text, "zero bytes"));
	ck_assert(!ftruncate(fd, 8));
	struct scenario *s = scenario_read(path, &err);
	ck_assert(s != NULL);
	scenario_free(s);
	ck_assert(!ftruncate(fd, 2 << 20));
	ck_assert(!scenario_read(path, &err));
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(matrices)
{
	struct matrix m = {0};
	struct variant v;
	char name[100], all[1000] = "";

	ck_assert_uint_eq(matrix_points(&m), 1);
	ck_assert(!matrix_parse(&m, "vcpus=1|2|4,kernel=cloud|6.12,feature=none|no-gso|no-indirect",
				&err));
	/* 3 vcpus, 2 kernels, 2 of disks, 1 of interfaces. */
	ck_assert_uint_eq(matrix_points(&m), 12);
	for (unsigned i = 0; i < 12; i++) {
		matrix_variant(&m, i, &v);
		variant_name(&v, name, sizeof(name));
		ck_assert_msg(!strstr(all, name), "%s again", name);
		strcat(strcat(all, name), "\n");
		ck_assert_str_eq(v.value[MATRIX_VIF], "no-gso");
	}
	ck_assert(strstr(all, "kernel=6.12 vcpus=4 disk=no-indirect vif=no-gso\n"));
	matrix_free(&m);
	ck_assert(matrix_parse(&m, "colour=red", &err));
	ck_assert(strstr(err.text, "not 'colour=red'"));
	ck_assert(matrix_parse(&m, "vcpus", &err));
	ck_assert(matrix_parse(&m, "vcpus=1||2", &err));
	matrix_free(&m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scenario");
	TCase *t = tcase_create("scenario");

	tcase_add_test(t, times_and_sizes);
	tcase_add_test(t, words);
	tcase_add_test(t, all_of_it);
	tcase_add_test(t, expectations);
	tcase_add_test(t, repeats);
	tcase_add_loop_test(t, sentences, 0, sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(t, too_much);
	tcase_add_test(t, any_bytes);
	tcase_add_test(t, files);
	tcase_add_test(t, matrices);
	suite_add_tcase(s, t);
	return run_suite(s);
}
