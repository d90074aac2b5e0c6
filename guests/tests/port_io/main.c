/*
 * I/O ports without devices: who may use them (the virtual IOPL, the bitmap), and what a domain
 * reads from ports that are not its own. cli and sti go by the IOPL and do nothing.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "I/O ports, IOPL, cli and sti";

static uint64_t result;

#define FN(name, insn)                                                               \
	static void name(void *arg)                                                  \
	{                                                                            \
		uint64_t a = 0;                                                      \
		__asm__ volatile(insn : "+a"(a) : "d"(arg) : "rcx", "memory", "cc"); \
		result = a;                                                          \
	}

FN(in8, "in %%dx, %%al")
FN(in16, "in %%dx, %%ax")
FN(in32, "in %%dx, %%eax")
FN(out8, "out %%al, %%dx")
FN(out32, "mov $0x80001234, %%eax; out %%eax, %%dx")
FN(out_55, "mov $0x55, %%al; out %%al, %%dx")
FN(cli, "cli")
FN(sti, "sti")
FN(popf_iopl, "pushfq; orl $0x3000, (%%rsp); popfq; pushfq; pop %%rax; and $0x3200, %%eax")

static uint8_t bytes[16];

static void insb4(void *port)
{
	void *to = bytes;
	uint64_t n = 4;

	__asm__ volatile("rep insb" : "+D"(to), "+c"(n) : "d"(port) : "memory");
	result = n + 16 * ((uint8_t *)to - bytes);
}

static void insw_down(void *port)
{
	void *to = bytes + 14;
	uint64_t n = 2;

	__asm__ volatile("std; rep insw; cld" : "+D"(to), "+c"(n) : "d"(port) : "memory");
	result = n + 16 * ((uint8_t *)to - bytes);
}

static void insl_hole(void *port)
{
	void *to = VA_UNMAPPED;

	__asm__ volatile("insl" : "+D"(to) : "d"(port) : "memory");
}

static void outsb_hole(void *port)
{
	void *from = VA_UNMAPPED;

	__asm__ volatile("outsb" : "+S"(from) : "d"(port) : "memory");
}

static void outsb2(void *port)
{
	void *from = bytes;
	uint64_t n = 2;

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(port) : "memory");
	result = n + 16 * ((uint8_t *)from - bytes);
}

static void say_io(const char *what, void (*fn)(void *), uint16_t port)
{
	struct trap t = trap_of(fn, (void *)(uint64_t)port);

	if (t.vector < 0)
		say("%s: 0x%lx", what, result);
	else
		say_trap(what, t);
}

static void iopl(unsigned level)
{
	struct physdev_set_iopl op = {.iopl = level};

	say("IOPL %u: %e", level, HCALL(physdev_op, PHYSDEVOP_set_iopl, &op));
}

static void say_access(void)
{
	say_io("  in", in8, 0x80);
	say_io("  cli", cli, 0);
	say_io("  sti", sti, 0);
}

__asm__(".pushsection .text\n"
	"io_begin:\n"
	"	xor %eax, %eax\n"
	"	in $0x80, %al\n"
	"	syscall\n"
	"io_cli:\n"
	"	cli\n"
	"	syscall\n"
	"io_end:\n"
	".popsection\n");
extern const char io_begin[], io_cli[], io_end[];

static void say_user(void)
{
	struct frame *f = user_run(io_begin, io_end, 0, true);

	if (this_cpu()->trap.vector == ENTRY_SYSCALL)
		say("  user mode, in: 0x%lx", f->rax);
	else
		say_trap("  user mode, in", this_cpu()->trap);
	f->rip = USER_CODE + (io_cli - io_begin);
	user_resume(true);
	say_trap("  user mode, cli", this_cpu()->trap);
}

static void bitmap(const char *what, const void *map, uint32_t ports)
{
	struct physdev_set_iobitmap op = {.nr_ports = ports};

	set_xen_guest_handle(op.bitmap, (uint8_t *)map);
	say("bitmap, %s: %e", what, HCALL(physdev_op, PHYSDEVOP_set_iobitmap, &op));
}

void guest_main(void)
{
	uint8_t *map = page_alloc();

	say("at the start");
	say_access();
	say_user();
	iopl(1);
	say_access();
	say_user();
	iopl(3);
	say_access();
	say_user();
	say("upcall mask after cli: %u", this_cpu()->info->evtchn_upcall_mask);
	iopl(4);
	iopl(0);
	say_access();
	say_rc("architectural IOPL",
	       HCALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_architectural_iopl));
	say_access();
	say_rc("not any more",
	       HCALL(vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl));
	iopl(1);
	say_io("popf: IOPL and IF read", popf_iopl, 0);

	say_io("in 0x80, 2 bytes", in16, 0x80);
	say_io("in 0x80, 4 bytes", in32, 0x80);
	say_io("in 0x3f8", in8, 0x3f8);
	say_io("in 0xffff", in8, 0xffff);
	say_io("in 0xffff, 4 bytes", in32, 0xffff);
	say_io("in 0x40, the PIT", in8, 0x40);
	say_io("in 0x43", in8, 0x43);
	say_io("out 0x80", out8, 0x80);
	say_io("in 0x70, the RTC's index", in8, 0x70);
	say_io("out 0x70", out_55, 0x70);
	say_io("in 0x70", in8, 0x70);
	say_io("in 0x70, 2 bytes", in16, 0x70);
	say_io("in 0x71", in8, 0x71);
	say_io("in 0xcf8, 4 bytes", in32, 0xcf8);
	say_io("out 0xcf8, 4 bytes", out32, 0xcf8);
	say_io("in 0xcf8, 4 bytes", in32, 0xcf8);
	say_io("in 0xcf8, 1 byte", in8, 0xcf8);
	say_io("in 0xcfc, 4 bytes", in32, 0xcfc);
	say_io("in 0xcfe, 2 bytes", in16, 0xcfe);
	say_io("out 0xcfc, 4 bytes", out32, 0xcfc);
	say_io("rep insb", insb4, 0x80);
	say("  bytes: %x %x", bytes[0] | bytes[1] << 8, bytes[3] | bytes[4] << 8);
	say_io("rep insw, downwards", insw_down, 0x80);
	say("  bytes: %x %x", bytes[14] | bytes[15] << 8, bytes[12] | bytes[13] << 8);
	say_io("rep outsb", outsb2, 0x80);
	say_io("insl into a hole", insl_hole, 0x80);
	say_io("outsb from a hole", outsb_hole, 0x80);

	iopl(0);
	memset(map, 0xff, PAGE_SIZE);
	map[0x80 / 8] = 0xfe;
	map[0x90 / 8] = 0xe1;
	bitmap("64 KiB", map, 65536);
	bitmap("65537 ports", map, 65537);
	bitmap("in Xen", VA_XEN, 1024);
	bitmap("1024 ports", map, 1024);
	say_io("in 0x80", in8, 0x80);
	say_io("in 0x80, 2 bytes", in16, 0x80);
	say_io("in 0x81", in8, 0x81);
	say_io("in 0x91, 4 bytes", in32, 0x91);
	say_io("in 0x92, 4 bytes", in32, 0x92);
	say_io("in 0x400, beyond", in8, 0x400);
	say_io("cli", cli, 0);
	say_user();
	bitmap("129 ports", map, 129);
	say_io("in 0x80", in8, 0x80);
	bitmap("128 ports", map, 128);
	say_io("in 0x80", in8, 0x80);
	bitmap("not mapped", VA_UNMAPPED, 1024);
	say_io("in 0x80", in8, 0x80);
	bitmap("none", NULL, 0);
	say_io("in 0x80", in8, 0x80);
}
