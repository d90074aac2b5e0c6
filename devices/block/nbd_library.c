/*
 * Loading libnbd.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices/block/nbd_library.h"

#define LIBNBD "libnbd.so.0"

int nbd_library_open(struct nbd_library *lib, char *err, size_t errlen)
{
	memset(lib, 0, sizeof(*lib));
	lib->object = dlopen(LIBNBD, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!lib->object) {
		snprintf(err, errlen, "%s cannot be loaded; install the package libnbd0", LIBNBD);
		return -ENOSYS;
	}
#define LOAD(name)                                                                    \
	lib->name = (__typeof__(nbd_##name) *)dlsym(lib->object, "nbd_" #name);       \
	if (!lib->name) {                                                             \
		snprintf(err, errlen, "%s is too old: it has no nbd_" #name, LIBNBD); \
		nbd_library_close(lib);                                               \
		return -ENOSYS;                                                       \
	}
	NBD_FUNCTIONS(LOAD)
#undef LOAD
	return 0;
}

void nbd_library_close(struct nbd_library *lib)
{
	if (lib->object)
		dlclose(lib->object);
	lib->object = NULL;
}
