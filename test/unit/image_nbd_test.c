/*
 * Images behind NBD servers: each of QEMU's formats through a qemu-nbd of our own, servers
 * that the user names, and servers that lie, die and stall. qemu-img and nbdkit judge.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/block/blkback.h"
#include "devices/block/nbd_image.h"
#include "test/unit/test_blkfront.h"
#include "test/unit/test_run.h"

static struct blkfront *f;
static char dir[] = "/tmp/image_nbd.XXXXXX";

static void setup(void)
{
	strcpy(dir, "/tmp/image_nbd.XXXXXX");
	ck_assert(mkdtemp(dir));
	f = NULL;
}

static int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *fmt, ...)
{
	char text[600], script[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(script, sizeof(script), "cd %s && %s", dir, text);
	return system(script);
}

static void disk_free(void)
{
	if (f)
		front_free(f);
	f = NULL;
}

static void teardown(void)
{
	disk_free();
	shell("[ ! -f pid ] || kill $(cat pid)");
	shell("rm -rf %s", dir);
}

static void start(const char *fields, unsigned queues)
{
	char spec[300];

	snprintf(spec, sizeof(spec), "%s/%s", dir, fields);
	f = front_new_on(spec);
	front_connect(f, queues, 0, false);
}

static struct blkback *device(void)
{
	return (struct blkback *)f->backend;
}

/* nbdkit with `args` on a socket that the disk is then at. */
static void start_on_nbdkit(const char *args, const char *fields)
{
	char spec[300];

	ck_assert_int_eq(shell("nbdkit -P pid -U %s/sock %s", dir, args), 0);
	snprintf(spec, sizeof(spec), "nbd+unix:///?socket=%s/sock,raw,xvda,%s", dir, fields);
	f = front_new_on(spec);
	front_connect(f, 1, 0, false);
}

/* What is asked of a disk on `target` that cannot be; the sentence. */
static const char *refusal(const char *target)
{
	static char err[300];
	struct disk_spec spec;
	struct image img;
	char text[300];

	snprintf(text, sizeof(text), "%s/%s", dir, target);
	if (!strncmp(target, "nbd", 3))
		snprintf(text, sizeof(text), target, dir);
	ck_assert_int_eq(disk_spec_parse(&spec, text, err, sizeof(err)), 0);
	err[0] = 0;
	ck_assert_int_lt(image_open(&img, &spec, 1, err, sizeof(err)), 0);
	ck_assert_ptr_null(strchr(err, '\n'));
	ck_assert_msg(strstr(err, spec.target), "no name in: %s", err);
	disk_spec_free(&spec);
	return err;
}

static int transfer(uint8_t op, uint64_t sector, unsigned segs, const grant_ref_t *ref)
{
	blkif_request_t *r = front_request(f, 0, op);

	r->sector_number = sector;
	for (; r->nr_segments < segs; r->nr_segments++)
		r->seg[r->nr_segments] = (struct blkif_request_segment){
			.gref = ref[r->nr_segments], .first_sect = 0, .last_sect = 7};
	return front_status(f, 0);
}

static const struct {
	const char *xl, *qemu, *options;
} formats[] = {
	{"qcow2", "qcow2", ""},
	{"qcow", "qcow", ""},
	{"qed", "qed", ""},
	{"vhd", "vpc", "-o force_size=on"},
	{"vhd", "vpc", "-o force_size=on,subformat=fixed"},
	{"vmdk", "vmdk", ""},
};

/* What the guest writes is what QEMU finds in the image. */
START_TEST(formats_of_qemu)
{
	uint8_t *p[3], *back, got[3 * PAGE_SIZE];
	grant_ref_t ref[3], into;
	char fields[64];

	ck_assert_int_eq(
		shell("qemu-img create -q -f %s %s disk 8M", formats[_i].qemu, formats[_i].options),
		0);
	snprintf(fields, sizeof(fields), "disk,%s,xvda,rw", formats[_i].xl);
	start(fields, 1);
	ck_assert_str_eq(blkback_host_path(f->backend), "nbd");
	for (unsigned i = 0; i < 3; i++) {
		p[i] = front_page(f, true, &ref[i]);
		for (unsigned k = 0; k < PAGE_SIZE; k++)
			p[i][k] = (uint8_t)(i + k * 7 + k / 256);
	}
	back = front_page(f, false, &into);
	ck_assert_int_eq(transfer(BLKIF_OP_WRITE, 4096, 3, ref), BLKIF_RSP_OKAY);
	ck_assert_int_eq(transfer(BLKIF_OP_READ, 4104, 1, &into), BLKIF_RSP_OKAY);
	ck_assert_mem_eq(back, p[1], PAGE_SIZE);
	front_request(f, 0, BLKIF_OP_FLUSH_DISKCACHE);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	disk_free();
	ck_assert_int_eq(shell("qemu-img convert -f %s -O raw disk raw", formats[_i].qemu), 0);
	snprintf(fields, sizeof(fields), "%s/raw", dir);
	int fd = open(fields, O_RDONLY);
	ck_assert_int_eq(pread(fd, got, sizeof(got), 4096 * 512), sizeof(got));
	close(fd);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < PAGE_SIZE; k++)
			ck_assert_int_eq(got[i * PAGE_SIZE + k], (uint8_t)(i + k * 7 + k / 256));
}
END_TEST

START_TEST(mistakes_are_told)
{
	ck_assert_int_eq(
		shell("qemu-img create -q -f qcow2 q2 8M; qemu-img create -q -f qed qed 8M;"
		      "truncate -s 8M raw; dd if=q2 of=cut bs=20 count=1 status=none;"
		      "qemu-img create -q -f qcow2 -b raw -F raw over; chmod 400 q2;"
		      "cp over lost; cp over busy; mkdir folder"),
		0);
	ck_assert_ptr_nonnull(strstr(refusal("q2,qed,xvda,rw"), "is no qed image but a qcow2 one"));
	ck_assert_ptr_nonnull(strstr(refusal("q2,qcow,xvda,rw"), "is no qcow image"));
	ck_assert_ptr_nonnull(strstr(refusal("raw,qcow2,xvda,rw"), "is no qcow2 image"));
	ck_assert_ptr_nonnull(strstr(refusal("none,qcow2,xvda,rw"), "No such file"));
	ck_assert_ptr_nonnull(strstr(refusal("folder,qcow2,xvda,ro"), "s a directory"));
	ck_assert_ptr_nonnull(strstr(refusal("cut,qcow2,xvda,ro"), "qemu-nbd"));
	/* Another has it open. */
	start("busy,qcow2,xvda,rw", 1);
	ck_assert_ptr_nonnull(strstr(refusal("busy,qcow2,xvdb,rw"), "lock"));
	ck_assert_int_eq(shell("rm raw"), 0);
	ck_assert_ptr_nonnull(strstr(refusal("lost,qcow2,xvdb,rw"), "backing file"));
	setenv("PATH", "/nonexistent", 1);
	ck_assert_ptr_nonnull(strstr(refusal("qed,qed,xvda,rw"), "install the package qemu-utils"));
	setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
}
END_TEST

START_TEST(servers_that_cannot_be_used)
{
	ck_assert_int_gt(strlen(refusal("nbd+unix:///?socket=%s/none,raw,xvda,rw")), 20);
	ck_assert_int_gt(strlen(refusal("nbd://localhost:1/x,raw,xvda,rw")), 20);
	ck_assert_ptr_nonnull(strstr(refusal("nbd://localhost:1/x,qcow2,xvda,rw"), "raw disk"));
	/* One that says nothing. */
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/mute", dir);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	listen(s, 1);
	ck_assert_ptr_nonnull(strstr(refusal("nbd+unix:///?socket=%s/mute,raw,xvda,rw,timeout=1"),
				     "does not answer"));
	close(s);
	ck_assert_int_eq(shell("nbdkit -P pid -r -U %s/ro memory 8M", dir), 0);
	ck_assert_ptr_nonnull(
		strstr(refusal("nbd+unix:///?socket=%s/ro,raw,xvda,rw"), "access=ro"));
	shell("kill $(cat pid); rm pid");
	ck_assert_int_eq(shell("nbdkit -P pid -U %s/big --filter=blocksize-policy memory 8M "
			       "blocksize-minimum=4096",
			       dir),
			 0);
	ck_assert_ptr_nonnull(
		strstr(refusal("nbd+unix:///?socket=%s/big,raw,xvda,rw"), "sector-size=4096"));
}
END_TEST

/* The order in which a server sees what must be in order (io/blkif.h). */
START_TEST(flushes_are_flushes)
{
	static const char *const expected[] = {"Write", "...Write", "Flush", "...Flush",
					       "Write", "...Write", "Flush", "...Flush",
					       "Flush", "...Flush"};
	grant_ref_t ref;
	char line[300], word[40];
	unsigned n = 0;

	start_on_nbdkit("--filter=log memory 8M logfile=log", "rw");
	front_page(f, true, &ref);
	ck_assert_int_eq(transfer(BLKIF_OP_WRITE, 0, 1, &ref), BLKIF_RSP_OKAY);
	ck_assert_int_eq(transfer(BLKIF_OP_WRITE_BARRIER, 8, 1, &ref), BLKIF_RSP_OKAY);
	front_request(f, 0, BLKIF_OP_FLUSH_DISKCACHE);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	snprintf(line, sizeof(line), "%s/log", dir);
	FILE *log = fopen(line, "r");
	ck_assert(log);
	while (fgets(line, sizeof(line), log))
		if (sscanf(line, "%*s %*s connection=%*d %39s", word) == 1 &&
		    (strstr(word, "Write") || strstr(word, "Flush"))) {
			ck_assert_uint_lt(n, 10);
			ck_assert_msg(!strcmp(word, expected[n]), "%u: %s", n, line);
			n++;
		}
	fclose(log);
	ck_assert_uint_eq(n, 10);
}
END_TEST

/* What the host cannot do is an error for the guest, and the disk goes on. */
START_TEST(errors_of_the_server)
{
	grant_ref_t ref;

	start_on_nbdkit("--filter=error memory 8M error-pwrite=ENOSPC error-pwrite-rate=100%",
			"rw");
	front_page(f, false, &ref);
	ck_assert_int_eq(transfer(BLKIF_OP_WRITE, 0, 1, &ref), BLKIF_RSP_ERROR);
	ck_assert_int_eq(transfer(BLKIF_OP_READ, 0, 1, &ref), BLKIF_RSP_OKAY);
	front_request(f, 0, BLKIF_OP_FLUSH_DISKCACHE);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	ck_assert_uint_eq(blkback_stats(f->backend)->errors, 1);
}
END_TEST

/* What a server does not have is not offered. */
START_TEST(what_the_server_has)
{
	grant_ref_t ref;

	start_on_nbdkit("eval get_size='echo 8M' pwrite='cat >/dev/null' "
			"pread='dd if=/dev/zero count=$3 iflag=count_bytes status=none'",
			"rw,queues=4");
	ck_assert(!device()->image.can_discard);
	ck_assert(!device()->image.can_flush);
	/* A flush on one connection need not be one of what others wrote. */
	ck_assert_uint_eq(device()->image.max_queues, 1);
	((blkif_request_discard_t *)front_request(f, 0, BLKIF_OP_DISCARD))->nr_sectors = 8;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_EOPNOTSUPP);
	front_request(f, 0, BLKIF_OP_FLUSH_DISKCACHE);
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_EOPNOTSUPP);
	front_page(f, false, &ref);
	ck_assert_int_eq(transfer(BLKIF_OP_WRITE, 0, 1, &ref), BLKIF_RSP_OKAY);
	ck_assert_int_eq(transfer(BLKIF_OP_READ, 0, 1, &ref), BLKIF_RSP_OKAY);
}
END_TEST

/* Connections that see each other's flushes: a queue each. */
START_TEST(a_server_with_many_connections)
{
	start_on_nbdkit("memory 8M", "rw,queues=4");
	ck_assert_uint_eq(device()->image.max_queues, 4);
}
END_TEST

START_TEST(discards_give_space_back)
{
	struct stat before, after;
	char path[64];
	grant_ref_t ref[8];

	ck_assert_int_eq(shell("qemu-img create -q -f qcow2 disk 8M"), 0);
	start("disk,qcow2,xvda,rw", 1);
	for (unsigned i = 0; i < 8; i++)
		memset(front_page(f, true, &ref[i]), 0xaa, PAGE_SIZE);
	for (unsigned i = 0; i < 128; i++)
		ck_assert_int_eq(transfer(BLKIF_OP_WRITE, i * 64, 8, ref), BLKIF_RSP_OKAY);
	snprintf(path, sizeof(path), "%s/disk", dir);
	stat(path, &before);
	((blkif_request_discard_t *)front_request(f, 0, BLKIF_OP_DISCARD))->nr_sectors = 8192;
	ck_assert_int_eq(front_status(f, 0), BLKIF_RSP_OKAY);
	stat(path, &after);
	ck_assert_int_lt(after.st_blocks, before.st_blocks - 4096);
}
END_TEST

/* A full ring on each of four connections, more bytes than there are buffers for. */
START_TEST(many_requests_on_their_way)
{
	grant_ref_t ref[11];
	blkif_response_t r;

	ck_assert_int_eq(shell("qemu-img create -q -f qcow2 disk 64M"), 0);
	start("disk,qcow2,xvda,rw,queues=4", 4);
	for (unsigned i = 0; i < 11; i++)
		front_page(f, false, &ref[i]);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 4 * 8; i++) {
			blkif_request_t *q =
				front_request(f, i % 4, round % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE);
			q->sector_number = (round / 2 * 32 + i) * 88;
			for (; q->nr_segments < 11; q->nr_segments++)
				q->seg[q->nr_segments] = (struct blkif_request_segment){
					.gref = ref[q->nr_segments], .last_sect = 7};
		}
		for (unsigned i = 0; i < 4; i++)
			front_push(f, i);
		for (unsigned i = 0; i < 4 * 8; i++) {
			ck_assert(front_response(f, i % 4, &r));
			ck_assert_int_eq(r.status, BLKIF_RSP_OKAY);
		}
	}
}
END_TEST

static void push_reads(unsigned nr, grant_ref_t ref)
{
	for (unsigned i = 0; i < nr; i++) {
		blkif_request_t *r = front_request(f, 0, BLKIF_OP_READ);

		r->sector_number = 8 * i;
		r->nr_segments = 1;
		r->seg[0] = (struct blkif_request_segment){.gref = ref, .last_sect = 7};
	}
	front_push(f, 0);
}

START_TEST(a_server_that_dies)
{
	grant_ref_t ref;
	blkif_response_t r;

	ck_assert_int_eq(shell("qemu-img create -q -f qcow2 disk 8M"), 0);
	start("disk,qcow2,xvda,rw", 1);
	front_page(f, false, &ref);
	ck_assert_int_eq(transfer(BLKIF_OP_READ, 0, 1, &ref), BLKIF_RSP_OKAY);
	kill(device()->image.nbd->server.pid, SIGKILL);
	push_reads(20, ref);
	for (unsigned i = 0; i < 20; i++)
		ck_assert(front_response(f, 0, &r));
	ck_assert_int_eq(r.status, BLKIF_RSP_ERROR);
	ck_assert_int_eq(transfer(BLKIF_OP_WRITE, 0, 1, &ref), BLKIF_RSP_ERROR);
	ck_assert_uint_eq(front_in_use(f, ref), 0);
	/* A frontend that comes again gets a disk that fails, not a backend that does. */
	front_state(f, XenbusStateClosing);
	front_state(f, XenbusStateClosed);
	front_state(f, XenbusStateInitialising);
	front_connect(f, 1, 0, false);
	ck_assert_int_eq(transfer(BLKIF_OP_READ, 0, 1, &ref), BLKIF_RSP_ERROR);
}
END_TEST

START_TEST(a_server_that_stalls)
{
	grant_ref_t ref;
	blkif_response_t r;

	ck_assert_int_eq(shell("qemu-img create -q -f qcow2 disk 8M"), 0);
	start("disk,qcow2,xvda,rw,timeout=1", 1);
	front_page(f, false, &ref);
	pid_t pid = device()->image.nbd->server.pid;
	kill(pid, SIGSTOP);
	push_reads(20, ref);
	for (unsigned i = 0; i < 20; i++) {
		ck_assert(front_response(f, 0, &r));
		ck_assert_int_eq(r.status, BLKIF_RSP_ERROR);
	}
	disk_free();
	ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

/* Nobody waits half a minute for a stalled server when the disk goes. */
START_TEST(a_disk_that_goes_while_its_server_stalls)
{
	grant_ref_t ref;

	ck_assert_int_eq(shell("qemu-img create -q -f qcow2 disk 8M"), 0);
	start("disk,qcow2,xvda,rw,timeout=3600", 1);
	front_page(f, false, &ref);
	kill(device()->image.nbd->server.pid, SIGSTOP);
	push_reads(20, ref);
	usleep(100000);
	disk_free(); /* Check's own limit is the assertion */
}
END_TEST

/* Killed at any moment, we leave no server behind. */
START_TEST(a_server_does_not_outlive_us)
{
	int fd[2];
	pid_t server = 0;

	ck_assert_int_eq(shell("qemu-img create -q -f qcow2 disk 8M"), 0);
	ck_assert_int_eq(pipe(fd), 0);
	pid_t child = fork();
	if (!child) {
		start("disk,qcow2,xvda,rw", 1);
		server = device()->image.nbd->server.pid;
		if (write(fd[1], &server, sizeof(server)) < 0)
			_exit(1);
		pause();
	}
	close(fd[1]);
	ck_assert_int_eq(read(fd[0], &server, sizeof(server)), sizeof(server));
	ck_assert_int_eq(kill(server, 0), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	for (unsigned ms = 0; ms < 10000 && !kill(server, 0); ms++)
		usleep(1000);
	ck_assert_int_eq(kill(server, 0), -1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		mistakes_are_told,
		servers_that_cannot_be_used,
		flushes_are_flushes,
		errors_of_the_server,
		what_the_server_has,
		a_server_with_many_connections,
		discards_give_space_back,
		many_requests_on_their_way,
		a_server_that_dies,
		a_server_that_stalls,
		a_disk_that_goes_while_its_server_stalls,
		a_server_does_not_outlive_us,
	};
	Suite *s = suite_create("image_nbd");
	TCase *c = tcase_create("image_nbd");

	if (system("command -v qemu-nbd qemu-img nbdkit >/dev/null")) {
		puts("skipped: qemu-nbd or nbdkit is missing (packages qemu-utils, nbdkit)");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 20); /* less than the half minute that nobody is to wait */
	tcase_add_loop_test(c, formats_of_qemu, 0, sizeof(formats) / sizeof(formats[0]));
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	return run_suite(s);
}
