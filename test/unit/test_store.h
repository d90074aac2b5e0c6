/*
 * A store for libxenstore's tests: one connection, on which a thread goes through a
 * script of what it must get and what it sends. XENSTORED_PATH leads to it.
 */
#ifndef TEST_UNIT_TEST_STORE_H
#define TEST_UNIT_TEST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_step {
	enum {
		STEP_WANT,     /* this request */
		STEP_SEND,     /* this message */
		STEP_SEND_RAW, /* these bytes */
		STEP_WAIT,     /* until test_store_go() */
	} kind;
	uint32_t type, tx;
	const char *data;
	size_t len;
};

/* Strings: with the NUL that ends them, or without. */
#define WANT(type, tx, s)                         \
	{                                         \
		STEP_WANT, type, tx, s, sizeof(s) \
	}
#define WANT_BARE(type, tx, s)                        \
	{                                             \
		STEP_WANT, type, tx, s, sizeof(s) - 1 \
	}
#define SEND(type, tx, s)                         \
	{                                         \
		STEP_SEND, type, tx, s, sizeof(s) \
	}
#define SEND_BARE(type, tx, s)                        \
	{                                             \
		STEP_SEND, type, tx, s, sizeof(s) - 1 \
	}
#define SEND_RAW(s)                                   \
	{                                             \
		STEP_SEND_RAW, 0, 0, s, sizeof(s) - 1 \
	}
#define WAIT()                           \
	{                                \
		STEP_WAIT, 0, 0, NULL, 0 \
	}

/* The connection ends with the script. */
#define TEST_STORE(...)                                                       \
	do {                                                                  \
		static const struct store_step steps_[] = {__VA_ARGS__};      \
		test_store_start(steps_, sizeof(steps_) / sizeof(steps_[0])); \
	} while (0)

void test_store_start(const struct store_step *steps, size_t nr);
/* The script on a connection that there is already. */
void test_store_start_fd(const struct store_step *steps, size_t nr, int fd);
/* A function instead of a script. */
void test_store_start_fn(void (*serve)(int fd));
void test_store_go(void);
/* Waits for the end of the script, and checks that all was as it says. */
void test_store_end(void);
/* The folder of the socket "socket". */
const char *test_store_dir(void);

/* Everything, or false. */
bool test_store_read(int fd, void *buf, size_t len);
bool test_store_write(int fd, const void *buf, size_t len);

#endif
