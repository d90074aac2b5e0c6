/*
 * A vfio-user function on the server of test/pci, for the tests that include this.
 */
#ifndef TEST_UNIT_VFIO_USER_FIXTURE_H
#define TEST_UNIT_VFIO_USER_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/testcard.h"
#include "devices/pci/vfio_user.h"
#include "test/unit/pci_calls.h"
#include "test/unit/test_domain.h"
#include "test/unit/test_run.h"

#define MAX_WORDS 16

static struct test_domain *t;
static struct pci_host host;
static struct pci_device *d;
static pid_t server;
static int memory_fd;
static char dir[64], path[96], err[400];

/* A minute at most, for what another thread or process does. */
#define WAIT_FOR(what)                                                           \
	do {                                                                     \
		for (unsigned i_ = 0; i_ < 60000 && !(what); i_++)               \
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); \
		ck_assert_msg(what, "in vain waited for %s", #what);             \
	} while (0)

/* The guest's memory is a file, as the VMM's is. */
static int guest_memory(struct pci_host *h, int *fd, uint64_t *offset, uint64_t *size,
			void **memory)
{
	if (memory_fd < 0)
		return -ENOTSUP;
	*fd = memory_fd;
	*offset = 0;
	*size = t->memory_size;
	*memory = t->memory;
	return 0;
}

static inline void share_memory(void)
{
	memory_fd = memfd_create("guest", MFD_CLOEXEC);
	ck_assert_int_ge(memory_fd, 0);
	ck_assert_int_eq(write(memory_fd, t->memory, t->memory_size), (ssize_t)t->memory_size);
	ck_assert_ptr_eq(mmap(t->memory, t->memory_size, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, memory_fd, 0),
			 t->memory);
}

static void setup(void)
{
	memset(&pci_calls, 0, sizeof(pci_calls));
	strcpy(dir, "/tmp/vfio_user.XXXXXX");
	ck_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	t = test_domain_new(1, PROFILE_XEN_4_17);
	memory_fd = -1;
	host = (struct pci_host){
		.domain = t->d, .loop = event_loop_create(), .guest_memory = guest_memory};
	ck_assert_ptr_nonnull(host.loop);
	d = NULL;
	server = 0;
}

static inline void end_server(void)
{
	if (!server)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

static inline void destroy(void)
{
	event_loop_stop(host.loop);
	if (d)
		d->ops->destroy(d);
	d = NULL;
}

static void teardown(void)
{
	destroy();
	end_server();
	event_loop_destroy(host.loop);
	test_domain_free(t);
	if (memory_fd >= 0)
		close(memory_fd);
	unlink(path);
	rmdir(dir);
}

/* Starts it with these words, of which the last is the model, and waits till it listens. */
static inline void serve(const char *words)
{
	char program[PATH_MAX], text[300], *argv[MAX_WORDS + 3];
	char ready[6] = "";
	unsigned n = 1;
	int out[2];

	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 40);
	ck_assert_int_gt(len, 0);
	program[len] = 0;
	strcpy(strrchr(program, '/'), "/../pci/vfio_user_server");
	snprintf(text, sizeof(text), "%s", words);
	argv[0] = program;
	for (char *s = text, *w; (w = strsep(&s, " "));) {
		if (!s)
			argv[n++] = path;
		argv[n++] = w;
	}
	argv[n] = NULL;
	ck_assert(!pipe2(out, O_CLOEXEC));
	server = fork();
	if (!server) {
		dup2(out[1], 1);
		execv(program, argv);
		_exit(127);
	}
	close(out[1]);
	ck_assert_msg(read(out[0], ready, 5) == 5 && !strcmp(ready, "ready"), "%s: no server",
		      program);
	close(out[0]);
}

static struct pci_device *try(const char *options)
{
	char text[200];

	snprintf(text, sizeof(text), "%s%s", path, options);
	err[0] = 0;
	return pci_vfio_user.create(&host, text, err, sizeof(err));
}

static inline void create(const char *options)
{
	d = try(options);
	ck_assert_msg(d, "%s", err);
	ck_assert(!event_loop_start(host.loop));
}

/* Of the loop's thread, which stands meanwhile. */
static inline int msi_enable(unsigned nr)
{
	event_loop_stop(host.loop);
	int rc = d->ops->msi_enable(d, nr);
	ck_assert(!event_loop_start(host.loop));
	return rc;
}

static inline void msi_disable(void)
{
	event_loop_stop(host.loop);
	d->ops->msi_disable(d);
	ck_assert(!event_loop_start(host.loop));
}

static inline int msix_enable(const uint16_t *entries, unsigned nr)
{
	event_loop_stop(host.loop);
	int rc = d->ops->msix_enable(d, entries, nr);
	ck_assert(!event_loop_start(host.loop));
	return rc;
}

static inline void msix_disable(void)
{
	event_loop_stop(host.loop);
	d->ops->msix_disable(d);
	ck_assert(!event_loop_start(host.loop));
}

static inline int reset(void)
{
	event_loop_stop(host.loop);
	int rc = d->ops->reset(d);
	ck_assert(!event_loop_start(host.loop));
	return rc;
}

static inline void eoi(void)
{
	event_loop_stop(host.loop);
	d->ops->intx_eoi(d);
	ck_assert(!event_loop_start(host.loop));
}

static inline uint32_t config_get(unsigned offset, unsigned bytes)
{
	uint32_t val = 0;

	ck_assert_int_eq(d->ops->config_read(d, offset, bytes, &val), 0);
	return val;
}

static inline uint32_t get(unsigned reg)
{
	return (uint32_t)d->ops->bar_read(d, 0, reg, 4);
}

static inline void put(unsigned reg, uint32_t val)
{
	d->ops->bar_write(d, 0, reg, 4, val);
}

static inline void raise_all(void)
{
	put(TESTCARD_ENABLE, 0xff);
	put(TESTCARD_RAISE, 0xff);
}

#endif
