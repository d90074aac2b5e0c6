/*
 * A function's own errors: what the frontend is asked, step by step, for each of its answers;
 * the steps are those of Linux (pcie/err.c, xen-pciback/pci_stub.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/pci/pciback_internal.h"
#include "devices/xenstore/local.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

enum { NONE = 1, CAN_RECOVER, NEED_RESET, DISCONNECT, RECOVERED };
enum { NORMAL = 1, FROZEN, PERM_FAILURE };

static struct pcifront *f;
static struct soft_function *s;

static void setup(void)
{
	f = pf_new(PCIBACK_VPCI);
	pf_add(f, NULL);
	s = pf_add(f, NULL);
	pf_connect(f);
	pf_notified(f);
}

static void teardown(void)
{
	pf_free(f);
}

/* The device's call; what follows from it happens in the loop. */
static void report(struct pci_device *d, enum pci_aer_severity severity)
{
	pci_aer(d, severity);
	pf_run(f);
}

static bool asked(void)
{
	return f->page->flags & XEN_PCIB_active;
}

/* The request that is there. */
static void expect(uint32_t cmd, int32_t err)
{
	ck_assert_msg(asked(), "no request");
	ck_assert(pf_notified(f));
	ck_assert_uint_eq(f->page->aer_op.cmd, cmd);
	ck_assert_int_eq(f->page->aer_op.err, err);
	ck_assert_uint_eq(f->page->aer_op.domain, 0);
	ck_assert_uint_eq(f->page->aer_op.bus, 0);
	ck_assert_uint_eq(f->page->aer_op.devfn, 8);
}

static void answer(int32_t result)
{
	f->page->aer_op.err = result;
	__atomic_fetch_and(&f->page->flags, ~(uint32_t)XEN_PCIB_active, __ATOMIC_SEQ_CST);
	pf_notify(f);
}

static void idle(void)
{
	ck_assert(!asked());
	ck_assert(!pf_notified(f));
	ck_assert_ptr_null(f->pciback->recovery.fn);
	ck_assert_uint_eq(f->page->flags, XEN_PCIB_AERHANDLER);
}

static bool failed(void)
{
	return xenstore_exists(f->xs, PF_BE "/aerState");
}

START_TEST(not_fatal_and_recovered)
{
	pci_config_report_uncorrectable(&s->config, PCI_ERR_UNC_COMP_TIME, NULL);
	report(&s->d, PCI_AER_NONFATAL);
	expect(XEN_PCI_OP_aer_detected, NORMAL);
	/* An event without an answer. */
	pf_notify(f);
	ck_assert(asked());
	answer(CAN_RECOVER);
	expect(XEN_PCI_OP_aer_mmio, NORMAL);
	answer(RECOVERED);
	expect(XEN_PCI_OP_aer_resume, NORMAL);
	ck_assert_uint_ne(pci_config_get(&s->config, s->config.aer + PCI_ERR_UNCOR_STATUS, 4), 0);
	answer(NONE);
	idle();
	ck_assert_uint_eq(s->resets, 0);
	ck_assert(!failed());
	/* Linux clears the status when it is done. */
	ck_assert_uint_eq(pci_config_get(&s->config, s->config.aer + PCI_ERR_UNCOR_STATUS, 4), 0);
	ck_assert_uint_eq(pci_config_get(&s->config, s->config.pcie + PCI_EXP_DEVSTA, 2), 0);
}
END_TEST

START_TEST(needs_a_reset)
{
	report(&s->d, PCI_AER_NONFATAL);
	expect(XEN_PCI_OP_aer_detected, NORMAL);
	answer(NEED_RESET);
	expect(XEN_PCI_OP_aer_slotreset, NORMAL);
	answer(RECOVERED);
	expect(XEN_PCI_OP_aer_resume, NORMAL);
	answer(NONE);
	idle();
	/* Asked for in the second step. */
	report(&s->d, PCI_AER_NONFATAL);
	answer(CAN_RECOVER);
	answer(NEED_RESET);
	expect(XEN_PCI_OP_aer_slotreset, NORMAL);
	answer(NEED_RESET); /* twice is not recovered */
	expect(XEN_PCI_OP_aer_detected, PERM_FAILURE);
	answer(DISCONNECT);
	idle();
}
END_TEST

START_TEST(fatal_resets_the_function)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msi, .devfn = 8};

	ck_assert_int_eq(pf_write(f, 8, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
			 0);
	ck_assert_int_eq(pf_op(f, &op), 0);
	uint32_t bar = pci_config_get(&s->config, PCI_BASE_ADDRESS_0, 4);
	report(&s->d, PCI_AER_FATAL);
	expect(XEN_PCI_OP_aer_detected, FROZEN);
	ck_assert_uint_eq(s->resets, 0);
	answer(NEED_RESET);
	ck_assert_uint_eq(s->resets, 1);
	expect(XEN_PCI_OP_aer_slotreset, NORMAL);
	/* What it had is as before. */
	ck_assert_uint_eq(s->msi_enables, 2);
	ck_assert_uint_eq(pci_config_get(&s->config, PCI_BASE_ADDRESS_0, 4), bar);
	ck_assert_uint_eq(pci_config_command(&s->config),
			  PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	answer(RECOVERED);
	expect(XEN_PCI_OP_aer_resume, NORMAL);
	answer(NONE);
	idle();
	ck_assert(!failed());
}
END_TEST

START_TEST(a_reset_that_fails)
{
	s->refuses = -EIO;
	report(&s->d, PCI_AER_FATAL);
	expect(XEN_PCI_OP_aer_detected, FROZEN);
	answer(NEED_RESET);
	expect(XEN_PCI_OP_aer_detected, PERM_FAILURE);
	answer(NEED_RESET);
	idle();
}
END_TEST

/* What a guest answers whose driver has given up, or that has no driver, or is hostile. */
START_TEST(answers_that_give_up)
{
	static const struct {
		int32_t answer;
		bool fails; /* aerState */
		uint32_t next;
		int32_t err;
	} odd[] = {
		{DISCONNECT, true, XEN_PCI_OP_aer_detected, PERM_FAILURE},
		{NONE, true, XEN_PCI_OP_aer_mmio, NORMAL},
		{0, false, XEN_PCI_OP_aer_detected, PERM_FAILURE},
		{6, false, XEN_PCI_OP_aer_detected, PERM_FAILURE},
		{-1, false, XEN_PCI_OP_aer_detected, PERM_FAILURE},
		{0x7fffffff, false, XEN_PCI_OP_aer_detected, PERM_FAILURE},
	};

	report(&s->d, PCI_AER_NONFATAL);
	expect(XEN_PCI_OP_aer_detected, NORMAL);
	answer(odd[_i].answer);
	expect(odd[_i].next, odd[_i].err);
	ck_assert(failed() == odd[_i].fails);
	answer(CAN_RECOVER);
	if (asked())
		answer(CAN_RECOVER);
	pf_notified(f);
	idle();
	/* Requests are served all the same. */
	ck_assert_uint_eq(pf_get(f, 8, 0, 2), 0x1234);
}
END_TEST

START_TEST(corrected_by_itself)
{
	pci_config_report_correctable(&s->config, PCI_ERR_COR_BAD_TLP);
	report(&s->d, PCI_AER_CORRECTABLE);
	idle();
	ck_assert_uint_eq(pci_config_get(&s->config, s->config.aer + PCI_ERR_COR_STATUS, 4), 0);
	ck_assert_uint_eq(pci_config_get(&s->config, s->config.pcie + PCI_EXP_DEVSTA, 2), 0);
}
END_TEST

START_TEST(a_frontend_without_a_handler)
{
	f->page->flags = 0;
	report(&s->d, PCI_AER_FATAL);
	ck_assert_uint_eq(f->page->flags, 0);
	ck_assert(!pf_notified(f));
	ck_assert(failed());
	ck_assert_uint_eq(s->resets, 1);
	ck_assert_ptr_null(f->pciback->recovery.fn);
}
END_TEST

START_TEST(nobody_is_there)
{
	pf_state(f, XenbusStateClosed);
	report(&s->d, PCI_AER_NONFATAL);
	ck_assert(failed());
	ck_assert_ptr_null(f->pciback->recovery.fn);
}
END_TEST

static void wait_unanswered(uint64_t nr)
{
	ck_assert_int_eq(event_loop_start(f->loop), 0);
	for (unsigned i = 0; i < 20000 && pciback_stats(f->pciback)->aer_unanswered < nr; i++) {
		nanosleep(&(struct timespec){0, 1000000}, NULL);
		test_loop_sync();
	}
	event_loop_stop(f->loop);
	ck_assert_uint_eq(pciback_stats(f->pciback)->aer_unanswered, nr);
}

START_TEST(a_guest_that_never_answers)
{
	f->pciback->patience_seconds = 1;
	report(&s->d, PCI_AER_NONFATAL);
	expect(XEN_PCI_OP_aer_detected, NORMAL);
	/* Its requests are served meanwhile. */
	ck_assert_uint_eq(pf_get(f, 8, 0, 2), 0x1234);
	ck_assert(asked());
	wait_unanswered(1);
	/* Linux goes on as if it could recover. */
	expect(XEN_PCI_OP_aer_mmio, NORMAL);
	wait_unanswered(2);
	expect(XEN_PCI_OP_aer_resume, NORMAL);
	wait_unanswered(3);
	idle();
	ck_assert_int_eq(f->page->aer_op.err, NONE);
	/* The next one is asked about again. */
	f->pciback->patience_seconds = 300;
	report(&s->d, PCI_AER_NONFATAL);
	expect(XEN_PCI_OP_aer_detected, NORMAL);
}
END_TEST

/* Linux waits that long: the guest's driver may reset its card. */
START_TEST(patience)
{
	ck_assert_uint_eq(f->pciback->patience_seconds, 300);
}
END_TEST

START_TEST(errors_of_several_functions)
{
	struct pci_device *other = pciback_at(f->pciback, 0)->device;

	report(&s->d, PCI_AER_NONFATAL);
	report(&s->d, PCI_AER_NONFATAL); /* the same one */
	report(other, PCI_AER_NONFATAL);
	report(other, PCI_AER_FATAL);
	expect(XEN_PCI_OP_aer_detected, NORMAL);
	/* A worse one, meanwhile. */
	report(&s->d, PCI_AER_FATAL);
	answer(RECOVERED);
	expect(XEN_PCI_OP_aer_resume, NORMAL);
	answer(RECOVERED);
	ck_assert(asked());
	ck_assert_uint_eq(f->page->aer_op.devfn, 0);
	ck_assert_int_eq(f->page->aer_op.err, FROZEN);
	answer(RECOVERED);
	ck_assert_uint_eq(f->page->aer_op.cmd, XEN_PCI_OP_aer_resume);
	answer(RECOVERED);
	expect(XEN_PCI_OP_aer_detected, FROZEN);
	answer(RECOVERED);
	answer(RECOVERED);
	ck_assert(!asked());
}
END_TEST

/* Errors on the way out of an error are part of it. */
static int reset_with_error(struct pci_device *d)
{
	pci_aer(d, PCI_AER_FATAL);
	return 0;
}

START_TEST(a_reset_with_an_error)
{
	static struct pci_device_ops ops;

	ops = *s->d.ops;
	ops.reset = reset_with_error;
	s->d.ops = &ops;
	report(&s->d, PCI_AER_FATAL);
	answer(RECOVERED);
	expect(XEN_PCI_OP_aer_resume, NORMAL);
	answer(NONE);
	idle();
}
END_TEST

START_TEST(the_function_goes_meanwhile)
{
	struct pci_device *other = pciback_at(f->pciback, 0)->device;

	report(&s->d, PCI_AER_NONFATAL);
	report(other, PCI_AER_NONFATAL);
	ck_assert_int_eq(pciback_remove(f->pciback, pciback_at(f->pciback, 1), true), 0);
	/* The frontend still works on the first request. */
	ck_assert_uint_eq(f->page->aer_op.devfn, 8);
	answer(CAN_RECOVER);
	ck_assert(asked());
	ck_assert_uint_eq(f->page->aer_op.cmd, XEN_PCI_OP_aer_detected);
	ck_assert_uint_eq(f->page->aer_op.devfn, 0);
}
END_TEST

START_TEST(the_frontend_goes_meanwhile)
{
	report(&s->d, PCI_AER_NONFATAL);
	ck_assert(asked());
	pf_state(f, XenbusStateClosed);
	ck_assert_ptr_null(f->pciback->recovery.fn);
	pf_state(f, XenbusStateInitialising);
	pf_connect(f);
	ck_assert(!asked());
	report(&s->d, PCI_AER_NONFATAL);
	ck_assert(asked());
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		not_fatal_and_recovered,
		needs_a_reset,
		fatal_resets_the_function,
		a_reset_that_fails,
		corrected_by_itself,
		a_frontend_without_a_handler,
		nobody_is_there,
		a_guest_that_never_answers,
		patience,
		errors_of_several_functions,
		a_reset_with_an_error,
		the_function_goes_meanwhile,
		the_frontend_goes_meanwhile,
	};
	Suite *suite = suite_create("pciback_aer");
	TCase *c = tcase_create("pciback_aer");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_loop_test(c, answers_that_give_up, 0, 6);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}
