/*
 * I/O ports: who may (virtual IOPL or the I/O bitmap of PHYSDEVOP_set_iobitmap),
 * and what answers: the PIT, the RTC's index, and otherwise nobody.
 */
#include "vmm/emulate/pit.h"
#include "vmm/emulate/port_io.h"

bool port_io_allowed(struct vcpu *v, uint16_t port, unsigned bytes)
{
	bool architectural = v->domain->vm_assist & 1UL << VMASST_TYPE_architectural_iopl;
	unsigned cpl = !v->kernel_mode ? 3 : architectural ? 0 : 1;
	uint8_t map[2];

	/* Xen: iopl_ok() */
	if (cpl <= v->iopl)
		return true;
	if (port + bytes > v->iobmp_limit || !v->iobmp_va ||
	    guest_copy_from(v, map, v->iobmp_va + port / 8, sizeof(map)))
		return false;
	unsigned bits = (unsigned)(map[0] | map[1] << 8) >> (port & 7);
	return !(bits & ((1u << bytes) - 1));
}

static uint8_t read_byte(struct vcpu *v, const struct emulate_env *env, uint16_t port)
{
	uint8_t val;

	if (env->pit && pit_read(env->pit, port, v->domain->ops->system_time(v->domain), &val))
		return val;
	return 0xff;
}

uint32_t port_io_read(struct vcpu *v, const struct emulate_env *env, uint16_t port, unsigned bytes)
{
	uint32_t val = 0;

	for (unsigned i = 0; i < bytes; i++)
		val |= (uint32_t)read_byte(v, env, (uint16_t)(port + i)) << 8 * i;
	return val;
}

void port_io_write(struct vcpu *v, const struct emulate_env *env, uint16_t port, unsigned bytes,
		   uint32_t val)
{
	uint64_t now = v->domain->ops->system_time(v->domain);

	for (unsigned i = 0; env->pit && i < bytes; i++)
		pit_write(env->pit, (uint16_t)(port + i), now, (uint8_t)(val >> 8 * i));
}
