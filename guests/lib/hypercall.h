/*
 * Hypercalls by `syscall`, as current Linux makes them: number in rax, arguments in
 * rdi, rsi, rdx, r10, r8, r9 (arch-x86/xen-x86_64.h). rcx and r11 are lost.
 */
#ifndef GUESTS_LIB_HYPERCALL_H
#define GUESTS_LIB_HYPERCALL_H

#include <stdint.h>

#define ARG(x) ((uint64_t)(uintptr_t)(x))

static inline long hypercall6(unsigned long nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
			      uint64_t a5, uint64_t a6)
{
	register uint64_t r10 __asm__("r10") = a4;
	register uint64_t r8 __asm__("r8") = a5;
	register uint64_t r9 __asm__("r9") = a6;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "a"(nr)
			 : "rcx", "r11", "memory");
	return rc;
}

#define HCALL_PICK(_0, _1, _2, _3, _4, _5, _6, name, ...) name
#define HCALL0(nr)					  hypercall6(nr, 0, 0, 0, 0, 0, 0)
#define HCALL1(nr, a)					  hypercall6(nr, ARG(a), 0, 0, 0, 0, 0)
#define HCALL2(nr, a, b)				  hypercall6(nr, ARG(a), ARG(b), 0, 0, 0, 0)
#define HCALL3(nr, a, b, c)				  hypercall6(nr, ARG(a), ARG(b), ARG(c), 0, 0, 0)
#define HCALL4(nr, a, b, c, d)				  hypercall6(nr, ARG(a), ARG(b), ARG(c), ARG(d), 0, 0)
#define HCALL5(nr, a, b, c, d, e)			  hypercall6(nr, ARG(a), ARG(b), ARG(c), ARG(d), ARG(e), 0)
/* HCALL(sched_op, SCHEDOP_yield, 0): the name is that of __HYPERVISOR_*. */
#define HCALL(name, ...)                                                                      \
	HCALL_PICK(_, ##__VA_ARGS__, HCALL6_, HCALL5, HCALL4, HCALL3, HCALL2, HCALL1, HCALL0) \
	(__HYPERVISOR_##name, ##__VA_ARGS__)

#endif
