/*
 * Opening KVM and making a virtual machine with its memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"

#define HUGE_PAGE 0x200000UL

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
	m->vm_fd = -1;
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
	return 0;
}

int machine_create(struct machine *m, uint64_t size, struct error *err)
{
	m->vm_fd = ioctl(m->kvm_fd, KVM_CREATE_VM, 0);
	if (m->vm_fd < 0)
		return error_set(err, -errno, "KVM_CREATE_VM: %s", strerror(errno));

	/* Intel processors without unrestricted guest mode want four pages below
	 * 4 GiB; ignored elsewhere. A guest too large to leave room does without. */
	uint64_t identity = 0xfeffc000;
	if (size <= identity) {
		ioctl(m->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
		ioctl(m->vm_fd, KVM_SET_TSS_ADDR, identity + PAGE_SIZE);
	}

	/* Aligned, so that the host can back it with huge pages: fewer faults for us and
	 * for the guest. */
	uint8_t *area = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return error_set(err, -errno, "cannot reserve %lu MiB for the guest: %s",
				 (unsigned long)(size >> 20), strerror(errno));
	m->memory = (uint8_t *)(((uintptr_t)area + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	if (m->memory > area)
		munmap(area, (size_t)(m->memory - area));
	munmap(m->memory + size, (size_t)(area + HUGE_PAGE - m->memory));
	madvise(m->memory, size, MADV_HUGEPAGE);
	m->memory_size = size;
	struct kvm_userspace_memory_region region = {
		.slot = 0,
		.guest_phys_addr = 0,
		.memory_size = size,
		.userspace_addr = (uintptr_t)m->memory,
	};
	if (ioctl(m->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return error_set(err, -errno, "KVM_SET_USER_MEMORY_REGION of %lu MiB: %s",
				 (unsigned long)(size >> 20), strerror(errno));
	return 0;
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
	if (m->kvm_fd >= 0)
		close(m->kvm_fd);
	free(m->supported_cpuid);
	memset(m, 0, sizeof(*m));
	m->vm_fd = m->kvm_fd = -1;
}
