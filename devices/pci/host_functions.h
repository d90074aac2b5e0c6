/*
 * PCI functions of the host, as sysfs shows them: which can be given to a guest, and what stands
 * in the way of one. Everything takes the directory that stands for /sys (tests have one of
 * their own); nothing else is looked at and nothing is changed. Any thread.
 */
#ifndef DEVICES_PCI_HOST_FUNCTIONS_H
#define DEVICES_PCI_HOST_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_SYSFS "/sys"

/* Where a function is: "0000:03:00.0". */
struct host_bdf {
	uint16_t domain;
	uint8_t bus, device, function; /* device 0 to 31, function 0 to 7 */
};
#define HOST_BDF_SIZE sizeof("0000:00:00.0")

/* "[DDDD:]BB:DD.F", hexadecimal, as xl and lspci write it. *end (NULL: the text must end
 * there): what follows it. 0 or -EINVAL. */
int host_bdf_parse(const char *text, struct host_bdf *bdf, const char **end);
/* buf: HOST_BDF_SIZE bytes; returns it. */
char *host_bdf_print(const struct host_bdf *bdf, char *buf);

struct host_function {
	struct host_bdf bdf;
	char driver[32]; /* that it is bound to; "": none */
	uint16_t vendor, device;
	uint32_t class; /* as sysfs has it: 0x020000 */
	bool is_bridge; /* or no ordinary function: no guest can have it */
	int group;	/* of the IOMMU; -1: none */
};

/* Everything of one function. 0, or -ENODEV: the host has none there. */
int host_function_look(const char *sysfs, const struct host_bdf *bdf, struct host_function *f);

/* Those that can be assigned: bound to vfio-pci, in the order of their addresses. 0, or
 * negative errno; *list is the caller's to free, NULL when *nr is 0. A host without PCI has
 * none. */
int host_functions_assignable(const char *sysfs, struct host_function **list, unsigned *nr);

/*
 * Can it be opened through VFIO? 0, or negative errno and a sentence that says what is in
 * the way and what to do: there is none, it is a bridge, there is no IOMMU, it or another
 * function of its group is bound to a driver of the host. What only the kernel knows (rights,
 * a group in use) is told when it is opened.
 */
int host_function_check(const char *sysfs, const struct host_bdf *bdf, char *err, size_t errlen);

#endif
