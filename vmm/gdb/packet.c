#include "vmm/gdb/packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CTRL_C 3

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- in ---- */

static void begin(struct gdb_parser *p)
{
	p->state = GDB_TEXT;
	p->len = 0;
	p->sum = p->told = 0;
	p->too_long = p->told_bad = false;
}

static void add_to_packet(struct gdb_parser *p, uint8_t b)
{
	/* One that was cut off: the sender began anew. */
	if (b == '$') {
		begin(p);
		return;
	}
	if (b == '#') {
		p->state = GDB_SUM1;
		return;
	}
	p->sum += b;
	if (p->len == GDB_PACKET_MAX)
		p->too_long = true;
	else
		p->text[p->len++] = (char)b;
}

static void add_to_sum(struct gdb_parser *p, uint8_t b)
{
	int digit = hex_digit((char)b);

	p->told_bad |= digit < 0;
	p->told = (uint8_t)(p->told << 4 | (digit & 15));
}

static enum gdb_input between(struct gdb_parser *p, uint8_t b)
{
	switch (b) {
	case '$':
		begin(p);
		return GDB_MORE;
	case CTRL_C:
		return GDB_STOP;
	case '+':
		return GDB_ACK;
	case '-':
		return GDB_NACK;
	default:
		return GDB_MORE;
	}
}

static enum gdb_input take(struct gdb_parser *p, uint8_t b)
{
	switch (p->state) {
	case GDB_BETWEEN:
		return between(p, b);
	case GDB_TEXT:
		add_to_packet(p, b);
		return GDB_MORE;
	case GDB_SUM1:
		add_to_sum(p, b);
		p->state = GDB_SUM2;
		return GDB_MORE;
	default:
		add_to_sum(p, b);
		p->state = GDB_BETWEEN;
		p->text[p->len] = '\0';
		return p->too_long || p->told_bad || p->told != p->sum ? GDB_BAD : GDB_PACKET;
	}
}

enum gdb_input gdb_parse(struct gdb_parser *p, const uint8_t *data, size_t len, size_t *used)
{
	enum gdb_input in = GDB_MORE;
	size_t n = 0;

	while (n < len && in == GDB_MORE)
		in = take(p, data[n++]);
	*used = n;
	return in;
}

bool gdb_read_number(const char **p, uint64_t *n)
{
	unsigned digits = 0;
	int d;

	*n = 0;
	while ((d = hex_digit(**p)) >= 0) {
		if (*n >> 60)
			return false;
		*n = *n << 4 | (unsigned)d;
		digits++;
		(*p)++;
	}
	return digits;
}

bool gdb_read_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

bool gdb_read_bytes(const char **p, uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit((*p)[0]), lo = hi < 0 ? -1 : hex_digit((*p)[1]);
		if (lo < 0)
			return false;
		buf[i] = (uint8_t)(hi << 4 | lo);
		*p += 2;
	}
	return true;
}

bool gdb_read_word(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n))
		return false;
	*p += n;
	return true;
}

size_t gdb_unescape(char *text, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '}' && i + 1 < len)
			text[to++] = (char)(text[++i] ^ 0x20);
		else
			text[to++] = text[i];
	}
	return to;
}

/* ---- out ---- */

void gdb_text_free(struct gdb_text *t)
{
	free(t->buf);
	*t = (struct gdb_text){.buf = NULL};
}

void gdb_text_add(struct gdb_text *t, const void *bytes, size_t len)
{
	size_t size = t->size ? t->size : 256;

	if (t->full || len > GDB_TEXT_MAX - t->len) {
		t->full = true;
		return;
	}
	while (size < t->len + len + 1)
		size *= 2;
	if (size != t->size) {
		char *buf = realloc(t->buf, size);
		if (!buf) {
			t->full = true;
			return;
		}
		t->buf = buf;
		t->size = size;
	}
	memcpy(t->buf + t->len, bytes, len);
	t->len += len;
	t->buf[t->len] = '\0';
}

void gdb_text_printf(struct gdb_text *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gdb_text_add(t, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void gdb_text_hex(struct gdb_text *t, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		gdb_text_add(t, (const char[]){digits[b[i] >> 4], digits[b[i] & 15]}, 2);
}

void gdb_text_binary(struct gdb_text *t, const void *bytes, size_t len)
{
	const char *b = bytes;

	for (size_t i = 0; i < len; i++) {
		/* '*' would begin a run. */
		if (b[i] == '#' || b[i] == '$' || b[i] == '}' || b[i] == '*')
			gdb_text_add(t, (const char[]){'}', (char)(b[i] ^ 0x20)}, 2);
		else
			gdb_text_add(t, b + i, 1);
	}
}

void gdb_text_packet(struct gdb_text *t, const char *content, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (uint8_t)content[i];
	gdb_text_add(t, "$", 1);
	gdb_text_add(t, content, len);
	gdb_text_printf(t, "#%02x", sum);
}
