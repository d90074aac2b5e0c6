/*
 * The server for gdb's remote protocol: a client's conversation with a domain in plain
 * memory.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/unit/test_gdb.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_run.h"
#include "vmm/gdb/packet.h"

START_TEST(test_handshake)
{
	const char *s;

	gs_start(true);
	s = gs_ask("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+");
	ck_assert_ptr_nonnull(strstr(s, "PacketSize=4000;"));
	ck_assert_ptr_nonnull(strstr(s, "QStartNoAckMode+"));
	ck_assert_ptr_nonnull(strstr(s, "qXfer:features:read+"));
	ck_assert_ptr_nonnull(strstr(s, ";swbreak+;hwbreak+"));
	ck_assert_ptr_null(strstr(s, "multiprocess"));
	/* What is unknown gets an empty answer. */
	ck_assert_str_eq(gs_ask("vMustReplyEmpty"), "");
	ck_assert_str_eq(gs_ask("qNothing"), "");
	ck_assert_str_eq(gs_ask("qCRC:0,4"), "");
	ck_assert_str_eq(gs_ask("Hg0"), "OK");
	ck_assert_str_eq(gs_ask("qAttached"), "1");
	ck_assert_str_eq(gs_ask("vCont?"), "vCont;c;C;s;S;t");
	ck_assert_str_eq(gs_ask("qfThreadInfo"), "m01,02");
	ck_assert_str_eq(gs_ask("qsThreadInfo"), "l");
	ck_assert_str_eq(gs_ask("qC"), "QC01");
	ck_assert_str_eq(gs_ask("T02"), "OK");
	ck_assert_str_eq(gs_ask("T03"), "E03");
	/* "vcpu 1 kernel" */
	ck_assert_str_eq(gs_ask("qThreadExtraInfo,2"), "766370752031206b65726e656c");
	ck_assert_int_eq(strncmp(gs_ask("?"), "T02thread:01;", 13), 0);
}
END_TEST

START_TEST(test_acknowledgements)
{
	char b[8] = "";

	gs_start(true);
	gs_send_all("$qC#b4", 6);
	ck_assert(gs_readable(20000));
	ck_assert_int_eq(recv(gs_fd, b, 1, 0), 1);
	ck_assert_int_eq(b[0], '+');
	ck_assert_str_eq(gs_receive(), "QC01");
	/* Once more, when it did not arrive; and a wrong sum is refused. */
	gs_send_all("-", 1);
	ck_assert_str_eq(gs_receive(), "QC01");
	gs_send_all("+$qC#b5", 7);
	ck_assert(gs_readable(20000));
	ck_assert_int_eq(recv(gs_fd, b, 1, 0), 1);
	ck_assert_int_eq(b[0], '-');
	gs_no_ack();
	gs_send_all("$qC#b4", 6);
	ck_assert_int_eq(recv(gs_fd, b, 8, MSG_WAITALL), 8);
	ck_assert_int_eq(strncmp(b, "$QC01#", 6), 0);
	/* Without them an error is all that can be said. */
	gs_send_all("$qC#00", 6);
	ck_assert_str_eq(gs_receive(), "E4a");
}
END_TEST

/* The description arrives whole, whatever the pieces. */
START_TEST(test_description)
{
	char xml[16384] = "", request[60];
	const char *s;

	gs_start(true);
	gs_no_ack();
	do {
		snprintf(request, sizeof(request), "qXfer:features:read:target.xml:%zx,%x",
			 strlen(xml), 777);
		s = gs_ask(request);
		ck_assert(*s == 'm' || *s == 'l');
		char piece[2000];
		strcpy(piece, s + 1);
		piece[gdb_unescape(piece, strlen(piece))] = 0;
		strcat(xml, piece);
	} while (*s == 'm');
	ck_assert_ptr_nonnull(strstr(xml, "</target>\n"));
	ck_assert_str_eq(gs_ask("qXfer:features:read:target.xml:ffffff,10"), "l");
	ck_assert_str_eq(gs_ask("qXfer:features:read:other.xml:0,10"), "E00");
	ck_assert_str_eq(gs_ask("qXfer:features:read:target.xml:0"), "E16");
}
END_TEST

START_TEST(test_registers_and_memory)
{
	struct vcpu *v = gs_t->d->vcpu[1];
	char request[80], reg[17];

	gs_start(true);
	gs_no_ack();
	v->regs.rax = 0x1122334455667788;
	ck_assert_str_eq(gs_ask("Hg2"), "OK");
	ck_assert_str_eq(gs_ask("p0"), "8877665544332211");
	ck_assert_str_eq(gs_ask("P0=0100000000000000"), "OK");
	ck_assert_uint_eq(v->regs.rax, 1);
	strncpy(reg, gs_ask("g"), 16);
	reg[16] = 0;
	ck_assert_str_eq(reg, "0100000000000000");
	/* All of them, the first changed; those that cannot be are left as they are. */
	char *all = strdup(gs_ask("g"));
	all[1] = '2';
	char *put = malloc(strlen(all) + 2);
	sprintf(put, "G%s", all);
	ck_assert_str_eq(gs_ask(put), "OK");
	ck_assert_uint_eq(v->regs.rax, 2);
	free(put);
	free(all);
	ck_assert_str_eq(gs_ask("P12=0000"), "E16");
	ck_assert_str_eq(gs_ask("P12=00000000"), "E01"); /* cs */
	ck_assert_str_eq(gs_ask("pffff"), "E16");
	ck_assert_str_eq(gs_ask("P0=zz"), "E16");
	ck_assert_str_eq(gs_ask("G00"), "E16");
	snprintf(request, sizeof(request), "m%llx,3", (unsigned long long)gs_va);
	ck_assert_str_eq(gs_ask(request), "909090");
	snprintf(request, sizeof(request), "M%llx,2:abCD", (unsigned long long)gs_va);
	ck_assert_str_eq(gs_ask(request), "OK");
	snprintf(request, sizeof(request), "X%llx,2:}\x03q", (unsigned long long)gs_va + 2);
	ck_assert_str_eq(gs_ask(request), "OK");
	snprintf(request, sizeof(request), "X%llx,0:", (unsigned long long)gs_va);
	ck_assert_str_eq(gs_ask(request), "OK");
	snprintf(request, sizeof(request), "m%llx,5", (unsigned long long)gs_va);
	ck_assert_str_eq(gs_ask(request), "abcd237190");
	/* Up to the end of what is there; a length that is absurd. */
	snprintf(request, sizeof(request), "m%llx,ffffffff",
		 (unsigned long long)gs_va + PAGE_SIZE - 1);
	ck_assert_str_eq(gs_ask(request), "90");
	ck_assert_str_eq(gs_ask("m0,4"), "E0e");
	ck_assert_str_eq(gs_ask("M0,4:00000000"), "E0e");
	ck_assert_str_eq(gs_ask("M0,ffffffffffffffff:00"), "E16");
	ck_assert_str_eq(gs_ask("X0,5:ab"), "E16");
	ck_assert_str_eq(gs_ask("m"), "E16");
	ck_assert_str_eq(gs_ask("m0"), "E16");
	ck_assert_str_eq(gs_ask("Hg3"), "E16");
	ck_assert_str_eq(gs_ask("Hx0"), "E16");
}
END_TEST

/* Vcpu i executes the int3 at `at`. */
static void hit(unsigned i, uint64_t at)
{
	const struct cpu_exit breakpoint = {.kind = CPU_EXIT_TRAP, .vector = 3};

	gs_t->d->vcpu[i]->regs.rip = at + 1;
	ck_assert(debugger_trap(atomic_load(&gs_g->debugger), &gs_cpu[i], &breakpoint));
	debugger_rested(atomic_load(&gs_g->debugger), &gs_cpu[i]);
}

START_TEST(test_breakpoint)
{
	char request[60];
	const char *s;

	gs_start(true);
	ck_assert(gs_held(0) && gs_held(1));
	gs_ask("qSupported:swbreak+");
	gs_no_ack();
	gs_ask("?");
	snprintf(request, sizeof(request), "Z0,%llx,1", (unsigned long long)gs_va);
	ck_assert_str_eq(gs_ask(request), "OK");
	ck_assert_str_eq(gs_ask("Z0,0,1"), "E0e");
	ck_assert_str_eq(gs_ask("Z5,0,1"), "E16");
	ck_assert_str_eq(gs_ask("Z0,0"), "E16");
	gs_send_packet("vCont;c");
	gs_wait_until_going();
	ck_assert_uint_eq(*(uint8_t *)test_ptr(gs_t, gs_va), 0xcc);
	hit(1, gs_va);
	s = gs_receive();
	ck_assert_int_eq(strncmp(s, "T05thread:02;swbreak:;", 22), 0);
	request[0] = 'z';
	ck_assert_str_eq(gs_ask(request), "OK");
	ck_assert_uint_eq(*(uint8_t *)test_ptr(gs_t, gs_va), 0x90);
}
END_TEST

START_TEST(test_vcont)
{
	gs_start(true);
	gs_no_ack();
	gs_ask("?");
	ck_assert_str_eq(gs_ask("vCont"), "E16");
	ck_assert_str_eq(gs_ask("vCont;"), "E16");
	ck_assert_str_eq(gs_ask("vCont;x"), "E16");
	ck_assert_str_eq(gs_ask("vCont;c:9"), "E16");
	ck_assert_str_eq(gs_ask("vCont;C"), "E16");
	ck_assert_str_eq(gs_ask("czz"), "E16");
	/* The first that fits counts. */
	gs_send_packet("vCont;s:2;t:1;c");
	for (int i = 0; i < 20000 && gs_held(1); i++)
		usleep(1000);
	ck_assert(gs_held(0) && !gs_held(1));
	ck_assert_int_eq(gs_cpu[1].stepping, STEP_ONE);
	/* ^C; what else comes meanwhile is not for a domain that runs. */
	gs_send_packet("g");
	gs_send_packet("Z0,0,1");
	gs_send_all("\3", 1);
	ck_assert_int_eq(strncmp(gs_receive(), "T02thread:", 10), 0);
	ck_assert(!gs_readable(50));
	/* Nobody may go on: that is a stop at once. */
	ck_assert_int_eq(strncmp(gs_ask("vCont;t"), "T02", 3), 0);
	gs_send_packet("s");
	gs_wait_until_going();
	gs_send_all("\3", 1);
	ck_assert_int_eq(strncmp(gs_receive(), "T02", 3), 0);
}
END_TEST

/* A domain that runs stops when the client wants to see something, not before. */
START_TEST(test_attach)
{
	gs_start(false);
	gs_no_ack();
	gs_ask("qSupported");
	test_loop_sync();
	ck_assert(!gs_held(0));
	gs_ask("?");
	ck_assert(gs_held(0) && gs_held(1));
	ck_assert_str_eq(gs_ask("D"), "OK");
	ck_assert_ptr_null(gs_receive());
	gs_wait_until_going();
	close(gs_fd);
	gs_fd = gs_dial();
	ck_assert_str_eq(gs_ask("p0"), "0000000000000000");
	ck_assert(gs_held(0));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_handshake,	  test_acknowledgements,
		test_description, test_registers_and_memory,
		test_breakpoint,  test_vcont,
		test_attach,
	};

	return RUN_TESTS("gdb_server", gs_setup, gs_teardown, tests);
}
