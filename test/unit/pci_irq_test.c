/*
 * A function's line and messages as event channels: level-triggered until the guest's EOI, at
 * rest while messages are on, and nobody's once the function is gone.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "devices/pci/pciback_internal.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

static struct pcifront *f;
static struct soft_function *s;
static unsigned line;

static void setup(void)
{
	f = pf_new(PCIBACK_VPCI);
	s = pf_add(f, NULL);
	pf_connect(f);
	line = pf_get(f, 0, PCI_INTERRUPT_LINE, 1);
}

static void teardown(void)
{
	pf_free(f);
}

static evtchn_port_t bind(unsigned pirq)
{
	struct evtchn_bind_pirq b = {.pirq = pirq, .flags = BIND_PIRQ__WILL_SHARE};

	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_bind_pirq, &b), 0);
	pf_run(f);
	return b.port;
}

static bool pending(evtchn_port_t port)
{
	pf_run(f);
	bool is = port_pending(f->t, port);
	port_clear(f->t, port);
	return is;
}

static void eoi(void)
{
	struct physdev_eoi e = {.irq = line};

	ck_assert_int_eq(
		block_hypercall(f->t, 0, __HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &e, sizeof(e)), 0);
}

START_TEST(a_line_until_it_falls)
{
	evtchn_port_t port = bind(line);

	ck_assert(!pending(port));
	pci_intx(&s->d, true);
	ck_assert(pending(port));
	ck_assert(!pending(port)); /* once until the EOI */
	pci_intx(&s->d, true);
	ck_assert(!pending(port));
	eoi();
	ck_assert(pending(port)); /* still asserted */
	pci_intx(&s->d, false);
	eoi();
	ck_assert(!pending(port));
	pci_intx(&s->d, true);
	ck_assert(pending(port));
	pci_intx(&s->d, false);
	eoi();
	ck_assert(!pending(port));
}
END_TEST

START_TEST(a_line_that_is_raised_before_it_is_bound)
{
	pci_intx(&s->d, true);
	evtchn_port_t port = bind(line);
	ck_assert(pending(port));
	ck_assert_int_eq(close_port(f->t, port), 0);
	pf_run(f);
	/* Another driver. */
	port = bind(line);
	ck_assert(pending(port));
}
END_TEST

START_TEST(a_line_rests_while_messages_are_on)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msi};
	evtchn_port_t port = bind(line);

	ck_assert_int_eq(pf_op(f, &op), 0);
	pci_intx(&s->d, true);
	ck_assert(!pending(port));
	op.cmd = XEN_PCI_OP_disable_msi;
	ck_assert_int_eq(pf_op(f, &op), 0);
	ck_assert(pending(port)); /* it was still raised */
	pci_intx(&s->d, false);
	eoi();
	op.cmd = XEN_PCI_OP_enable_msix;
	op.value = 1;
	op.msix_entries[0].entry = 3;
	ck_assert_int_eq(pf_op(f, &op), 0);
	pci_intx(&s->d, true);
	ck_assert(!pending(port));
}
END_TEST

static unsigned asked;

static void intx_eoi(struct pci_device *d)
{
	asked++;
}

START_TEST(a_device_that_wants_the_eoi)
{
	static struct pci_device_ops ops;

	ops = *s->d.ops;
	ops.intx_eoi = intx_eoi;
	s->d.ops = &ops;
	evtchn_port_t port = bind(line);
	asked = 0;
	pci_intx(&s->d, true);
	pci_intx(&s->d, false);
	ck_assert(pending(port));
	eoi();
	pf_run(f);
	ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(a_function_without_a_line)
{
	struct soft_function *other = soft_new(f, PCI_CONFIG_SIZE);
	char err[200];

	pci_config_set(&other->config, PCI_INTERRUPT_PIN, 1, 0);
	ck_assert_int_eq(pciback_add(f->pciback, &other->d, &(struct pciback_options){.vslot = -1},
				     err, sizeof(err)),
			 0);
	ck_assert_uint_eq(other->d.irqs->line, 0);
	pci_intx(&other->d, true);
	pci_intx(&other->d, false);
}
END_TEST

START_TEST(the_function_is_gone)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msi};
	struct evtchn_bind_pirq b = {.pirq = line};
	evtchn_port_t port = bind(line);

	pf_add(f, NULL);
	ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_success);
	evtchn_port_t message = bind(op.value);
	pci_intx(&s->d, true);
	pciback_remove(f->pciback, pciback_at(f->pciback, 0), true);
	ck_assert(!pending(port));
	ck_assert(!pending(message));
	ck_assert_int_eq(close_port(f->t, port), 0);
	ck_assert_int_eq(close_port(f->t, message), 0);
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_bind_pirq, &b), -EPERM);
	b.pirq = op.value;
	ck_assert_int_eq(EVTCHN_OP(f->t, 0, EVTCHNOP_bind_pirq, &b), -EPERM);
	/* Its line is free for another. */
	ck_assert_uint_eq(pf_add(f, NULL)->d.irqs->line, line);
}
END_TEST

/* The device sends from threads of its own while the guest switches messages on and off. */
static _Atomic bool stop;

static void *sends(void *arg)
{
	while (!stop) {
		pci_msi(&s->d, 0);
		pci_msix(&s->d, 1);
		pci_intx(&s->d, true);
		pci_intx(&s->d, false);
	}
	return NULL;
}

START_TEST(from_any_thread)
{
	pthread_t device[2];
	struct xen_pci_op op;

	bind(line);
	stop = false;
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&device[i], NULL, sends, NULL), 0);
	for (unsigned i = 0; i < 100; i++) {
		op = (struct xen_pci_op){.cmd = XEN_PCI_OP_enable_msi};
		ck_assert_int_eq(pf_op(f, &op), 0);
		op.cmd = XEN_PCI_OP_disable_msi;
		ck_assert_int_eq(pf_op(f, &op), 0);
		op = (struct xen_pci_op){.cmd = XEN_PCI_OP_enable_msix, .value = 2};
		op.msix_entries[1].entry = 1;
		ck_assert_int_eq(pf_op(f, &op), 0);
		op.cmd = XEN_PCI_OP_disable_msix;
		ck_assert_int_eq(pf_op(f, &op), 0);
		eoi();
	}
	stop = true;
	for (unsigned i = 0; i < 2; i++)
		pthread_join(device[i], NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_line_until_it_falls,
		a_line_that_is_raised_before_it_is_bound,
		a_line_rests_while_messages_are_on,
		a_device_that_wants_the_eoi,
		a_function_without_a_line,
		the_function_is_gone,
		from_any_thread,
	};

	return RUN_TESTS("pci_irq", setup, teardown, tests);
}
