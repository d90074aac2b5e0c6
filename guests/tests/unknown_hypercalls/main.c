/*
 * Numbers that are no hypercall, and calls that are for others: -ENOSYS or -EPERM, and
 * registers other than rax as they were.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "Hypercalls that do not exist";

static void tools(void)
{
	static uint64_t block[64];

	for (unsigned nr = 0; nr < 5; nr++)
		say("dm_op, %u buffers: itself %e, domain 0 %e, 1234 %e, bad address %e", nr,
		    HCALL(dm_op, DOMID_SELF, nr, block), HCALL(dm_op, 0, nr, block),
		    HCALL(dm_op, 1234, nr, block), HCALL(dm_op, 0, nr, VA_UNMAPPED));
	say_rc("49", hypercall6(49, (uint64_t)block, 0, 0, 0, 0, 0));
	say_rc("xenpmu_op", HCALL(xenpmu_op, 0, block));
	say_rc("hypfs_op", HCALL(hypfs_op, 0, 0, 0, 0, 0));
	say_rc("kexec_op", HCALL(kexec_op, 0, VA_UNMAPPED));
	say_rc("mca", hypercall6(48, (uint64_t)VA_UNMAPPED, 0, 0, 0, 0, 0));
	say_rc("hvm_op", HCALL(hvm_op, 0, VA_UNMAPPED));
	say_rc("xsm_op", HCALL(xsm_op, VA_UNMAPPED));
	say_rc("argo_op", hypercall6(39, 0, 0, 0, 0, 0, 0));
	say_rc("platform_op", HCALL(platform_op, block));
	say_rc("sysctl", HCALL(sysctl, block));
	say_rc("domctl", HCALL(domctl, block));
}

void guest_main(void)
{
	/* Not 31: whether there is an xenoprof_op is a choice when Xen is built. */
	register uint64_t r10 __asm__("r10") = 0x1010, r8 __asm__("r8") = 0x88,
			      r9 __asm__("r9") = 0x99, r12 __asm__("r12") = 0x1212;
	uint64_t rdi = 0xd1, rsi = 0x51, rdx = 0xdd, rbx = 0xbb;
	static const unsigned numbers[] = {9,  27, 36, 37, 38, 39, 40,	41,   42,	 43, 44,
					   45, 46, 47, 49, 52, 53, 54,	55,   56,	 57, 58,
					   59, 60, 61, 62, 63, 64, 100, 1000, 0xffffffff};
	long rc;

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		unsigned n = numbers[i];

		/* What is for domain 0 answers it something else. */
		if (is_dom0() && (n < 48 && n != 9 && n != 27))
			continue;
		say("%u: %e", n, hypercall6(n, 0, 0, 0, 0, 0, 0));
	}
	say_rc("2^32", hypercall6(1ul << 32, 0, 0, 0, 0, 0, 0));
	say_rc("2^63 + xen_version", hypercall6(1ul << 63 | 17, 0, 0, 0, 0, 0, 0));
	__asm__ volatile("syscall"
			 : "=a"(rc), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9),
			   "+b"(rbx), "+r"(r12)
			 : "a"(60ul)
			 : "rcx", "r11", "memory");
	say("registers: %lx %lx %lx %lx %lx %lx %lx %lx", rdi, rsi, rdx, r10, r8, r9, rbx, r12);
	if (!is_dom0())
		tools();
	say_rc("platform_op", is_dom0() ? -1 : HCALL(platform_op, VA_UNMAPPED));
	say_rc("sysctl", is_dom0() ? -1 : HCALL(sysctl, VA_UNMAPPED));
	say_rc("domctl", is_dom0() ? -14 : HCALL(domctl, VA_UNMAPPED));
}
