/*
 * The framing of gdb's remote protocol (gdb's manual, "Remote Protocol"): packets, their
 * checksums, acknowledgements, hexadecimal numbers, bytes and escapes. No sockets here.
 */
#ifndef VMM_GDB_PACKET_H
#define VMM_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a packet's content, both ways: PacketSize of qSupported. */
#define GDB_PACKET_MAX 16384

enum gdb_input {
	GDB_MORE,   /* all is read, no packet is complete */
	GDB_PACKET, /* in parser.text, NUL-terminated; it may hold other NULs (parser.len) */
	GDB_BAD,    /* a packet with a wrong checksum, or one that is too long */
	GDB_STOP,   /* ^C between packets */
	GDB_ACK,
	GDB_NACK, /* what was sent last is to be sent again */
};

struct gdb_parser {
	enum { GDB_BETWEEN, GDB_TEXT, GDB_SUM1, GDB_SUM2 } state;
	bool too_long;
	uint8_t sum, told; /* computed, and the one in the packet */
	bool told_bad;	   /* it is no number */
	size_t len;
	char text[GDB_PACKET_MAX + 1];
};

/* Looks at data[0..len); *used of it are done with. What stands between packets and means
 * nothing is skipped. */
enum gdb_input gdb_parse(struct gdb_parser *p, const uint8_t *data, size_t len, size_t *used);

/* A text that grows up to a limit; what does not fit sets `full`. */
struct gdb_text {
	char *buf;
	size_t len, size; /* size: allocated */
	bool full;
};

#define GDB_TEXT_MAX (1u << 20)

void gdb_text_free(struct gdb_text *t);
void gdb_text_add(struct gdb_text *t, const void *bytes, size_t len);
void gdb_text_printf(struct gdb_text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void gdb_text_hex(struct gdb_text *t, const void *bytes, size_t len);
/* Bytes with the protocol's escapes. */
void gdb_text_binary(struct gdb_text *t, const void *bytes, size_t len);
/* `content` as a packet. */
void gdb_text_packet(struct gdb_text *t, const char *content, size_t len);

/* Reading what a packet says; *p moves behind it. */

/* Hexadecimal digits of a number up to 64 bits. False: there is none, or it is larger. */
bool gdb_read_number(const char **p, uint64_t *n);
/* This character. */
bool gdb_read_char(const char **p, char c);
/* Exactly n bytes as hexadecimal digits. */
bool gdb_read_bytes(const char **p, uint8_t *buf, size_t n);
/* Does the text begin so? */
bool gdb_read_word(const char **p, const char *word);
/* Undoes escapes in place: the number of bytes. */
size_t gdb_unescape(char *text, size_t len);

#endif
