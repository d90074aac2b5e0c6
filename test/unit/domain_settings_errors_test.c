/*
 * Keys of xl's files that mean nothing here, mistakes in them, and files that nobody would write.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "test/unit/test_settings.h"

/* What asks for nothing is no trouble; the rest is a warning with its line, or an error. */
START_TEST(keys_that_are_not_used)
{
	static const char *const quiet[] = {
		"vnc=0",   "sdl='0'",		"usbdevice=''",	   "pci=[]",
		"vtpm=[]", "ioports=[]",	"nomigrate=1",	   "serial=''",
		"p9=[ ]",  "builder='generic'", "builder='linux'", "type='pv'"};

	for (unsigned i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		ck_assert_msg(!read_more(quiet[i]), "%s: %s", quiet[i], err.text);
		ck_assert_msg(!warnings, "%s: %s", quiet[i], warned);
		again();
	}
	for (const struct config_key *k = config_keys; k->key; k++) {
		char text[100];
		if (k->set != key_warn && k->set != key_refuse)
			continue;
		snprintf(text, sizeof(text), "%s = [ 'x' ]", k->key);
		int rc = read_more(text);
		if (k->set == key_warn) {
			ck_assert_msg(!rc && warnings == 1, "%s: %s", text, err.text);
			ck_assert_msg(!strncmp(warned, "f.cfg:3: ", 9), "%s", warned);
			ck_assert_msg(strstr(warned, k->key) && strstr(warned, k->note), "%s",
				      warned);
		} else {
			ck_assert_msg(rc == -EINVAL, "%s", text);
			ck_assert_msg(!strncmp(err.text, "f.cfg:3:1: ", 11), "%s", err.text);
			ck_assert_msg(strstr(err.text, k->note), "%s", err.text);
		}
		again();
	}
}
END_TEST

START_TEST(errors)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"name=''", "f.cfg:3:6: a name has 1 to 63"},
		{"name=[]", "f.cfg:3:6: name is a single value"},
		{"kernel=['/k']", "f.cfg:3:8: kernel is a single value"},
		{"kernel=''", "f.cfg: there is no kernel"},
		{"memory=15", "f.cfg:3:8: memory is 16 to 1048576, not 15"},
		{"memory=99999999999999999999", "f.cfg:3:8: memory is a number"},
		{"memory=''", "memory is a number, not ''"},
		{"memory=1; maxmem=1", "memory is 16"},
		{"memory=64; maxmem=32", "f.cfg:3:19: maxmem is less"},
		{"maxvcpus=1; vcpus=2", "f.cfg:3:10: maxvcpus is less"},
		{"vcpus=33", "f.cfg:3:7: vcpus is 1 to 32"},
		{"type='hvm'", "f.cfg:3:6: only guests of type"},
		{"builder='hvm'", "f.cfg:3:9: only PV guests"},
		{"on_crash='x'", "f.cfg:3:10: on_crash is destroy"},
		{"on_crash='soft-reset'", "nothing for PV"},
		{"disk='x'", "f.cfg:3:6: disk is a list"},
		{"disk=['x', 'y']", "f.cfg:3:7: disk 'x'"},
		{"disk=['/x,raw,xvda,w', []]", "f.cfg:3:24: disk is a list of strings"},
		{"bootloader='x'", "f.cfg:3:12: 'x' is a program for"},
		{"bootloader='pygrub'", "f.cfg:3:12: there is no disk"},
		{"bootloader_args=[['x']]", "list of strings"},
		{"firmware='bios'; kernel=''", "f.cfg:3:10: the firmware of a PV guest"},
		{"uuid='x'", "f.cfg:3:6: a uuid looks like"},
		{"memori=1", "f.cfg:3:1: there is no key 'memori'; did you mean 'memory'?"},
		{"qwertzuiop=1", "f.cfg:3:1: there is no key 'qwertzuiop'; xl.cfg(5) lists them"},
		{"rtc_timeoffset='x'", "f.cfg:3:16: rtc_timeoffset is a number of seconds"},
		{"rtc_timeoffset=99999999999", "is a number of seconds"},
		{"localtime='yes'", "localtime is a number"},
		{"cpus='x'", "f.cfg:3:6: 'x' is no list of cpus"},
		{"cpus=['0', '']", "f.cfg:3:12: '' is no list of cpus"},
		{"cpus=[['0']]", "f.cfg:3:7: cpus is a list of strings"},
		{"max_event_channels=131072", "max_event_channels is 1 to 131071"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(read_more(cases[i].text) == -EINVAL, "%s", cases[i].text);
		ck_assert_msg(strstr(err.text, cases[i].says), "%s: %s", cases[i].text, err.text);
		again();
	}
}
END_TEST

/* Any key with any value: an answer, and a sentence when it is no. */
START_TEST(hostile)
{
	static const char *const values[] = {
		"0",
		"1",
		"'x'",
		"''",
		"[]",
		"['x']",
		"['/x,raw,xvda,w']",
		"[['x']]",
		"4096",
		"'-1'",
		"['']",
		"0x7fffffffffffffff",
		"99999999999999999999",
		"'pv'",
		"'pygrub'",
		"'restart'",
		"['a=b','c']",
		"'pvgrub64'",
		"[1,'2',[3]]",
		"' '",
	};
	unsigned seed = 11, nr_keys = 0;

	while (config_keys[nr_keys].key)
		nr_keys++;
	for (unsigned i = 0; i < 20000; i++) {
		char text[1000];
		size_t n = 0;
		for (unsigned j = 0; j < 5; j++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s %s\n",
					      config_keys[(unsigned)rand_r(&seed) % nr_keys].key,
					      rand_r(&seed) % 4 ? "=" : "+=",
					      values[(size_t)rand_r(&seed) %
						     (sizeof(values) / sizeof(values[0]))]);
		int rc = read_more(text);
		ck_assert_msg(rc ? err.text[0] : !err.text[0], "%s", text);
		if (!rc)
			ck_assert(s.run.name && (s.run.kernel || s.bootloader) &&
				  s.run.maxmem_mib >= s.run.memory_mib &&
				  s.run.max_vcpus >= s.run.nr_vcpus);
		again();
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		keys_that_are_not_used,
		errors,
		hostile,
	};

	return RUN_TESTS("domain_settings_errors", setup, teardown, tests);
}
