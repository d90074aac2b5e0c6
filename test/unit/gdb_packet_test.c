/*
 * The framing of gdb's remote protocol: packets in pieces, wrong sums, long ones, garbage;
 * numbers, bytes and escapes. The expectations are those of gdb's manual.
 */
#include <stdlib.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/gdb/packet.h"

static struct gdb_parser *p;
static struct gdb_text text;

static void setup(void)
{
	p = calloc(1, sizeof(*p));
}

static void teardown(void)
{
	free(p);
	gdb_text_free(&text);
}

/* All of `bytes`; what came last that was not GDB_MORE. */
static enum gdb_input feed(const char *bytes, size_t len)
{
	enum gdb_input last = GDB_MORE;

	while (len) {
		size_t used;
		enum gdb_input in = gdb_parse(p, (const uint8_t *)bytes, len, &used);
		ck_assert(used > 0 && used <= len);
		bytes += used;
		len -= used;
		if (in != GDB_MORE)
			last = in;
	}
	return last;
}

static enum gdb_input feed_text(const char *bytes)
{
	return feed(bytes, strlen(bytes));
}

START_TEST(test_one_packet)
{
	size_t used;

	/* The manual's example of an empty answer, and OK. */
	ck_assert_int_eq(gdb_parse(p, (const uint8_t *)"$OK#9a$", 7, &used), GDB_PACKET);
	ck_assert_uint_eq(used, 6);
	ck_assert_str_eq(p->text, "OK");
	ck_assert_int_eq(feed_text("$#00"), GDB_PACKET);
	ck_assert_uint_eq(p->len, 0);
	ck_assert_int_eq(feed_text("$OK#9A"), GDB_PACKET);
}
END_TEST

START_TEST(test_byte_by_byte)
{
	const char *in = "$m0,4#fd";

	for (; in[1]; in++)
		ck_assert_int_eq(feed(in, 1), GDB_MORE);
	ck_assert_int_eq(feed(in, 1), GDB_PACKET);
	ck_assert_str_eq(p->text, "m0,4");
}
END_TEST

START_TEST(test_wrong_sums)
{
	ck_assert_int_eq(feed_text("$OK#9b"), GDB_BAD);
	ck_assert_int_eq(feed_text("$OK#zz"), GDB_BAD);
	ck_assert_int_eq(feed_text("$OK#9"), GDB_MORE);
	ck_assert_int_eq(feed_text("a"), GDB_PACKET);
}
END_TEST

START_TEST(test_between_packets)
{
	ck_assert_int_eq(feed_text("\3"), GDB_STOP);
	ck_assert_int_eq(feed_text("+"), GDB_ACK);
	ck_assert_int_eq(feed_text("-"), GDB_NACK);
	ck_assert_int_eq(feed_text("GET / HTTP/1.1\r\n\r\n\xff"), GDB_MORE);
	ck_assert_int_eq(feed_text("$OK#9a"), GDB_PACKET);
	/* Inside of one it is a byte like others. */
	ck_assert_int_eq(feed_text("$\3#03"), GDB_PACKET);
}
END_TEST

START_TEST(test_begun_anew)
{
	ck_assert_int_eq(feed_text("$m0,$OK#9a"), GDB_PACKET);
	ck_assert_str_eq(p->text, "OK");
}
END_TEST

START_TEST(test_longest)
{
	char *in = malloc(GDB_PACKET_MAX + 8);

	in[0] = '$';
	memset(in + 1, 0, GDB_PACKET_MAX + 1);
	strcpy(in + 1 + GDB_PACKET_MAX, "#00");
	ck_assert_int_eq(feed(in, GDB_PACKET_MAX + 4), GDB_PACKET);
	ck_assert_uint_eq(p->len, GDB_PACKET_MAX);
	in[1 + GDB_PACKET_MAX] = 0;
	strcpy(in + 2 + GDB_PACKET_MAX, "#00");
	ck_assert_int_eq(feed(in, GDB_PACKET_MAX + 5), GDB_BAD);
	/* However long, it ends somewhere. */
	in[0] = '$';
	ck_assert_int_eq(feed(in, 1), GDB_MORE);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(feed(in + 1, GDB_PACKET_MAX), GDB_MORE);
	ck_assert_int_eq(feed_text("#00"), GDB_BAD);
	ck_assert_int_eq(feed_text("$OK#9a"), GDB_PACKET);
	free(in);
}
END_TEST

START_TEST(test_numbers)
{
	const char *s = "1fF,";
	uint64_t n;
	uint8_t b[3];

	ck_assert(gdb_read_number(&s, &n));
	ck_assert_uint_eq(n, 0x1ff);
	ck_assert(gdb_read_char(&s, ',') && !*s && !gdb_read_char(&s, ','));
	ck_assert(!gdb_read_number(&s, &n));
	s = "ffffffffffffffff";
	ck_assert(gdb_read_number(&s, &n) && n == UINT64_MAX);
	s = "10000000000000000";
	ck_assert(!gdb_read_number(&s, &n));
	s = "x";
	ck_assert(!gdb_read_number(&s, &n));
	s = "00aBff";
	ck_assert(gdb_read_bytes(&s, b, 3) && !*s);
	ck_assert_mem_eq(b, "\x00\xab\xff", 3);
	s = "0";
	ck_assert(!gdb_read_bytes(&s, b, 1));
	s = "0g";
	ck_assert(!gdb_read_bytes(&s, b, 1));
	s = "abc";
	ck_assert(gdb_read_word(&s, "ab") && *s == 'c' && !gdb_read_word(&s, "cd"));
}
END_TEST

START_TEST(test_escapes)
{
	char in[] = "a}\x03}]}";
	const char plain[] = "#$}*a";
	char back[sizeof(plain) * 2];

	ck_assert_uint_eq(gdb_unescape(in, 6), 4);
	ck_assert_mem_eq(in, "a#}}", 4);
	gdb_text_binary(&text, plain, 5);
	ck_assert_uint_eq(text.len, 9);
	ck_assert_ptr_null(memchr(text.buf, '#', text.len));
	ck_assert_ptr_null(memchr(text.buf, '$', text.len));
	memcpy(back, text.buf, text.len);
	ck_assert_uint_eq(gdb_unescape(back, text.len), 5);
	ck_assert_mem_eq(back, plain, 5);
}
END_TEST

START_TEST(test_made_packets)
{
	gdb_text_packet(&text, "OK", 2);
	gdb_text_packet(&text, "", 0);
	ck_assert_str_eq(text.buf, "$OK#9a$#00");
	text.len = 0;
	gdb_text_hex(&text, "\x01\xef", 2);
	gdb_text_printf(&text, "%02x", 5);
	ck_assert_str_eq(text.buf, "01ef05");
}
END_TEST

START_TEST(test_text_is_bounded)
{
	char *big = calloc(1, GDB_TEXT_MAX);

	gdb_text_add(&text, big, GDB_TEXT_MAX - 1);
	ck_assert(!text.full);
	gdb_text_add(&text, big, 2);
	ck_assert(text.full);
	ck_assert_uint_eq(text.len, GDB_TEXT_MAX - 1);
	free(big);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_one_packet,   test_byte_by_byte,	 test_wrong_sums, test_between_packets,
		test_begun_anew,   test_longest,	 test_numbers,	  test_escapes,
		test_made_packets, test_text_is_bounded,
	};

	return RUN_TESTS("gdb_packet", setup, teardown, tests);
}
