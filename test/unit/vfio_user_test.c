/*
 * The vfio-user client, on the server of test/pci: our test card and one whose memory can be
 * mapped, out of process; and servers that are slow, die, lie, or say what is no message.
 */
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

static void share_memory(void)
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

static void end_server(void)
{
	if (!server)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
}

static void destroy(void)
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
static void serve(const char *words)
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

static void create(const char *options)
{
	d = try(options);
	ck_assert_msg(d, "%s", err);
	ck_assert(!event_loop_start(host.loop));
}

/* Of the loop's thread, which stands meanwhile. */
static int msi_enable(unsigned nr)
{
	event_loop_stop(host.loop);
	int rc = d->ops->msi_enable(d, nr);
	ck_assert(!event_loop_start(host.loop));
	return rc;
}

static void msi_disable(void)
{
	event_loop_stop(host.loop);
	d->ops->msi_disable(d);
	ck_assert(!event_loop_start(host.loop));
}

static int msix_enable(const uint16_t *entries, unsigned nr)
{
	event_loop_stop(host.loop);
	int rc = d->ops->msix_enable(d, entries, nr);
	ck_assert(!event_loop_start(host.loop));
	return rc;
}

static void msix_disable(void)
{
	event_loop_stop(host.loop);
	d->ops->msix_disable(d);
	ck_assert(!event_loop_start(host.loop));
}

static int reset(void)
{
	event_loop_stop(host.loop);
	int rc = d->ops->reset(d);
	ck_assert(!event_loop_start(host.loop));
	return rc;
}

static void eoi(void)
{
	event_loop_stop(host.loop);
	d->ops->intx_eoi(d);
	ck_assert(!event_loop_start(host.loop));
}

static uint32_t config_get(unsigned offset, unsigned bytes)
{
	uint32_t val = 0;

	ck_assert_int_eq(d->ops->config_read(d, offset, bytes, &val), 0);
	return val;
}

static uint32_t get(unsigned reg)
{
	return (uint32_t)d->ops->bar_read(d, 0, reg, 4);
}

static void put(unsigned reg, uint32_t val)
{
	d->ops->bar_write(d, 0, reg, 4, val);
}

/* ---- a card in another process ---- */

START_TEST(a_card_is_described)
{
	serve("testcard");
	create("");
	ck_assert_str_eq(d->ops->model, "vfio-user");
	ck_assert_uint_eq(d->config_size, PCIE_CONFIG_SIZE);
	ck_assert_uint_eq(config_get(PCI_VENDOR_ID, 4),
			  TESTCARD_VENDOR | (uint32_t)TESTCARD_DEVICE << 16);
	ck_assert_int_eq(d->bar[0].kind, PCI_BAR_MEM32);
	ck_assert_uint_eq(d->bar[0].size, TESTCARD_BAR);
	ck_assert_int_eq(d->bar[2].kind, PCI_BAR_IO);
	ck_assert_uint_eq(d->bar[2].size, TESTCARD_PORTS);
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	ck_assert_uint_eq((uint32_t)d->ops->bar_read(d, 2, TESTCARD_ID, 4), TESTCARD_MAGIC);
	put(TESTCARD_SCRATCH, 0x12345678);
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0x12345678);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_SCRATCH, 1), 0x78);
	ck_assert_uint_eq(get(0x2004), 0);
	ck_assert_int_eq(reset(), 0);
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0);
}
END_TEST

static void raise_all(void)
{
	put(TESTCARD_ENABLE, 0xff);
	put(TESTCARD_RAISE, 0xff);
}

START_TEST(messages_arrive)
{
	const uint16_t entries[] = {6, 0, 1, 3};

	serve("testcard");
	create("");
	ck_assert_int_eq(msi_enable(8), 0);
	raise_all();
	for (unsigned i = 0; i < 8; i++)
		WAIT_FOR(pci_calls.msi[i] == 1);
	msi_disable();
	put(TESTCARD_CAUSE, 0xff);
	ck_assert_int_eq(msix_enable(entries, 4), 0);
	raise_all();
	for (unsigned i = 0; i < 4; i++)
		WAIT_FOR(pci_calls.msix[entries[i]] == 1);
	ck_assert_uint_eq(pci_calls.msix[2] + pci_calls.msix[4], 0);
	msix_disable();
	/* Which entries there are is the server's to say. */
	ck_assert_int_eq(msix_enable((const uint16_t[]){8}, 1), -EINVAL);
}
END_TEST

START_TEST(intx_is_level_triggered)
{
	serve("testcard");
	create("");
	put(TESTCARD_ENABLE, 1);
	put(TESTCARD_RAISE, 1);
	WAIT_FOR(pci_calls.intx_raised == 1);
	eoi();
	WAIT_FOR(pci_calls.intx_raised == 2);
	put(TESTCARD_CAUSE, 1);
	eoi();
	WAIT_FOR(pci_calls.intx == 0);
	ck_assert_uint_eq(pci_calls.intx_raised, 2);
	put(TESTCARD_RAISE, 1);
	WAIT_FOR(pci_calls.intx_raised == 3);
}
END_TEST

START_TEST(errors_and_departures_are_told)
{
	serve("testcard");
	create("");
	put(TESTCARD_ERROR, 3);
	WAIT_FOR(pci_calls.aer[PCI_AER_FATAL] == 1);
	put(TESTCARD_REMOVE, TESTCARD_REMOVE_KEY);
	WAIT_FOR(pci_calls.leaves == 1);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
}
END_TEST

static void dma(uint64_t maddr, uint32_t len, uint32_t offset, uint32_t control)
{
	put(TESTCARD_DMA_ADDRESS, (uint32_t)maddr);
	put(TESTCARD_DMA_ADDRESS_HI, (uint32_t)(maddr >> 32));
	put(TESTCARD_DMA_LENGTH, len);
	put(TESTCARD_DMA_OFFSET, offset);
	put(TESTCARD_DMA_CONTROL, TESTCARD_DMA_START | control);
}

/* From the guest's memory to the card's and back, elsewhere. */
static void move_bytes(void)
{
	uint64_t from = test_frame(t) * PAGE_SIZE, to = test_frame(t) * PAGE_SIZE;

	d->ops->config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		t->memory[from + i] = (uint8_t)(i * 7 + 3);
	dma(from, PAGE_SIZE, 0, 0);
	ck_assert_uint_eq(get(TESTCARD_DMA_STATUS), TESTCARD_DMA_DONE);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, TESTCARD_MEMORY + 100, 1), (100 * 7 + 3) & 0xff);
	put(TESTCARD_DMA_STATUS, ~0u);
	dma(to + 5, PAGE_SIZE - 5, 5, TESTCARD_DMA_TO_HOST);
	ck_assert_uint_eq(get(TESTCARD_DMA_STATUS), TESTCARD_DMA_DONE);
	ck_assert_mem_eq(t->memory + to + 5, t->memory + from + 5, PAGE_SIZE - 5);
	ck_assert_uint_eq(t->memory[to + 4], 0);
}

START_TEST(dma_through_shared_memory)
{
	struct vfio_user_link *l;

	share_memory();
	serve("testcard");
	create("");
	move_bytes();
	l = (struct vfio_user_link *)((struct vfio_function *)d)->link;
	ck_assert_uint_eq(l->dma_reads + l->dma_writes, 0);
}
END_TEST

START_TEST(dma_through_messages)
{
	struct vfio_user_link *l;
	char *text = NULL;
	size_t size;

	share_memory();
	serve(_i ? "testcard" : "--dma-messages testcard");
	create(_i ? ",memory=private" : "");
	move_bytes();
	l = (struct vfio_user_link *)((struct vfio_function *)d)->link;
	ck_assert_uint_ge(l->dma_reads, 1);
	ck_assert_uint_ge(l->dma_writes, 1);
	FILE *f = open_memstream(&text, &size);
	d->ops->stats(d, f);
	fclose(f);
	ck_assert_ptr_nonnull(strstr(text, "\"dma_reads\": 1, \"dma_writes\": 1"));
	free(text);
}
END_TEST

/* What is not the guest's RAM is refused: Xen's heap, page tables, nothing at all. */
START_TEST(dma_elsewhere_is_refused)
{
	const uint64_t bad[] = {t->d->shared_info_mfn * PAGE_SIZE, ~0ull - 4095,
				t->d->nr_ram * PAGE_SIZE - 8};

	serve("--dma-messages testcard");
	create("");
	d->ops->config_write(d, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	uint8_t before = t->memory[t->d->shared_info_mfn * PAGE_SIZE];
	for (unsigned i = 0; i < 3; i++) {
		dma(bad[i], 16, 0, i & 1 ? 0 : TESTCARD_DMA_TO_HOST);
		ck_assert_uint_ne(get(TESTCARD_DMA_STATUS) & TESTCARD_DMA_BAD_ADDR, 0);
		put(TESTCARD_DMA_STATUS, ~0u);
	}
	ck_assert_uint_eq(t->memory[t->d->shared_info_mfn * PAGE_SIZE], before);
	move_bytes();
}
END_TEST

/* Several threads at once, each with its own register of the card. */
static void *hammer(void *arg)
{
	unsigned reg = *(unsigned *)arg;

	for (unsigned i = 0; i < 500; i++) {
		put(reg, i);
		if (get(reg) != i)
			return arg;
	}
	return NULL;
}

START_TEST(vcpus_ask_at_the_same_time)
{
	unsigned regs[] = {TESTCARD_SCRATCH, TESTCARD_DMA_ADDRESS, TESTCARD_DMA_LENGTH,
			   TESTCARD_DMA_OFFSET};
	pthread_t threads[4];
	void *wrong;

	serve("testcard");
	create("");
	for (unsigned i = 0; i < 4; i++)
		ck_assert(!pthread_create(&threads[i], NULL, hammer, &regs[i]));
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(!pthread_join(threads[i], &wrong));
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

/* Its server keeps a device as it was left; the next guest finds it as new. */
START_TEST(the_next_guest_finds_it_as_new)
{
	serve("testcard");
	create("");
	put(TESTCARD_SCRATCH, 0x12345678);
	destroy();
	create("");
	ck_assert_uint_eq(get(TESTCARD_SCRATCH), 0);
}
END_TEST

/* ---- memory that can be mapped ---- */

START_TEST(areas_are_mapped)
{
	serve("mapped");
	create("");
	ck_assert_int_eq(d->bar[0].kind, PCI_BAR_MEM64);
	ck_assert_uint_eq(d->bar[0].nr_areas, 1);
	ck_assert_uint_eq(d->bar[0].area[0].offset, 0x1000);
	ck_assert_uint_eq(d->bar[0].area[0].size, 0x2000);
	*(volatile uint32_t *)d->bar[0].area[0].memory = 0xabcdef;
	/* The server sees it: its messages do. */
	ck_assert_uint_eq(get(0x1000), 0xabcdef);
	put(0x2ffc, 77);
	ck_assert_uint_eq(((volatile uint32_t *)d->bar[0].area[0].memory)[0x7ff], 77);
	/* A bell. */
	ck_assert_uint_eq(d->bar[0].nr_notify, 1);
	ck_assert_uint_eq(d->bar[0].notify[0].offset, 0x10);
	ck_assert(!eventfd_write(d->bar[0].notify[0].fd, 1));
	WAIT_FOR(get(8) == 1);
	ck_assert_int_eq(msix_enable((const uint16_t[]){2}, 1), 0);
	put(0, 2);
	WAIT_FOR(pci_calls.msix[2] == 1);
	ck_assert_uint_eq(get(4), 1);
}
END_TEST

/* The server could cut its file off: the guest would touch what is not there. */
START_TEST(what_could_shrink_is_not_mapped)
{
	serve("mapped-unsealed");
	create("");
	ck_assert_uint_eq(d->bar[0].nr_areas, 0);
	put(0x1000, 5);
	ck_assert_uint_eq(get(0x1000), 5);
	destroy();
	create(",map=any");
	ck_assert_uint_eq(d->bar[0].nr_areas, 1);
	*(volatile uint32_t *)d->bar[0].area[0].memory = 6;
	ck_assert_uint_eq(get(0x1000), 6);
	destroy();
	create(",map=none");
	ck_assert_uint_eq(d->bar[0].nr_areas, 0);
}
END_TEST

/* ---- servers that fail while they are asked who they are ---- */

static const struct {
	const char *server, *words;
} bad_beginnings[] = {
	{"--wrong silent testcard", "within 1 s"},
	{"--wrong silent:4 testcard", "within 1 s"},
	{"--wrong slow:2:1500 testcard", "within 1 s"},
	{"--wrong die testcard", "has ended the connection"},
	{"--wrong die:20 testcard", "has ended the connection"},
	{"--wrong hang-up:1 testcard", "has ended the connection"},
	{"--wrong garbage testcard", "sends what is no message of vfio-user"},
	{"--wrong half:2 testcard", "within 1 s"},
	{"--wrong other-id testcard", "answers what it was not asked"},
	{"--wrong other-command:1 testcard", "answers another command"},
	{"--wrong small-size testcard", "no message of vfio-user"},
	{"--wrong huge-size testcard", "no message of vfio-user"},
	{"--wrong type testcard", "no message of vfio-user"},
	{"--wrong short testcard", "an answer of a wrong size"},
	{"--wrong long:1 testcard", "an answer of a wrong size"},
	{"--wrong many-fds testcard", "more descriptors"},
	{"--wrong dma-size:4 testcard", "whose size is not what it says"},
	{"--wrong dma-huge:4 testcard", "whose size is not what it says"},
	{"--fail 1:22 testcard", "refuses version 0.1 of vfio-user: Invalid argument"},
	{"--fail 4:95 testcard", "Operation not supported"},
	{"--fail 5:0 testcard", "does not answer as a PCI function must"},
	{"--fail 7:13 testcard", "Permission denied"},
	{"--fail 8:22 testcard", "Invalid argument"},
	{"--fail 9:22 testcard", "Invalid argument"},
	{"--version 1.0 testcard", "speaks version 1.0 of vfio-user, not 0.1"},
	{"--version 0.2 testcard", "speaks version 0.2"},
	{"--json nonsense testcard", "are no JSON"},
	{"--json [] testcard", "are no object"},
	{"--json unterminated testcard", "do not end"},
	{"--json {\"capabilities\":[]} testcard", "are no object"},
	{"--json {\"capabilities\":{\"max_msg_fds\":\"1\"}} testcard", "is no number"},
	{"--json {\"capabilities\":{\"max_msg_fds\":-1}} testcard", "too small"},
	{"--json {\"capabilities\":{\"max_data_xfer_size\":4}} testcard", "too small"},
	{"--json {\"capabilities\":{\"pgsizes\":65536}} testcard", "no pages of 4096"},
};

START_TEST(a_bad_beginning)
{
	serve(bad_beginnings[_i].server);
	/* Only who waits in vain does not wait long. */
	d = try(strstr(bad_beginnings[_i].words, "within 1 s") ? ",timeout=1" : ",timeout=60");
	ck_assert_msg(!d, "%s", bad_beginnings[_i].server);
	ck_assert_msg(strstr(err, bad_beginnings[_i].words), "%s: %s", bad_beginnings[_i].server,
		      err);
	ck_assert_msg(strstr(err, path), "%s", err);
	ck_assert_uint_eq(pci_calls.leaves, 0);
}
END_TEST

/* Less than everything is enough. */
static const char *const poor_servers[] = {
	"--json - testcard",
	"--json {} testcard",
	"--json {\"capabilities\":{}} testcard",
	"--json {\"capabilities\":{\"max_msg_fds\":3,\"pgsizes\":4096}} testcard",
	"--version 0.0 testcard",
	"--fail 6:22 testcard",
	"--fail 2:12 testcard",
};

START_TEST(a_poor_server)
{
	serve(poor_servers[_i]);
	create("");
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
	ck_assert_int_eq(msi_enable(8), 0);
	raise_all();
	for (unsigned i = 0; i < 8; i++)
		WAIT_FOR(pci_calls.msi[i] == 1);
}
END_TEST

/* ---- servers that fail later ---- */

/* All is as ones, nothing waits, and the guest is asked to let the device go. */
static void is_lost(const char *words)
{
	uint32_t val;

	WAIT_FOR(pci_calls.leaves == 1);
	ck_assert_msg(strstr(t->log, words), "%s", t->log);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	ck_assert_uint_eq(d->ops->bar_read(d, 0, 0, 8), ~0ull);
	put(TESTCARD_SCRATCH, 1);
	ck_assert_int_eq(d->ops->config_read(d, 0, 4, &val), 0);
	ck_assert_uint_eq(val, ~0u);
	ck_assert_int_eq(d->ops->config_read(d, PCI_COMMAND, 2, &val), 0);
	ck_assert_uint_eq(val, 0xffff);
	ck_assert_int_eq(d->ops->config_write(d, PCI_COMMAND, 2, 0), 0);
	ck_assert_int_lt(msi_enable(1), 0);
	ck_assert_int_lt(reset(), 0);
}

START_TEST(a_server_that_is_killed)
{
	serve("testcard");
	create("");
	ck_assert_int_eq(msi_enable(2), 0);
	end_server();
	is_lost("has ended the connection; the function reads as all ones from now on");
	ck_assert_ptr_nonnull(strstr(t->log, path));
}
END_TEST

START_TEST(a_server_that_stops)
{
	serve("testcard");
	create(",timeout=5");
	kill(server, SIGSTOP);
	ck_assert_int_eq(waitpid(server, NULL, WUNTRACED), server);
	ck_assert_uint_eq(get(TESTCARD_ID), ~0u);
	is_lost("does not answer REGION_READ within 5 s");
}
END_TEST

/* Unasked, while nobody waits for anything. */
START_TEST(a_server_that_talks_nonsense)
{
	static const char *const wrongs[][2] = {{"garbage", "no message"},
						{"other-id", "was not asked"},
						{"dma-size", "whose size"},
						{"many-fds", "descriptors"}};
	char words[64];

	/* Enough messages for a beginning come first. */
	snprintf(words, sizeof(words), "--wrong %s:150 testcard", wrongs[_i][0]);
	serve(words);
	create(",timeout=60");
	for (unsigned i = 0; i < 200 && !pci_calls.leaves; i++)
		get(TESTCARD_ID);
	is_lost(wrongs[_i][1]);
}
END_TEST

START_TEST(a_slow_server_is_waited_for)
{
	serve("--wrong slow:0:20 testcard");
	create(",timeout=60");
	ck_assert_uint_eq(get(TESTCARD_ID), TESTCARD_MAGIC);
}
END_TEST

/* ---- no server at all, and bad words ---- */

START_TEST(where_there_is_no_server)
{
	char other[120], long_path[200];

	ck_assert_ptr_null(try(""));
	ck_assert_ptr_nonnull(strstr(err, "start the vfio-user server first"));
	serve("testcard");
	end_server();
	ck_assert_ptr_null(try(""));
	ck_assert_ptr_nonnull(strstr(err, "no vfio-user server listens there"));
	ck_assert_int_eq(pci_vfio_user.check(path, true, err, sizeof(err)), 0);
	snprintf(other, sizeof(other), "%s/file", dir);
	ck_assert_int_eq(pci_vfio_user.check(other, true, err, sizeof(err)), -ENOENT);
	close(open(other, O_CREAT | O_WRONLY, 0600));
	ck_assert_int_eq(pci_vfio_user.check(other, true, err, sizeof(err)), -ENOTSOCK);
	unlink(other);
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = 0;
	ck_assert_ptr_null(pci_vfio_user.create(&host, long_path, err, sizeof(err)));
	ck_assert_ptr_nonnull(strstr(err, "at most 107 characters"));
}
END_TEST

START_TEST(bad_options)
{
	static const char *const bad[] = {NULL,
					  "",
					  ",timeout=1",
					  "/x,timeout=0",
					  "/x,timeout=3601",
					  "/x,memory=some",
					  "/x,map=maybe",
					  "/x,color=red"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_int_eq(pci_vfio_user.check(bad[i], false, err, sizeof(err)), -EINVAL);
		ck_assert_uint_gt(strlen(err), 15);
	}
	ck_assert_int_eq(
		pci_vfio_user.check("/x,timeout=9,memory=private,map=any", false, err, sizeof(err)),
		0);
}
END_TEST

#define LOOP(c, test, table) tcase_add_loop_test(c, test, 0, sizeof(table) / sizeof(*(table)))

int main(void)
{
	const TTest *const plain[] = {
		a_card_is_described,
		messages_arrive,
		intx_is_level_triggered,
		errors_and_departures_are_told,
		dma_through_shared_memory,
		dma_elsewhere_is_refused,
		vcpus_ask_at_the_same_time,
		the_next_guest_finds_it_as_new,
		areas_are_mapped,
		what_could_shrink_is_not_mapped,
		a_server_that_is_killed,
		a_server_that_stops,
		a_slow_server_is_waited_for,
		where_there_is_no_server,
		bad_options,
	};
	Suite *suite = suite_create("vfio_user");
	TCase *c = tcase_create("vfio_user");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup, teardown);
	for (unsigned i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		tcase_add_test(c, plain[i]);
	tcase_add_loop_test(c, dma_through_messages, 0, 2);
	tcase_add_loop_test(c, a_server_that_talks_nonsense, 0, 4);
	LOOP(c, a_bad_beginning, bad_beginnings);
	LOOP(c, a_poor_server, poor_servers);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
