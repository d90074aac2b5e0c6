/*
 * A library for small 64-bit PV guests: tests, fuzzers, measurements. The same
 * binary runs here, on real Xen as domain 0 and on real Xen as another domain.
 *
 * A guest is a directory guests/tests/NAME with a main.c that has a title and
 * guest_main(). It tells what it sees, one fact a line, with say(); it judges
 * nothing: real Xen's transcript is the expectation. So a line must not depend on
 * the machine, the time, or the frames that the guest was given. What is of
 * interest to a reader only goes through note().
 *
 * No libc, no FPU. Kernel and user mode both run at CPL 3. Addresses: the kernel is
 * at VIRT_BASE + physical address, all its memory mapped by the domain builder.
 * Vcpu 0 runs guest_main() with events disabled.
 */
#ifndef GUESTS_LIB_GUEST_H
#define GUESTS_LIB_GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/io/pciif.h>

#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"

#define PAGE_SHIFT    12
#define PAGE_SIZE     4096UL
#define PAGE_MASK     (~(PAGE_SIZE - 1))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MS	      1000000ull /* in nanoseconds */

/* ---- what a guest provides ---- */
extern const char guest_title[];
void guest_main(void);

/* ---- start.c ---- */
extern struct start_info *start_info;
extern struct shared_info *shared_info; /* mapped */
bool is_dom0(void);
/* Ends the domain: guest_main() may also just return. */
void guest_end(void) __attribute__((noreturn));
void shut_down(unsigned reason);

/* ---- print.c ---- */
/* One line of the transcript, the newline is added. Formats: %s %c %d %u %x %lx %lu
 * %ld %p with a width and 0; %e: a long that a hypercall returned ("-EINVAL"). */
void say(const char *fmt, ...);
/* "what: -EINVAL". */
void say_rc(const char *what, long rc);
/* A line that is not compared. */
void note(const char *fmt, ...);
/* The guest itself went wrong: says so and ends with a crash. */
void fail(const char *fmt, ...) __attribute__((noreturn));
size_t format(char *buf, size_t size, const char *fmt, va_list ap);

/* ---- console.c ---- */
void console_init(void);
void console_write(const char *s, size_t len);

/* ---- string.c ---- */
void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

/* ---- traps.c ---- */
/* What was on the stack when Xen entered the guest; changes take effect at the
 * return. cs holds the saved upcall mask in bits 32-39. */
struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct trap {
	int vector; /* -1: there was none */
	uint32_t error;
	uint64_t rip, cr2, cs, rflags;
};

/* Calls fn(arg); a trap inside ends it. */
struct trap trap_of(void (*fn)(void *), void *arg);
/* The trap of reading or writing a byte, or of executing at an address. */
struct trap trap_of_read(const volatile void *p);
struct trap trap_of_write(volatile void *p);
/* "what: no trap" or "what: #PF 0x7". */
void say_trap(const char *what, struct trap t);
/* Called for vector 0-31 before anything else when set; true: it was handled. */
extern bool (*trap_hook)(struct frame *f);
/* The table that Xen has: for tests that register another. */
extern struct trap_info trap_table[];
void traps_init(void);

/* ---- vcpu.c ---- */
struct cpu {
	unsigned id;
	struct vcpu_info *info;
	uint64_t catch_sp, user_sp; /* where trap_of() and user_run() go on */
	struct trap trap;
	struct frame user_frame;   /* as user mode left */
	volatile unsigned upcalls; /* entries of the event callback */
	volatile unsigned nesting, max_nesting;
	volatile unsigned nmis, failsafes;
};
struct cpu *cpu_of(unsigned id);
/* The calling vcpu's. */
struct cpu *this_cpu(void);
/* Initialises vcpu `id` (once) to run fn(arg) with events disabled on a stack of its
 * own, and starts it. The first negative result of the two calls, or 0. */
long vcpu_start(unsigned id, void (*fn)(void *), void *arg);
/* Fills a context as vcpu_start() uses it. */
void vcpu_context(struct vcpu_guest_context *c, unsigned id, void (*fn)(void *), void *arg);
/* Until what `id` ran has returned and the vcpu is down. */
void vcpu_wait(unsigned id);
void pause(void); /* the instruction */
/* Gives other vcpus the processor. */
void yield(void);

/* ---- events.c ---- */
typedef void (*event_fn)(evtchn_port_t port);
void events_init(void);
/* Who is called for a port (two-level events); NULL: events are counted only. The
 * port is unmasked. */
void event_handler(evtchn_port_t port, event_fn fn);
extern volatile unsigned event_count[];
bool event_pending(evtchn_port_t port);
bool event_masked(evtchn_port_t port);
void event_mask(evtchn_port_t port);
void event_clear(evtchn_port_t port);
/* Without a hypercall: true when it was pending. */
bool event_unmask_raw(evtchn_port_t port);
void events_on(void); /* enables upcalls, and takes what is pending */
void events_off(void);
/* What the callback calls; a test may have its own. */
extern void (*event_upcall)(struct frame *f);
void event_upcall_default(struct frame *f);
/* Hypercalls: ports, or a negative errno value. */
long evtchn_alloc_unbound(domid_t dom, domid_t remote);
long evtchn_bind_interdomain(domid_t remote, evtchn_port_t port);
long evtchn_bind_virq(unsigned virq, unsigned vcpu);
long evtchn_bind_ipi(unsigned vcpu);
long evtchn_close(evtchn_port_t port);
long evtchn_send(evtchn_port_t port);
long evtchn_unmask(evtchn_port_t port);
long evtchn_bind_vcpu(evtchn_port_t port, unsigned vcpu);
/* A port that this domain can notify itself through: returns the end that events
 * arrive at, *send the one to send on. */
evtchn_port_t evtchn_loop(evtchn_port_t *send);

/* ---- time.c ---- */
uint64_t system_time(void);
void wait_until(uint64_t t); /* spinning */
void sleep_ms(unsigned ms);
/* SCHEDOP_poll and SCHEDOP_block. */
long poll_ports(evtchn_port_t *ports, unsigned nr, uint64_t timeout);
long block(void);
long set_timer(uint64_t t);

/* ---- memory.c ---- */
/* Zeroed pages of the guest's own, mapped read-write; never given back. */
void *page_alloc(void);
uint64_t pfn_of(const void *p);
uint64_t mfn_of(const void *p); /* of mapped kernel memory */
void *va_of_mfn(uint64_t mfn);	/* of a page that the boot tables map */
/* The entry that maps va, at `level` (1: the page): its address, in a page that is
 * mapped read-only. NULL when there is none. */
uint64_t *pte_of(const void *va, unsigned level);
uint64_t pte_maddr(const void *va, unsigned level);		  /* its machine address */
long map_page(const void *va, uint64_t pte, unsigned long flags); /* update_va_mapping */
long page_readonly(const void *va);
long page_writable(const void *va);
long mmuext(unsigned cmd, uint64_t arg1, uint64_t arg2); /* one operation */
long mmu_update_one(uint64_t ptr, uint64_t val, domid_t dom);
/* An address without a mapping, and one inside Xen. */
#define VA_UNMAPPED ((void *)0x7f0000000000UL)
#define VA_XEN	    ((void *)0xffff820000000000UL)

#define PTE_P	  0x001UL
#define PTE_RW	  0x002UL
#define PTE_US	  0x004UL
#define PTE_PWT	  0x008UL
#define PTE_PCD	  0x010UL
#define PTE_A	  0x020UL
#define PTE_D	  0x040UL
#define PTE_PSE	  0x080UL
#define PTE_G	  0x100UL
#define PTE_NX	  (1UL << 63)
#define PTE_LEAF  (PTE_P | PTE_US | PTE_A)
#define PTE_TABLE (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

/* ---- grants.c ---- */
long gnttab(unsigned cmd, void *arg, unsigned count); /* grant_table_op */
/* The domain's number: no call tells it, a port to itself does. Takes two ports. */
domid_t own_domid(void);

/* ---- store.c: xenstore, with events off ---- */
/* The value with a NUL behind it, until the next call; NULL: an error. */
const char *store_read(const char *path);
/* NULL: done; else the error's name. */
const char *store_write(const char *path, const char *value);

/* ---- pcifront.c: the frontend of PCI functions, with events off ---- */
extern struct xen_pci_sharedinfo *pci_page;
extern evtchn_port_t pci_port;
extern char pci_backend[]; /* its directory in xenstore */
/* Until the backend is Connected, and we are. False: there is none, or it is not. */
bool pci_connect(void);
/* The backend's key; NULL: there is none. */
const char *pci_key(const char *key);
unsigned pci_backend_state(void);
void pci_state(unsigned state); /* ours */
bool pci_wait_state(unsigned state, unsigned ms);
/* A request and its answer; false: none came in time. */
bool pci_op_wait(struct xen_pci_op *op, unsigned ms);
/* The same with patience; op->err. */
int pci_op(struct xen_pci_op *op);

/* ---- user.c ---- */
/* User mode's three pages, in an address space of their own. */
#define USER_CODE  0x400000UL
#define USER_STACK 0x401000UL /* its bottom; rsp starts at its end */
#define USER_DATA  0x402000UL
extern void *user_data; /* the same page in the kernel */
/* Copies [code, end) to USER_CODE and runs it in user mode with rdi = arg, events as
 * `events` says, until it makes a system call or traps. Its registers are in
 * this_cpu()->user_frame, vector ENTRY_SYSCALL or the trap's. */
struct frame *user_run(const void *code, const void *end, uint64_t arg, bool events);
/* Returns to what user_run() left, as it now is in user_frame. */
struct frame *user_resume(bool events);

static inline void barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

#endif
