/*
 * Opening KVM and making a virtual machine with its memory.
 */
#include <errno.h>
#include <pthread.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"

static int open_failed(struct error *err, int e)
{
	switch (e) {
	case ENOENT:
		return error_set(
			err, -e,
			"/dev/kvm is missing: this kernel has no KVM, or its module (kvm_amd, "
			"kvm_intel) is not loaded, or virtualisation is off in the firmware");
	case EACCES:
	case EPERM:
		return error_set(
			err, -e,
			"no permission to open /dev/kvm: join its group (usermod -aG kvm USER, "
			"then log in again) or run as root");
	default:
		return error_set(err, -e, "cannot open /dev/kvm: %s", strerror(e));
	}
}

/* SDM vol. 2, CPUID 80000008H. No more than what fits into Linux's direct map. */
static unsigned address_bits(const struct kvm_cpuid2 *c)
{
	for (unsigned i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0x80000008) {
			unsigned bits = c->entries[i].eax & 0xff;
			return bits > 46 ? 46 : bits;
		}
	return 36;
}

int machine_open(struct machine *m, struct error *err)
{
	static const struct {
		int cap, mask;
		const char *name;
	} needed[] = {
		{KVM_CAP_USER_MEMORY, 1, "KVM_CAP_USER_MEMORY"},
		{KVM_CAP_IMMEDIATE_EXIT, 1, "KVM_CAP_IMMEDIATE_EXIT"},
		{KVM_CAP_SYNC_REGS, 7, "KVM_CAP_SYNC_REGS with events"},
		{KVM_CAP_XCRS, 1, "KVM_CAP_XCRS"},
	};

	memset(m, 0, sizeof(*m));
	m->vm_fd = m->memory_fd = -1;
	m->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m->kvm_fd < 0)
		return open_failed(err, errno);
	int version = ioctl(m->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return error_set(err, -ENODEV, "/dev/kvm speaks API version %d, not %d", version,
				 KVM_API_VERSION);
	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		int have = ioctl(m->kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap);
		if (have < 0 || (have & needed[i].mask) != needed[i].mask)
			return error_set(err, -ENODEV,
					 "this host's KVM lacks %s: Linux 5.4 or later is needed",
					 needed[i].name);
	}
	m->vcpu_mmap_size = (size_t)ioctl(m->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	m->host.xen_hvm_caps = ioctl(m->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);
	m->supported_cpuid = calloc(1, sizeof(*m->supported_cpuid) +
					       MACHINE_CPUID_MAX * sizeof(struct kvm_cpuid_entry2));
	if (!m->supported_cpuid)
		return error_set(err, -ENOMEM, "out of memory");
	m->supported_cpuid->nent = MACHINE_CPUID_MAX;
	if (ioctl(m->kvm_fd, KVM_GET_SUPPORTED_CPUID, m->supported_cpuid) < 0)
		return error_set(err, -errno, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	m->address_bits = address_bits(m->supported_cpuid);
	return 0;
}

/* Slots of KVM: guest memory, what is above the hole in it, then machine_map()'s. */
#define SLOT_MEMORY 0
#define SLOT_ABOVE  1
#define SLOT_FIRST  2

static int set_slot(struct machine *m, unsigned slot, uint64_t addr, uint64_t size, void *memory,
		    bool read_only)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = read_only ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = addr,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(m->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

int machine_create(struct machine *m, const struct machine_memory *mem, struct error *err)
{
	uint64_t below = mem->hole_size ? mem->hole_start : mem->size;

	m->vm_fd = ioctl(m->kvm_fd, KVM_CREATE_VM, 0);
	if (m->vm_fd < 0)
		return error_set(err, -errno, "KVM_CREATE_VM: %s", strerror(errno));

	/* Intel processors without unrestricted guest mode want four pages below
	 * 4 GiB; ignored elsewhere. A guest too large to leave room does without. */
	uint64_t identity = 0xfeffc000;
	if (below <= identity) {
		ioctl(m->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
		ioctl(m->vm_fd, KVM_SET_TSS_ADDR, identity + PAGE_SIZE);
	}
	m->hole_start = mem->hole_start;
	m->hole_size = mem->hole_size;
	return machine_memory_reserve(m, mem, err);
}

int machine_show_memory(struct machine *m, struct error *err)
{
	uint64_t below = m->hole_size ? m->hole_start : m->memory_size;
	uint64_t above = m->hole_start + m->hole_size;
	int rc = set_slot(m, SLOT_MEMORY, 0, below, m->memory, false);

	if (!rc && m->hole_size)
		rc = set_slot(m, SLOT_ABOVE, above, m->memory_size - above, m->memory + above,
			      false);
	if (rc)
		return error_set(err, rc, "KVM_SET_USER_MEMORY_REGION of %lu MiB: %s",
				 (unsigned long)(m->memory_size >> 20), strerror(-rc));
	return 0;
}

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

int machine_map(struct machine *m, uint64_t addr, uint64_t size, void *memory, bool read_only)
{
	int rc = -ENOSPC;

	pthread_mutex_lock(&slots_lock);
	for (unsigned i = 0; i < MACHINE_SLOTS; i++) {
		if (m->slot_addr[i])
			continue;
		rc = set_slot(m, SLOT_FIRST + i, addr, size, memory, read_only);
		if (!rc)
			m->slot_addr[i] = addr;
		break;
	}
	pthread_mutex_unlock(&slots_lock);
	return rc;
}

int machine_unmap(struct machine *m, uint64_t addr)
{
	int rc = -ENOENT;

	pthread_mutex_lock(&slots_lock);
	for (unsigned i = 0; i < MACHINE_SLOTS; i++) {
		if (m->slot_addr[i] != addr)
			continue;
		m->slot_addr[i] = 0;
		rc = set_slot(m, SLOT_FIRST + i, addr, 0, NULL, false);
		break;
	}
	pthread_mutex_unlock(&slots_lock);
	return rc;
}

int machine_notify(struct machine *m, uint64_t addr, unsigned bytes, int fd, bool on)
{
	struct kvm_ioeventfd e = {
		.addr = addr,
		.len = bytes,
		.fd = fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return ioctl(m->vm_fd, KVM_IOEVENTFD, &e) < 0 ? -errno : 0;
}

static int event(struct machine *m, uint64_t addr, uint32_t flags, uint32_t value, int fd, bool on)
{
	struct kvm_ioeventfd e = {
		.datamatch = value,
		.addr = addr,
		.len = sizeof(value),
		.fd = fd,
		.flags = flags | KVM_IOEVENTFD_FLAG_DATAMATCH |
			 (on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return ioctl(m->vm_fd, KVM_IOEVENTFD, &e) < 0 ? -errno : 0;
}

int machine_event(struct machine *m, uint16_t io_port, uint32_t value, int fd, bool on)
{
	return event(m, io_port, KVM_IOEVENTFD_FLAG_PIO, value, fd, on);
}

int machine_memory_event(struct machine *m, uint64_t addr, uint32_t value, int fd, bool on)
{
	return event(m, addr, 0, value, fd, on);
}

int machine_enable_xen_hypercalls(struct machine *m)
{
	/* A non-zero msr is what makes KVM hand the instruction over at all. */
	struct kvm_xen_hvm_config cfg = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
		.msr = 0x40000000,
	};

	if (m->host.xen_hvm_caps <= 0 ||
	    !(m->host.xen_hvm_caps & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL))
		return -ENODEV;
	return ioctl(m->vm_fd, KVM_XEN_HVM_CONFIG, &cfg) < 0 ? -errno : 0;
}

void machine_destroy(struct machine *m)
{
	if (m->memory)
		munmap(m->memory, m->memory_size);
	if (m->vm_fd >= 0)
		close(m->vm_fd);
	if (m->memory_fd >= 0)
		close(m->memory_fd);
	if (m->kvm_fd >= 0)
		close(m->kvm_fd);
	free(m->supported_cpuid);
	memset(m, 0, sizeof(*m));
	m->vm_fd = m->kvm_fd = m->memory_fd = -1;
}
