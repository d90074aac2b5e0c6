/*
 * Entries that went to the guest's stack: the one that was seen, and what must not be
 * taken for one.
 */
#include "test/unit/test_run.h"
#include "vmm/cpu_stray.h"

static struct cpu_user_regs entered, now;
/* From the crash report of such a boot. */
static const uint64_t seen[5] = {0xffffffff82ad4448, 0xffffffff8102a028, 0xc230, 0x246,
				 0xffffffff82a03e28};

static void setup(void)
{
	entered = (struct cpu_user_regs){.rip = 0xffffffff81027e00,
					 .cs = FLAT_RING3_CS64,
					 .rsp = 0xffffffff82a03c00,
					 .ss = FLAT_RING3_SS64};
	now = entered;
	now.rip = seen[0];
	now.cs = 0xa02b;
	now.rsp = seen[3];
	now.ss = 0x3e2b;
}

START_TEST(the_one_that_was_seen)
{
	ck_assert(cpu_iret_strayed(&entered, &now, seen));
}
END_TEST

START_TEST(a_fault_of_the_guest_s)
{
	now.cs = entered.cs;
	ck_assert(!cpu_iret_strayed(&entered, &now, seen));
	setup();
	now.rip++;
	ck_assert(!cpu_iret_strayed(&entered, &now, seen));
	setup();
	now.rsp -= 8;
	ck_assert(!cpu_iret_strayed(&entered, &now, seen));
	setup();
	now.ss = FLAT_RING3_SS64;
	ck_assert(!cpu_iret_strayed(&entered, &now, seen));
	setup();
	now.cs = 0xa033;
	ck_assert(!cpu_iret_strayed(&entered, &now, seen));
}
END_TEST

START_TEST(an_iretq_of_the_guest_s_own)
{
	static const uint16_t selectors[] = {0x10, 0x33, 0x23, FLAT_RING3_CS32};

	for (unsigned i = 0; i < 4; i++) {
		uint64_t stack[5] = {0xffffffff81000100, selectors[i], 0x246, 0xffffffff82a03c28,
				     0x2b};
		now = entered;
		now.rip = stack[0];
		now.cs = selectors[i] | 3;
		now.rsp = stack[3];
		now.ss = 0x2b;
		ck_assert(!cpu_iret_strayed(&entered, &now, stack));
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_one_that_was_seen,
		a_fault_of_the_guest_s,
		an_iretq_of_the_guest_s_own,
	};

	return RUN_TESTS("cpu_stray", setup, NULL, tests);
}
