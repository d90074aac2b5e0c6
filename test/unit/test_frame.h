/*
 * A domain whose vcpu 0 has a stack and a handler to take frames with.
 */
#ifndef TEST_UNIT_TEST_FRAME_H
#define TEST_UNIT_TEST_FRAME_H

#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define HANDLER	 0xffffffff81000800ull
#define USER_RIP 0x400123ull
#define USER_RSP 0x7ffe12345678ull
#define RFLAGS	 0x202ull

struct test_frames {
	struct test_domain *t;
	struct vcpu *v;
	uint64_t stack; /* its top; in the kernel, rsp is 0x100 below */
};

/* In kernel mode, events unmasked, rcx and r11 with values of their own. */
void test_frames_setup(struct test_frames *f);
void test_frames_user_mode(struct test_frames *f);
void test_frames_gate(struct test_frames *f, unsigned vector, unsigned flags);
/* These words end at `top`, and v is in its kernel with them as its stack. */
void test_frames_expect(struct test_frames *f, uint64_t top, const uint64_t *words, unsigned n);
void test_frames_expect_crash(struct test_frames *f, const char *why);

/* For a file whose struct test_frames is called f. */
#define EXPECT(top, ...)                                             \
	test_frames_expect(&f, top, (const uint64_t[]){__VA_ARGS__}, \
			   sizeof((uint64_t[]){__VA_ARGS__}) / 8)

#endif
