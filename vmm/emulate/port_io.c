/*
 * I/O ports: who may (virtual IOPL or the I/O bitmap of PHYSDEVOP_set_iobitmap),
 * and what answers: the PIT, the index registers of RTC and PCI configuration, devices that
 * the domain was given (iocap.c), and otherwise nobody (Xen: arch/x86/pv/emul-priv-op.c,
 * guest_io_read).
 */
#include "vmm/emulate/pit.h"
#include "vmm/emulate/port_io.h"
#include "vmm/io_space.h"

#define RTC_INDEX   0x70
#define RTC_DATA    0x71
#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc

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

/* Ports that go to a device whole, at the width of the instruction (Xen: admin_io_okay()). */
static bool is_device(const struct vcpu *v, const struct emulate_env *env, uint16_t port,
		      unsigned bytes)
{
	if (!env->io || (port == PCI_ADDRESS && bytes == 4) ||
	    (port <= RTC_DATA && port + bytes > RTC_INDEX))
		return false;
	return domain_ioports_permitted(v->domain, port, bytes);
}

/* Of an access that is not one device's: how many bytes at `port` are. 0: none. */
static unsigned device_part(const struct vcpu *v, const struct emulate_env *env, uint16_t port,
			    unsigned bytes)
{
	if (!env->io || port == RTC_INDEX || port == RTC_DATA || is_pit(port) ||
	    (port & 0xfffc) == PCI_DATA || !domain_ioports_permitted(v->domain, port, 1))
		return 0;
	return bytes > 1 && !(port & 1) && domain_ioports_permitted(v->domain, port + 1u, 1) ? 2
											     : 1;
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

	if (is_device(v, env, port, bytes)) {
		io_space_read(env->io, IO_PORTS, port, &val, bytes);
		return val;
	}
	if (port == PCI_ADDRESS && bytes == 4)
		return atomic_load(&env->latches->pci_address);
	for (unsigned i = 0, n; i < bytes; i += n) {
		uint32_t part = 0;

		n = device_part(v, env, (uint16_t)(port + i), bytes - i);
		if (n) {
			io_space_read(env->io, IO_PORTS, (uint16_t)(port + i), &part, n);
		} else {
			part = read_byte(v, env, (uint16_t)(port + i));
			n = 1;
		}
		val |= part << 8 * i;
	}
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
	if (is_device(v, env, port, bytes)) {
		io_space_write(env->io, IO_PORTS, port, &val, bytes);
		return;
	}
	if (port == PCI_ADDRESS && bytes == 4) {
		atomic_store(&env->latches->pci_address, val);
		return;
	}
	for (unsigned i = 0, n; i < bytes; i += n) {
		uint32_t part = val >> 8 * i;

		n = device_part(v, env, (uint16_t)(port + i), bytes - i);
		if (n) {
			io_space_write(env->io, IO_PORTS, (uint16_t)(port + i), &part, n);
		} else {
			write_byte(v, env, (uint16_t)(port + i), (uint8_t)part);
			n = 1;
		}
	}
}
