/*
 * Functions whose answers come late, or never: what a frontend sees of its page.
 */
#include <time.h>

#include "devices/pci/pciback_internal.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

static struct pcifront *f;
static struct soft_function *slow, *quick;

static void setup(void)
{
	f = pf_new(PCIBACK_VPCI);
	slow = pf_add(f, NULL);
	quick = pf_add(f, NULL);
	pf_connect(f);
}

static void teardown(void)
{
	pf_free(f);
}

static void ask(unsigned devfn)
{
	f->page->op = (struct xen_pci_op){
		.cmd = XEN_PCI_OP_conf_read, .devfn = devfn, .offset = 0, .size = 4, .err = 77};
	f->page->flags |= XEN_PCIF_active;
	pf_notify(f);
}

static bool is_active(void)
{
	return f->page->flags & XEN_PCIF_active;
}

/* Lets time go by until the answer is there, a minute at most. */
static void wait_for_answer(void)
{
	for (unsigned i = 0; i < 60000 && is_active(); i++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		pf_run(f);
	}
	ck_assert(!is_active());
}

START_TEST(late)
{
	slow->d.answer_delay = 300;
	ask(0);
	ck_assert(is_active());
	ck_assert(!pf_notified(f));
	ck_assert_int_eq(f->page->op.err, 77);
	/* Asking again is no help. */
	pf_notify(f);
	ck_assert(is_active());
	wait_for_answer();
	ck_assert(pf_notified(f));
	ck_assert_int_eq(f->page->op.err, 0);
	ck_assert_uint_eq(f->page->op.value, 0x56781234);
	slow->d.answer_delay = 0;
	ck_assert_uint_eq(pf_get(f, 0, 0, 4), 0x56781234);
}
END_TEST

/* The frontend gave up, and asks another function: it gets the old answer, as from any
 * backend that is slow, and then its own. */
START_TEST(later_than_the_frontends_patience)
{
	slow->d.answer_delay = 300;
	ask(0);
	f->page->flags &= ~(uint32_t)XEN_PCIF_active;
	ask(8);
	ck_assert(is_active());
	wait_for_answer();
	pf_run(f);
	ck_assert_uint_eq(pf_get(f, 8, 0, 4), 0x56781234);
}
END_TEST

START_TEST(never)
{
	slow->d.answer_delay = PCI_ANSWER_NEVER;
	for (unsigned i = 0; i < 3; i++) {
		ask(0);
		ck_assert(is_active());
		ck_assert(!pf_notified(f));
		f->page->flags &= ~(uint32_t)XEN_PCIF_active;
		ck_assert_uint_eq(pf_get(f, 8, 0, 4), 0x56781234);
		pf_notified(f);
	}
	/* What is no access of the configuration space is answered. */
	f->page->op = (struct xen_pci_op){.cmd = 99, .devfn = 0};
	f->page->flags |= XEN_PCIF_active;
	pf_notify(f);
	ck_assert(!is_active());
	ck_assert_int_eq(f->page->op.err, XEN_PCI_ERR_not_implemented);
}
END_TEST

START_TEST(the_frontend_goes_meanwhile)
{
	slow->d.answer_delay = 200;
	ask(0);
	pf_state(f, XenbusStateClosed);
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	pf_run(f);
	ck_assert(is_active());
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {late, later_than_the_frontends_patience, never,
				      the_frontend_goes_meanwhile};

	return RUN_TESTS("pciback_late", setup, teardown, tests);
}
