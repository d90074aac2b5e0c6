/*
 * xl's configuration language: values, places and errors. The rules are those of
 * xl.cfg(5) and of libxlu's grammar.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/config/config_file.h"

static struct config_file c;
static struct error err;

static void setup(void)
{
	c = (struct config_file){0};
	err.text[0] = 0;
}

static void teardown(void)
{
	config_file_free(&c);
}

static int parse(const char *text)
{
	return config_file_parse(&c, "f.cfg", text, strlen(text), &err);
}

static const struct config_value *get(const char *key)
{
	const struct config_setting *s = config_file_find(&c, key);

	ck_assert_msg(s, "%s", key);
	return s->value;
}

static const char *string_of(const char *key)
{
	const struct config_value *v = get(key);

	ck_assert_int_eq(v->type, CONFIG_STRING);
	return v->string;
}

/* A value as xl prints lists. */
static size_t print(const struct config_value *v, char *out)
{
	size_t n = 0;

	if (v->type == CONFIG_STRING)
		return (size_t)sprintf(out, "%s", v->string);
	n += (size_t)sprintf(out, "[");
	for (unsigned i = 0; i < v->nr_items; i++) {
		n += (size_t)sprintf(out + n, "%s", i ? "," : "");
		n += print(v->item[i], out + n);
	}
	return n + (size_t)sprintf(out + n, "]");
}

START_TEST(values)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
		{"a=\"x y\"", "x y"},
		{"a = 'x y'", "x y"},
		{"\ta\t=\t'x'\t", "x"},
		{"a=512", "512"},
		{"a=0x1f", "0x1f"},
		{"a=\"\"", ""},
		{"a=\"it's\"", "it's"},
		{"a='\"'", "\""},
		{"a='it\\'s'", "it's"},
		{"a=\"\\\\\\\"\\'\"", "\\\"'"},
		{"a=\"\\a\\b\\f\\n\\r\\t\\v\"", "\a\b\f\n\r\t\v"},
		{"a=\"\\x41\\x7eb\"", "A~b"},
		{"a=\"\\101\\60\"", "A0"},
		{"a='#no comment; nor end'", "#no comment; nor end"},
		{"a=[]", "[]"},
		{"a=[ ]", "[]"},
		{"a=[\n\n]", "[]"},
		{"a=['x']", "[x]"},
		{"a=['x',]", "[x]"},
		{"a=[ 'x' , \"y\", 3 ]", "[x,y,3]"},
		{"a=[\n 'x',\n\n 'y'\n ,'z',\n]", "[x,y,z]"},
		{"a=[ # one\n 'x', # two\n 'y' # three\n]", "[x,y]"},
		{"a=[['pnode=0','size=512'],[[]],1]", "[[pnode=0,size=512],[[]],1]"},
		{"a='x' # what is behind it", "x"},
		{"a='\xc3\xa9'", "\xc3\xa9"},
		{"a='1'\na='2'", "2"},
		{"a='1';a='2';", "2"},
		{"a='1'\na+='2'", "12"},
		{"a+='1'", "1"},
		{"a=['1']\na+=['2','3']\na += []", "[1,2,3]"},
		{"a=[]\na+=['2']", "[2]"},
		{"a=['1']\na=2", "2"},
		{"a='1'#", "1"},
	};
	char text[200];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(!parse(cases[i].text), "%s: %s", cases[i].text, err.text);
		print(get("a"), text);
		ck_assert_msg(!strcmp(text, cases[i].value), "%s: %s", cases[i].text, text);
		ck_assert_uint_eq(c.nr, 1);
		config_file_free(&c);
	}
}
END_TEST

START_TEST(a_whole_file)
{
	ck_assert_int_eq(parse("# a guest\n"
			       "\n"
			       "name = \"g\"; memory = 512\n"
			       "disk = [ 'phy:/dev/x,xvda,w',\n"
			       "         'file:/y,xvdb,r' ]\n"
			       ";;\n"
			       "device_model_version='x'\n"
			       "a.b_c9 = 1"),
			 0);
	ck_assert_uint_eq(c.nr, 5);
	ck_assert_str_eq(string_of("name"), "g");
	ck_assert_str_eq(string_of("memory"), "512");
	ck_assert_str_eq(string_of("a.b_c9"), "1");
	ck_assert_uint_eq(get("disk")->nr_items, 2);
	ck_assert_ptr_null(config_file_find(&c, "vif"));
}
END_TEST

START_TEST(places)
{
	ck_assert_int_eq(parse("\n  name = \"g\"\ndisk = [ 'x',\n\t'y' ]; a = 1"), 0);
	const struct config_setting *s = config_file_find(&c, "name");
	ck_assert_uint_eq(s->line, 2);
	ck_assert_uint_eq(s->column, 3);
	ck_assert_uint_eq(s->value->line, 2);
	ck_assert_uint_eq(s->value->column, 10);
	ck_assert_uint_eq(get("disk")->column, 8);
	ck_assert_uint_eq(get("disk")->item[1]->line, 4);
	ck_assert_uint_eq(get("disk")->item[1]->column, 2);
	ck_assert_uint_eq(config_file_find(&c, "a")->column, 9);
	ck_assert_int_eq(config_error(&err, s, s->value, "is %d", 7), -EINVAL);
	ck_assert_str_eq(err.text, "f.cfg:2:10: is 7");
	config_error(&err, s, NULL, "x");
	ck_assert_str_eq(err.text, "f.cfg:2:3: x");
}
END_TEST

/* What follows the file on the command line counts, and is named in messages. */
START_TEST(more_texts)
{
	ck_assert_int_eq(parse("name='a'\ndisk=['x']\nmemory=1"), 0);
	ck_assert_int_eq(config_file_parse(&c, "command line", "name='b'; disk+=['y']", 21, &err),
			 0);
	ck_assert_str_eq(string_of("name"), "b");
	ck_assert_uint_eq(get("disk")->nr_items, 2);
	ck_assert_str_eq(config_file_find(&c, "name")->source, "command line");
	ck_assert_int_eq(config_file_parse(&c, "command line", "name=g", 6, &err), -EINVAL);
	ck_assert_str_eq(err.text, "command line:1:6: a value is expected here, not 'g'; a string "
				   "needs quotes");
}
END_TEST

START_TEST(errors)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"name", "f.cfg:1:5: '=' is expected behind 'name', not the end of the file"},
		{"\nname 'x'", "f.cfg:2:6: '=' is expected behind 'name', not a string"},
		{"a = ", "f.cfg:1:5: a value is expected here, not the end of the file"},
		{"a =\n'x'", "f.cfg:1:4: a value is expected here, not the end of the line"},
		{"a = x", "f.cfg:1:5: a value is expected here, not 'x'; a string needs quotes"},
		{"a = 'x' 'y'", "f.cfg:1:9: the end of the line or ';' is expected here"},
		{"a = 'x' b = 'y'", "f.cfg:1:9: the end of the line or ';'"},
		{"a = 'x\ny'", "f.cfg:1:5: this string has no end: '"},
		{"a = \"x\\\"", "f.cfg:1:5: this string has no end: \""},
		{"a = \"x\\\n\"", "f.cfg:1:5: this string has no end"},
		{"a = 'x\\q'", "f.cfg:1:7: there is no such escape as \\q"},
		{"a = 'x\\x4'", "f.cfg:1:7: \\x needs two"},
		{"a = '\\x00'", "zero byte"},
		{"a = '\\0'", "zero byte"},
		{"a = '\\777'", "zero byte"},
		{"a = [ 'x'", "f.cfg:1:5: this list has no end"},
		{"a = [ 'x',\n", "f.cfg:1:5: this list has no end"},
		{"a = [ 'x' 'y' ]", "f.cfg:1:11: ',' or ']' is expected here, not a string"},
		{"a = [ , ]", "f.cfg:1:7: a value or ']' is expected here, not ','"},
		{"a = ['x',,]", "f.cfg:1:10: a value or ']' is expected"},
		{"a = [ x ]", "f.cfg:1:7: a value or ']' is expected here, not 'x'"},
		{"a = [ 'x'; ]", "not ';'"},
		{"a = ]", "not ']'"},
		{"= 1", "f.cfg:1:1: a key is expected here, not '='"},
		{"'x' = 1", "a key is expected here, not a string"},
		{"Name = 'x'", "f.cfg:1:1: 'N': keys are written in lower case"},
		{"a = True", "f.cfg:1:5: 'T': keys are written in lower case"},
		{"a = 1\r\n", "f.cfg:1:6: the line ends like a DOS text file's"},
		{"import os", "f.cfg:1:1: 'import' looks like Python code"},
		{"a = 'x' + 'y'",
		 "f.cfg:1:9: '+' is not a part of the language; if this is Python"},
		{"a = os.path(1)", "a string needs quotes"},
		{"a = (1)", "f.cfg:1:5: '(' is not a part of the language; if this is Python"},
		{"a = -1", "f.cfg:1:5: '-' is not a part"},
		{"a = \xff", "f.cfg:1:5: a byte 0xff cannot stand here"},
		{"a = 'x'\nb += 'y'\na += ['y']",
		 "f.cfg:3:6: += cannot join a list to the string of "
		 "f.cfg:1"},
		{"a = []\na += 'y'", "f.cfg:2:6: += cannot join a string to the list of f.cfg:1"},
		{"a = [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "nested too deeply"},
		{"a", "'='"},
		{"+= 1", "a key is expected here, not '+='"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(parse(cases[i].text) == -EINVAL, "%s", cases[i].text);
		ck_assert_msg(strstr(err.text, cases[i].says), "%s: %s", cases[i].text, err.text);
		config_file_free(&c);
	}
	ck_assert_int_eq(config_file_parse(&c, "f.cfg", "a='\0'", 6, &err), -EINVAL);
	ck_assert_int_eq(config_file_parse(&c, "f.cfg", "a=1\0", 4, &err), -EINVAL);
	ck_assert_int_eq(config_file_parse(&c, "f.cfg", "a='\\\0'", 6, &err), -EINVAL);
}
END_TEST

START_TEST(limits)
{
	size_t len = CONFIG_FILE_MAX;
	char *text = malloc(len + 1), key[16];

	memset(text, '\n', len + 1);
	ck_assert_int_eq(config_file_parse(&c, "f.cfg", text, len, &err), 0);
	ck_assert_int_eq(config_file_parse(&c, "f.cfg", text, len + 1, &err), -EFBIG);
	memset(text, '[', len);
	memcpy(text, "a=", 2);
	ck_assert_int_eq(config_file_parse(&c, "f.cfg", text, len, &err), -EINVAL);
	/* Many items, and a string without an end behind them. */
	for (size_t i = 3; i + 3 <= len; i += 3)
		memcpy(text + i, "'',", 3);
	memcpy(text, "a=[", 3);
	ck_assert_int_eq(config_file_parse(&c, "f.cfg", text, len, &err), -EINVAL);
	free(text);
	for (unsigned i = 0; i < CONFIG_KEYS_MAX; i++) {
		snprintf(key, sizeof(key), "a%u=1", i);
		ck_assert_int_eq(parse(key), 0);
	}
	ck_assert_int_eq(parse("a0='2'"), 0);
	ck_assert_int_eq(parse("b=1"), -EINVAL);
	ck_assert_str_eq(string_of("a0"), "2");
}
END_TEST

/* Whatever the file holds: an answer, and a sentence when it is no. */
START_TEST(hostile)
{
	static const char alphabet[] = "a1'\"[],;=+#\\\n x\x80";
	unsigned seed = 1;
	char text[64];

	for (unsigned i = 0; i < 200000; i++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(text);
		for (size_t j = 0; j < len; j++)
			text[j] = alphabet[(size_t)rand_r(&seed) % sizeof(alphabet)];
		err.text[0] = 0;
		int rc = config_file_parse(&c, "f.cfg", text, len, &err);
		ck_assert(rc ? err.text[0] : !err.text[0]);
		config_file_free(&c);
	}
}
END_TEST

START_TEST(files)
{
	char name[] = "/tmp/config_file_testXXXXXX";
	FILE *f = fdopen(mkstemp(name), "w");

	fputs("name='x'\n", f);
	fclose(f);
	ck_assert_int_eq(config_file_read(&c, name, &err), 0);
	ck_assert_str_eq(string_of("name"), "x");
	remove(name);
	ck_assert_int_eq(config_file_read(&c, name, &err), -ENOENT);
	ck_assert(strstr(err.text, "cannot read the configuration"));
	ck_assert_int_eq(config_file_read(&c, "/", &err), -EISDIR);
	ck_assert_int_eq(config_file_read(&c, "/dev/null", &err), 0);
	ck_assert_int_eq(config_file_read(&c, "/dev/zero", &err), -EFBIG);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		values, a_whole_file, places, more_texts, errors, limits, hostile, files,
	};

	return RUN_TESTS("config_file", setup, teardown, tests);
}
