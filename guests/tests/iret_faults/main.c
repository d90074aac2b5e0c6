/*
 * iret with selectors and addresses that cannot be loaded. The fault is Xen's, but the guest
 * gets it, as if the instruction that it returned to had caused it.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "iret that faults";

__asm__(".pushsection .text\n"
	"if_begin:\n"
	"	syscall\n"
	"	mov %ss, %eax\n"
	"	syscall\n"
	"if_end:\n"
	".popsection\n");
extern const char if_begin[], if_end[];

static struct frame *f;

static void go(const char *what, uint64_t rip, uint64_t rsp, uint16_t cs, uint16_t ss,
	       uint64_t rflags)
{
	struct cpu *c = this_cpu();

	f->rip = rip;
	f->rsp = rsp;
	f->cs = cs;
	f->ss = ss;
	f->rflags = rflags;
	f = user_resume(true);
	say_trap(what, c->trap);
	say("  rip as asked: %d, cs 0x%lx, ss 0x%lx", f->rip == rip, f->cs & 0xffff,
	    f->ss & 0xffff);
}

void guest_main(void)
{
	const uint64_t rip = USER_CODE + 2, rsp = USER_STACK + 0x800;
	uint64_t *gdt = page_alloc();
	xen_ulong_t list[1];

	f = user_run(if_begin, if_end, 0, true);
	say_trap("good", this_cpu()->trap);
	go("cs = 3", rip, rsp, 3, FLAT_USER_SS, 0x202);
	go("cs = 0xb, no GDT", rip, rsp, 0xb, FLAT_USER_SS, 0x202);
	go("cs = 0xf, no LDT", rip, rsp, 0xf, FLAT_USER_SS, 0x202);
	go("cs = 0xe02b, data", rip, rsp, 0xe02b, FLAT_USER_SS, 0x202);
	go("cs = 0xe00b, Xen's code", rip, rsp, 0xe00b, FLAT_USER_SS, 0x202);
	go("cs = 0xffff", rip, rsp, 0xffff, FLAT_USER_SS, 0x202);
	go("ss = 0xb, no GDT", rip, rsp, FLAT_USER_CS, 0xb, 0x202);
	go("ss = 0xe033, code", rip, rsp, FLAT_USER_CS, FLAT_USER_CS, 0x202);
	go("ss = 0xe013, Xen's data", rip, rsp, FLAT_USER_CS, 0xe013, 0x202);
	gdt[1] = 0x00cff3000000fffful; /* data */
	gdt[3] = 0x00affb000000fffful & ~(1ul << 47);
	page_readonly(gdt);
	list[0] = mfn_of(gdt);
	say_rc("a GDT", HCALL(set_gdt, list, 512));
	go("ss = 0xb", rip, rsp, FLAT_USER_CS, 0xb, 0x202);
	go("cs = 0x1b, not present", rip, rsp, 0x1b, FLAT_USER_SS, 0x202);
	go("rip in a hole", 0x10000000, rsp, FLAT_USER_CS, FLAT_USER_SS, 0x202);
	go("rip in the kernel", VIRT_BASE, rsp, FLAT_USER_CS, FLAT_USER_SS, 0x202);
	go("rip not canonical", 1ul << 63, rsp, FLAT_USER_CS, FLAT_USER_SS, 0x202);
	go("VM", rip, rsp, FLAT_USER_CS, FLAT_USER_SS, 0x20202);
	go("NT", rip, rsp, FLAT_USER_CS, FLAT_USER_SS, 0x4202);
	say("  flags: 0x%lx", f->rflags & 0x3f7fd5);
	go("RF", rip, rsp, FLAT_USER_CS, FLAT_USER_SS, 0x10202);
	go("TF", rip, rsp, FLAT_USER_CS, FLAT_USER_SS, 0x302);
	say("  flags: 0x%lx", f->rflags & 0x3f7fd5);
	go("reserved flags", rip, rsp, FLAT_USER_CS, FLAT_USER_SS, 0xffffffff00c08200ul);
	say("  flags: 0x%lx", f->rflags);
	go("rsp not canonical", rip, 1ul << 63, FLAT_USER_CS, FLAT_USER_SS, 0x202);
}
