/*
 * I/O ports: who may (virtual IOPL or the I/O bitmap of PHYSDEVOP_set_iobitmap),
 * and what answers: the PIT, the index registers of RTC and PCI configuration, and
 * otherwise nobody (Xen: arch/x86/pv/emul-priv-op.c, guest_io_read).
 */
#include "vmm/emulate/pit.h"
#include "vmm/emulate/port_io.h"

#define RTC_INDEX   0x70
#define PCI_ADDRESS 0xcf8

bool iopl_allows(const struct vcpu *v)
{
	bool architectural = v->domain->vm_assist & 1UL << VMASST_TYPE_architectural_iopl;
	unsigned cpl = !v->kernel_mode ? 3 : architectural ? 0 : 1;

	return cpl <= v->iopl;
}

bool port_io_allowed(struct vcpu *v, uint16_t port, unsigned bytes)
{
	uint8_t map[2];

	if (iopl_allows(v))
		return true;
	if (port + bytes > v->iobmp_limit || !v->iobmp_va ||
	    guest_copy_from_kernel(v, map, v->iobmp_va + port / 8, sizeof(map)))
		return false;
	unsigned bits = (unsigned)(map[0] | map[1] << 8) >> (port & 7);
	return !(bits & ((1u << bytes) - 1));
}

/* Of the PIT a domain has channel 2 and its gate. */
static bool is_pit(uint16_t port)
{
	return port == 0x42 || port == 0x43 || port == 0x61;
}

static uint8_t read_byte(struct vcpu *v, const struct emulate_env *env, uint16_t port)
{
	uint8_t val;

	if (port == RTC_INDEX)
		return atomic_load(&env->latches->rtc_index);
	if (is_pit(port) && env->pit &&
	    pit_read(env->pit, port, v->domain->ops->system_time(v->domain), &val))
		return val;
	return 0xff;
}

uint32_t port_io_read(struct vcpu *v, const struct emulate_env *env, uint16_t port, unsigned bytes)
{
	uint32_t val = 0;

	if (port == PCI_ADDRESS && bytes == 4)
		return atomic_load(&env->latches->pci_address);
	for (unsigned i = 0; i < bytes; i++)
		val |= (uint32_t)read_byte(v, env, (uint16_t)(port + i)) << 8 * i;
	return val;
}

static void write_byte(struct vcpu *v, const struct emulate_env *env, uint16_t port, uint8_t val)
{
	if (port == RTC_INDEX)
		atomic_store(&env->latches->rtc_index, val);
	else if (is_pit(port) && env->pit)
		pit_write(env->pit, port, v->domain->ops->system_time(v->domain), val);
}

void port_io_write(struct vcpu *v, const struct emulate_env *env, uint16_t port, unsigned bytes,
		   uint32_t val)
{
	if (port == PCI_ADDRESS && bytes == 4) {
		atomic_store(&env->latches->pci_address, val);
		return;
	}
	for (unsigned i = 0; i < bytes; i++)
		write_byte(v, env, (uint16_t)(port + i), (uint8_t)(val >> 8 * i));
}
