/*
 * The vfio-user protocol, version 0.1, as its public specification has it (docs/vfio-user.rst
 * of libvfio-user, docs/interop/vfio-user.rst of QEMU): messages over a UNIX socket, in the
 * byte order of the host. Structures that it takes from VFIO are those of <linux/vfio.h>.
 */
#ifndef DEVICES_PCI_VFIO_USER_PROTOCOL_H
#define DEVICES_PCI_VFIO_USER_PROTOCOL_H

#include <linux/vfio.h>
#include <stdint.h>

#define VFIO_USER_MAJOR 0
#define VFIO_USER_MINOR 1

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP,
	VFIO_USER_DMA_UNMAP,
	VFIO_USER_DEVICE_GET_INFO,
	VFIO_USER_DEVICE_GET_REGION_INFO,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS,
	VFIO_USER_DEVICE_GET_IRQ_INFO,
	VFIO_USER_DEVICE_SET_IRQS,
	VFIO_USER_REGION_READ,
	VFIO_USER_REGION_WRITE,
	VFIO_USER_DMA_READ,  /* from the server */
	VFIO_USER_DMA_WRITE, /* the same */
	VFIO_USER_DEVICE_RESET,
};

struct vfio_user_header {
	uint16_t id, command;
	uint32_t size; /* of the whole message */
	uint32_t flags;
	uint32_t error; /* errno, or 0: not told */
};
#define VFIO_USER_TYPE	   0xfu
#define VFIO_USER_REPLY	   0x1u
#define VFIO_USER_NO_REPLY 0x10u
#define VFIO_USER_ERROR	   0x20u

/* VFIO_USER_VERSION: then JSON, with its NUL */
struct vfio_user_version {
	uint16_t major, minor;
};
/* What holds when the JSON does not say. */
#define VFIO_USER_DEFAULT_FDS	   1u
#define VFIO_USER_DEFAULT_TRANSFER 1048576u
#define VFIO_USER_DEFAULT_MAPS	   65535u

struct vfio_user_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

struct vfio_user_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, address, size;
};
#define VFIO_USER_DMA_READABLE	0x1u
#define VFIO_USER_DMA_WRITEABLE 0x2u

struct vfio_user_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

/* VFIO_USER_REGION_READ and _WRITE; then the data */
struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region, count;
};

/* VFIO_USER_DMA_READ and _WRITE; then the data */
struct vfio_user_dma_access {
	uint64_t address, count;
};

/* VFIO_USER_DEVICE_GET_REGION_IO_FDS; then `count` of the other */
struct vfio_user_io_fds {
	uint32_t argsz, flags, index, count;
};
struct vfio_user_io_fd {
	uint64_t offset, size;
	uint32_t fd_index, type, flags, padding;
	uint64_t datamatch;
};
#define VFIO_USER_IO_EVENTFD 0

_Static_assert(sizeof(struct vfio_user_header) == 16, "as specified");
_Static_assert(sizeof(struct vfio_user_dma_map) == 32, "as specified");
_Static_assert(sizeof(struct vfio_user_io_fd) == 40, "as specified");
_Static_assert(sizeof(struct vfio_region_info) == 32, "as specified");
_Static_assert(sizeof(struct vfio_irq_info) == 16, "as specified");
_Static_assert(sizeof(struct vfio_irq_set) == 20, "as specified");

#endif
