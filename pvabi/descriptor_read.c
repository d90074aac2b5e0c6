/*
 * Selectors as the processor judges them (SDM vol. 2, MOV and IRET; vol. 3, 5.8), and the fault
 * that a return to the guest would meet.
 */
#include "pvabi/bounce.h"
#include "pvabi/descriptor_read.h"

#define DESC_WRITABLE	(1UL << 41) /* of data */
#define DESC_READABLE	(1UL << 41) /* of code */
#define DESC_CONFORMING (1UL << 42)
#define DESC_CODE	(1UL << 43)
#define DESC_S		(1UL << 44)
#define DESC_DPL	(3UL << 45)
#define DESC_P		(1UL << 47)
#define DESC_L		(1UL << 53)
#define DESC_DB		(1UL << 54)

#define VEC_NOT_PRESENT 11
#define VEC_STACK	12

static bool xen_descriptor(uint16_t sel, uint64_t *desc)
{
	switch (sel | 3) {
	case FLAT_RING3_CS32:
		*desc = 0x00cffb000000ffffUL;
		return true;
	case FLAT_RING3_DS32:
		*desc = 0x00cff3000000ffffUL;
		return true;
	case FLAT_RING3_CS64:
		*desc = 0x00affb000000ffffUL;
		return true;
	default:
		return false; /* not for ring 3 */
	}
}

bool descriptor_read(struct vcpu *v, uint16_t sel, uint64_t *desc)
{
	unsigned i = sel >> 3;

	if (sel & 4)
		return i < v->ldt_ents &&
		       !guest_copy_from_kernel(v, desc, v->ldt_base + 8UL * i, sizeof(*desc));
	if (i >= FIRST_RESERVED_GDT_ENTRY)
		return xen_descriptor(sel, desc);
	if (i >= v->gdt_ents)
		return false;
	const uint64_t *table = frame_ptr(shared(v->domain), v->gdt_frames[i / 512]);
	if (!table)
		return false;
	*desc = __atomic_load_n(&table[i % 512], __ATOMIC_RELAXED);
	return true;
}

bool descriptor_loadable(uint64_t desc)
{
	bool code = desc & DESC_CODE;

	if (!(desc & DESC_P) || !(desc & DESC_S) || (code && !(desc & DESC_READABLE)))
		return false;
	return (desc & DESC_DPL) == DESC_DPL || (code && (desc & DESC_CONFORMING));
}

static bool good_code(uint64_t desc)
{
	if (!(desc & DESC_S) || !(desc & DESC_CODE))
		return false;
	if (!(desc & DESC_CONFORMING) && (desc & DESC_DPL) != DESC_DPL)
		return false;
	return !(desc & DESC_L) || !(desc & DESC_DB);
}

static bool good_stack(uint64_t desc)
{
	return desc & DESC_S && !(desc & DESC_CODE) && desc & DESC_WRITABLE &&
	       (desc & DESC_DPL) == DESC_DPL;
}

bool descriptor_is_code64(struct vcpu *v, uint16_t sel)
{
	uint64_t desc;

	return sel == FLAT_RING3_CS64 || (descriptor_read(v, sel, &desc) && desc & DESC_L);
}

int vcpu_iret_fault(struct vcpu *v, uint32_t *error)
{
	const struct cpu_user_regs *r = &v->regs;
	uint64_t desc;

	*error = 0;
	if (r->cs != FLAT_RING3_CS64) {
		if (r->cs < 4)
			return VEC_PROTECTION;
		*error = r->cs & ~3u;
		if (!descriptor_read(v, r->cs, &desc) || !good_code(desc))
			return VEC_PROTECTION;
		if (!(desc & DESC_P))
			return VEC_NOT_PRESENT;
	}
	*error = 0;
	if (r->cs == FLAT_RING3_CS64 && !is_canonical(r->rip))
		return VEC_PROTECTION;
	if (r->ss != FLAT_RING3_SS64) {
		if (r->ss < 4)
			return VEC_PROTECTION;
		*error = r->ss & ~3u;
		if (!descriptor_read(v, r->ss, &desc) || !good_stack(desc))
			return VEC_PROTECTION;
		if (!(desc & DESC_P))
			return VEC_STACK;
	}
	return -1;
}
