/*
 * The PCI backend in xenstore: the keys that libxl 4.17 and Linux's xen-pciback write, and the
 * states in which functions come and go (tools/libs/light/libxl_pci.c, xen-pciback/xenbus.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/pci/pciback_internal.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_grant.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

static struct pcifront *f;

static void setup(void)
{
	f = pf_new(PCIBACK_VPCI);
}

static void teardown(void)
{
	pf_free(f);
}

static void remove_fn(unsigned i, bool force)
{
	const struct pciback_function *fn = pciback_at(f->pciback, i);

	ck_assert_ptr_nonnull(fn);
	ck_assert_int_eq(pciback_remove(f->pciback, fn, force), 0);
	local_run(f->xs);
}

START_TEST(nothing_without_a_function)
{
	ck_assert(!xenstore_exists(f->xs, PF_BE));
	ck_assert(!xenstore_exists(f->xs, PF_FE));
	ck_assert_ptr_null(pciback_at(f->pciback, 0));
	ck_assert_ptr_null(pciback_backend(f->pciback));
}
END_TEST

START_TEST(keys_as_libxl_and_pciback_write_them)
{
	pf_add(f, "0000:03:00.0");
	pf_add_with(f, &(struct pciback_options){.has_host = true,
						 .host = {0, 4, 0x1f, 2},
						 .vslot = 7,
						 .permissive = true,
						 .msitranslate = true,
						 .power_mgmt = true,
						 .rdm_relaxed = true,
						 .name = "disk"});
	pf_is(f, "frontend", PF_FE);
	pf_is(f, "frontend-id", "1");
	pf_is(f, "online", "1");
	pf_is(f, "domain", f->t->d->name);
	pf_is(f, "num_devs", "2");
	pf_is(f, "key-0", "0000:03:00.0");
	pf_is(f, "dev-0", "0000:03:00.0");
	pf_is(f, "vdevfn-0", NULL);
	pf_is(f, "name-0", NULL);
	pf_is(f, "opts-0", "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict");
	pf_is(f, "state-0", "3");
	pf_is(f, "vdev-0", "0000:00:00.00");
	pf_is(f, "key-1", "0000:04:1f.2");
	pf_is(f, "vdevfn-1", "38");
	pf_is(f, "name-1", "disk");
	pf_is(f, "opts-1", "msitranslate=1,power_mgmt=1,permissive=1,rdm_policy=relaxed");
	pf_is(f, "vdev-1", "0000:00:07.02");
	pf_is(f, "root_num", "1");
	pf_is(f, "root-0", "0000:00");
	pf_is(f, "state", "3");
	char *backend = xenstore_read(f->xs, PF_FE "/backend");
	ck_assert_str_eq(backend, PF_BE);
	free(backend);
}
END_TEST

START_TEST(slots_of_vpci)
{
	pf_add(f, "0000:03:00.0");
	pf_add(f, "0000:04:00.0");
	pf_add(f, "0000:03:00.5"); /* stays with its device */
	pf_add(f, NULL);
	pf_add(f, NULL);
	pf_is(f, "vdev-1", "0000:00:01.00");
	pf_is(f, "vdev-2", "0000:00:00.05");
	pf_is(f, "vdev-3", "0000:00:02.00");
	pf_is(f, "vdev-4", "0000:00:03.00");
	pf_is(f, "dev-3", "ffff:00:00.0");
	pf_is(f, "dev-4", "ffff:00:01.0");
	pf_is(f, "root_num", "1");
	remove_fn(1, false);
	pf_is(f, "vdev-1", "0000:00:00.05");
	pf_is(f, "vdev-3", "0000:00:03.00");
	pf_is(f, "vdev-4", NULL);
	pf_add(f, "0000:05:00.0");
	pf_is(f, "vdev-4", "0000:00:01.00"); /* the first free one */
}
END_TEST

START_TEST(passthrough_shows_the_hosts_addresses)
{
	pf_free(f);
	f = pf_new(PCIBACK_PASSTHROUGH);
	pf_add(f, "0000:03:00.1");
	pf_add(f, "0001:03:1f.0");
	pf_add(f, "0000:03:02.0");
	pf_is(f, "vdev-0", "0000:03:00.01");
	pf_is(f, "vdev-1", "0001:03:1f.00");
	pf_is(f, "vdev-2", "0000:03:02.00");
	pf_is(f, "root_num", "2");
	pf_is(f, "root-0", "0000:03");
	pf_is(f, "root-1", "0001:03");
	pf_connect(f);
	struct xen_pci_op op = {
		.cmd = XEN_PCI_OP_conf_read, .domain = 1, .bus = 3, .devfn = 0xf8, .size = 2};
	ck_assert_int_eq(pf_op(f, &op), 0);
	ck_assert_uint_eq(op.value, 0x1234);
	op = (struct xen_pci_op){.cmd = XEN_PCI_OP_conf_read, .bus = 3, .devfn = 0xf8, .size = 2};
	ck_assert_int_eq(pf_op(f, &op), XEN_PCI_ERR_dev_not_found);
}
END_TEST

START_TEST(functions_that_cannot_be_added)
{
	static const struct pciback_options same = {
		.has_host = true, .host = {0, 3, 0, 0}, .vslot = -1};
	static const struct pciback_options slot = {
		.has_host = true, .host = {0, 4, 0, 0}, .vslot = 5};
	struct soft_function *s = soft_new(f, PCI_CONFIG_SIZE);
	char err[300];
	bool gone = false;

	pf_add_with(f,
		    &(struct pciback_options){.has_host = true, .host = {0, 3, 0, 0}, .vslot = 5});
	s->gone = &gone;
	ck_assert_int_eq(pciback_add(f->pciback, &s->d, &same, err, sizeof(err)), -EEXIST);
	ck_assert_str_eq(err,
			 "soft: its address on the host: another function of the guest's has it");
	ck_assert_int_eq(pciback_add(f->pciback, &s->d, &slot, err, sizeof(err)), -EEXIST);
	ck_assert_str_eq(err, "soft: its slot: another function of the guest's has it");
	f->place_rc = -ENOMEM;
	ck_assert_int_eq(pciback_add(f->pciback, &s->d, &(struct pciback_options){.vslot = -1}, err,
				     sizeof(err)),
			 -ENOMEM);
	ck_assert_str_eq(err, "soft: the addresses of its BARs: Cannot allocate memory");
	f->place_rc = 0;
	pci_config_set(&s->config, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE);
	ck_assert_int_eq(pciback_add(f->pciback, &s->d, &(struct pciback_options){.vslot = -1}, err,
				     sizeof(err)),
			 -ENOTSUP);
	ck_assert_str_eq(err,
			 "soft: its configuration space: it is a bridge, which no guest can have");
	ck_assert(!gone);
	ck_assert_ptr_null(s->d.irqs);
	pf_is(f, "num_devs", "1");
	s->d.ops->destroy(&s->d);
}
END_TEST

START_TEST(all_slots_full)
{
	char err[300];

	for (unsigned i = 0; i < 32; i++)
		pf_add(f, NULL);
	pf_is(f, "num_devs", "32");
	struct soft_function *s = soft_new(f, PCI_CONFIG_SIZE);
	ck_assert_int_eq(pciback_add(f->pciback, &s->d, &(struct pciback_options){.vslot = -1}, err,
				     sizeof(err)),
			 -ENOSPC);
	s->d.ops->destroy(&s->d);
	/* All have different lines, which the register can name. */
	bool seen[256] = {false};
	for (unsigned i = 0; i < 32; i++) {
		unsigned line = pciback_at(f->pciback, i)->device->irqs->line;
		ck_assert_uint_ge(line, 16);
		ck_assert_uint_lt(line, 256);
		ck_assert(!seen[line]);
		seen[line] = true;
	}
	ck_assert_uint_eq(pciback_at(f->pciback, 0)->device->irqs->line, 16);
}
END_TEST

START_TEST(the_handshake)
{
	pf_add(f, NULL);
	pf_share(f);
	pf_publish(f);
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialised), XenbusStateConnected);
	ck_assert_uint_ne(grant_v1(f->t, f->ref)->flags & GTF_writing, 0);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
	ck_assert_uint_eq(pf_get(f, 0, PCI_VENDOR_ID, 4), 0x56781234);
	ck_assert_uint_eq(pf_state(f, XenbusStateClosing), XenbusStateClosing);
	ck_assert_uint_eq(grant_v1(f->t, f->ref)->flags, GTF_permit_access);
	ck_assert_uint_eq(pf_state(f, XenbusStateClosed), XenbusStateClosed);
	pf_is(f, "num_devs", "1"); /* it stays the guest's */
	/* The driver is loaded again. */
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialising), XenbusStateInitialised);
	pf_connect(f);
	ck_assert_uint_eq(pf_get(f, 0, PCI_VENDOR_ID, 4), 0x56781234);
}
END_TEST

/* A frontend that leaves its functions running: they stop. */
START_TEST(a_frontend_that_goes_leaves_nothing_on)
{
	struct soft_function *s = pf_add(f, NULL);
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msi};

	pf_connect(f);
	ck_assert_int_eq(pf_write(f, 0, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
			 0);
	ck_assert_int_eq(pf_op(f, &op), 0);
	ck_assert(pci_config_command(&s->config) & PCI_COMMAND_MASTER);
	pf_state(f, XenbusStateClosed);
	ck_assert(!(pci_config_command(&s->config) & PCI_COMMAND_MASTER));
	ck_assert_uint_eq(s->msi_disables, 1);
}
END_TEST

static void refused(const char *key, const char *value, const char *error)
{
	char path[100];

	pf_add(f, NULL);
	pf_share(f);
	pf_publish(f);
	snprintf(path, sizeof(path), PF_FE "/%s", key);
	if (value)
		xenstore_write(f->xs, path, "%s", value);
	else
		xenstore_remove(f->xs, path);
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialised), XenbusStateClosing);
	char *e = xenstore_read(f->xs, "/local/domain/0/error/backend/pci/1/0/error");
	ck_assert_str_eq(e, error);
	free(e);
	ck_assert_uint_eq(grant_v1(f->t, f->ref)->flags, GTF_permit_access);
	ck_assert_uint_eq(pf_state(f, XenbusStateClosed), XenbusStateClosed);
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialising), XenbusStateInitialised);
	pf_publish(f);
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialised), XenbusStateConnected);
}

static const struct {
	const char *key, *value, *error;
} wrong[] = {
	{"magic", "6", "-14 version mismatch (6/7) with pcifront"},
	{"magic", "", "-14 version mismatch (/7) with pcifront"},
	{"magic", "7777777777777777777777",
	 "-14 version mismatch (7777777777777777/7) with pcifront"},
	{"magic", NULL, "-14 version mismatch (none/7) with pcifront"},
	{"pci-op-ref", NULL, "-2 reading the configuration from the frontend"},
	{"pci-op-ref", "x", "-22 reading the configuration from the frontend"},
	{"pci-op-ref", "4294967296", "-22 reading the configuration from the frontend"},
	{"pci-op-ref", "4294967295", "-22 mapping the shared page (grant 4294967295)"},
	{"pci-op-ref", "21", "-22 mapping the shared page (grant 21)"},
	{"event-channel", NULL, "-2 reading the configuration from the frontend"},
	{"event-channel", "4000", "-22 binding event channel 4000"},
	{"event-channel", "4294967295", "-22 binding event channel 4294967295"},
};

START_TEST(frontends_that_are_refused)
{
	refused(wrong[_i].key, wrong[_i].value, wrong[_i].error);
}
END_TEST

START_TEST(a_function_comes_to_a_running_guest)
{
	uint32_t v;

	pf_add(f, NULL);
	pf_connect(f);
	pf_add(f, "0000:07:00.0");
	pf_is(f, "num_devs", "2");
	pf_is(f, "dev-1", "0000:07:00.0");
	pf_is(f, "state-1", "1");
	pf_is(f, "vdev-1", NULL);
	pf_is(f, "state", "7");
	/* It is not there before pciback has dealt with it. */
	ck_assert_int_eq(pf_read(f, 8, 0, 2, &v), XEN_PCI_ERR_dev_not_found);
	/* One more has to wait. */
	pf_add(f, NULL);
	pf_is(f, "num_devs", "2");
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	pf_is(f, "state-1", "3");
	pf_is(f, "vdev-1", "0000:00:01.00");
	ck_assert_uint_eq(pf_get(f, 8, 0, 2), 0x1234);
	/* And is shown when the first has been seen. */
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateReconfiguring);
	pf_is(f, "num_devs", "3");
	pf_is(f, "state-2", "1");
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
	ck_assert_uint_eq(pf_get(f, 16, 0, 2), 0x1234);
}
END_TEST

START_TEST(a_function_goes_from_a_running_guest)
{
	struct soft_function *s = pf_add(f, "0000:03:00.0");
	bool gone = false;
	uint32_t v;

	s->gone = &gone;
	pf_add_with(f, &(struct pciback_options){.vslot = 9, .name = "second"});
	pf_add(f, "0000:05:00.0");
	pf_connect(f);
	remove_fn(0, false);
	remove_fn(0, false); /* asked twice */
	pf_is(f, "state-0", "5");
	pf_is(f, "state", "7");
	ck_assert_uint_eq(pciback_at(f->pciback, 0)->state, XenbusStateClosing);
	/* The driver may still have something to do. */
	ck_assert_uint_eq(pf_get(f, 0, 0, 2), 0x1234);
	ck_assert(!gone);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateReconfiguring);
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert(gone);
	ck_assert_uint_eq(f->gone, 1);
	ck_assert_int_eq(pf_read(f, 0, 0, 2, &v), XEN_PCI_ERR_dev_not_found);
	pf_is(f, "dev-0", "0000:03:00.0"); /* until the frontend is through */
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
	pf_is(f, "num_devs", "2");
	pf_is(f, "dev-0", "ffff:00:00.0");
	pf_is(f, "vdev-0", "0000:00:09.00");
	pf_is(f, "vdevfn-0", "48");
	pf_is(f, "name-0", "second");
	pf_is(f, "dev-1", "0000:05:00.0");
	pf_is(f, "vdevfn-1", NULL);
	pf_is(f, "name-1", NULL);
	pf_is(f, "state-1", "3");
	for (unsigned i = 0; i < 7; i++) {
		static const char *const left[] = {"state-2", "dev-2",	  "key-2", "vdev-2",
						   "opts-2",  "vdevfn-2", "name-2"};
		pf_is(f, left[i], NULL);
	}
}
END_TEST

START_TEST(coming_and_going_at_once)
{
	pf_add(f, "0000:03:00.0");
	pf_add(f, "0000:04:00.0");
	pf_connect(f);
	remove_fn(0, false);
	pf_add(f, "0000:05:00.0");
	pf_add(f, "0000:06:00.0");
	/* A function that no frontend has seen goes at once. */
	remove_fn(3, false);
	ck_assert_uint_eq(f->gone, 1);
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateReconfiguring);
	pf_is(f, "num_devs", "2");
	pf_is(f, "dev-0", "0000:04:00.0");
	pf_is(f, "dev-1", "0000:05:00.0");
	pf_is(f, "state-1", "1");
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
	pf_is(f, "vdev-1", "0000:00:02.00");
}
END_TEST

START_TEST(the_frontend_goes_while_functions_do)
{
	pf_add(f, "0000:03:00.0");
	pf_add(f, "0000:04:00.0");
	pf_connect(f);
	remove_fn(0, false);
	pf_add(f, "0000:05:00.0");
	ck_assert_uint_eq(pf_state(f, XenbusStateClosed), XenbusStateClosed);
	pf_is(f, "num_devs", "2");
	pf_is(f, "dev-0", "0000:04:00.0");
	pf_is(f, "dev-1", "0000:05:00.0");
	pf_is(f, "state-1", "3");
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialising), XenbusStateInitialised);
	pf_connect(f);
	ck_assert_uint_eq(pf_get(f, 16, 0, 2), 0x1234);
}
END_TEST

START_TEST(force_does_not_wait)
{
	pf_add(f, "0000:03:00.0");
	pf_add(f, "0000:04:00.0");
	pf_connect(f);
	uint32_t v;
	remove_fn(0, true);
	ck_assert_uint_eq(f->gone, 1);
	ck_assert_int_eq(pf_read(f, 0, 0, 2, &v), XEN_PCI_ERR_dev_not_found);
	ck_assert_uint_eq(pciback_at(f->pciback, 0)->host.bus, 4);
	ck_assert_ptr_null(pciback_at(f->pciback, 1));
	/* The frontend hears of it all the same. */
	pf_is(f, "state-0", "5");
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
	pf_is(f, "num_devs", "1");
	pf_is(f, "dev-0", "0000:04:00.0");
	ck_assert_uint_eq(f->gone, 1);
}
END_TEST

START_TEST(the_last_function_takes_the_bus_with_it)
{
	pf_add(f, "0000:03:00.0");
	pf_connect(f);
	remove_fn(0, false);
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateClosing);
	pf_is(f, "num_devs", "0");
	/* A new one waits until the guest has closed. */
	pf_add(f, "0000:04:00.0");
	pf_is(f, "num_devs", "0");
	pf_state(f, XenbusStateClosed);
	local_run(f->xs);
	pf_is(f, "num_devs", "1");
	pf_is(f, "dev-0", "0000:04:00.0");
	pf_is(f, "root_num", "1");
	pf_is(f, "state", "3");
	pf_connect(f);
	ck_assert_uint_eq(pf_get(f, 0, 0, 2), 0x1234);
}
END_TEST

START_TEST(the_last_function_of_a_guest_without_a_driver)
{
	pf_add(f, "0000:03:00.0");
	remove_fn(0, false);
	ck_assert(!xenstore_exists(f->xs, PF_BE));
	ck_assert(!xenstore_exists(f->xs, PF_FE));
	ck_assert_uint_eq(f->gone, 1);
	pf_add(f, "0000:03:00.0");
	pf_is(f, "num_devs", "1");
}
END_TEST

START_TEST(a_device_that_leaves_by_itself)
{
	struct soft_function *s = pf_add(f, "0000:03:00.0");

	pf_add(f, NULL);
	pf_connect(f);
	pci_leave(&s->d);
	pci_leave(&s->d);
	pf_run(f);
	pf_is(f, "state-0", "5");
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(f->gone, 1);
}
END_TEST

/* Without a frontend it goes at once, but not from within its own call. */
START_TEST(a_device_that_leaves_unseen)
{
	struct soft_function *s = pf_add(f, "0000:03:00.0");
	bool gone = false;

	s->gone = &gone;
	pci_leave(&s->d);
	ck_assert(!gone);
	pf_run(f);
	ck_assert(gone);
	ck_assert(!xenstore_exists(f->xs, PF_BE));
}
END_TEST

/* States that nobody asked for. */
START_TEST(frontends_that_reconfigure_themselves)
{
	pf_add(f, NULL);
	pf_connect(f);
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateConnected);
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfigured), XenbusStateConnected);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
	ck_assert_uint_eq(pf_state(f, XenbusStateInitialised), XenbusStateConnected);
	pf_add(f, NULL);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateReconfiguring);
	ck_assert_uint_eq(pf_get(f, 0, 0, 2), 0x1234);
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(pf_state(f, XenbusStateReconfiguring), XenbusStateReconfigured);
	ck_assert_uint_eq(pf_state(f, XenbusStateConnected), XenbusStateConnected);
}
END_TEST

/* A frontend's whole directory is the guest's to remove. */
START_TEST(the_frontends_directory_goes)
{
	pf_add(f, NULL);
	pf_connect(f);
	xenstore_remove(f->xs, PF_FE);
	local_run(f->xs);
	ck_assert_uint_eq(pf_backend_state(f), XenbusStateClosed);
	ck_assert_uint_eq(grant_v1(f->t, f->ref)->flags, GTF_permit_access);
	remove_fn(0, false);
	ck_assert_uint_eq(f->gone, 1);
}
END_TEST

START_TEST(found_by_address_and_name)
{
	pf_add(f, "0000:03:00.1");
	pf_add_with(f, &(struct pciback_options){.vslot = -1, .name = "card"});
	ck_assert_uint_eq(pciback_find(f->pciback, "03:00.1")->host.bus, 3);
	ck_assert_ptr_eq(pciback_find(f->pciback, "0000:03:00.1"), pciback_at(f->pciback, 0));
	ck_assert_ptr_eq(pciback_find(f->pciback, "card"), pciback_at(f->pciback, 1));
	ck_assert_ptr_eq(pciback_find(f->pciback, "ffff:00:00.0"), pciback_at(f->pciback, 1));
	ck_assert_ptr_null(pciback_find(f->pciback, "03:00.0"));
	ck_assert_ptr_null(pciback_find(f->pciback, ""));
	ck_assert_int_eq(pciback_remove(f->pciback, &(struct pciback_function){0}, false), -ENOENT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nothing_without_a_function,
		keys_as_libxl_and_pciback_write_them,
		slots_of_vpci,
		passthrough_shows_the_hosts_addresses,
		functions_that_cannot_be_added,
		all_slots_full,
		the_handshake,
		a_frontend_that_goes_leaves_nothing_on,
		a_function_comes_to_a_running_guest,
		a_function_goes_from_a_running_guest,
		coming_and_going_at_once,
		the_frontend_goes_while_functions_do,
		force_does_not_wait,
		the_last_function_takes_the_bus_with_it,
		the_last_function_of_a_guest_without_a_driver,
		a_device_that_leaves_by_itself,
		a_device_that_leaves_unseen,
		frontends_that_reconfigure_themselves,
		the_frontends_directory_goes,
		found_by_address_and_name,
	};
	Suite *s = suite_create("pciback_xenbus");
	TCase *c = tcase_create("pciback_xenbus");

	tcase_add_checked_fixture(c, setup, teardown);
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(c, tests[i]);
	tcase_add_loop_test(c, frontends_that_are_refused, 0, sizeof(wrong) / sizeof(wrong[0]));
	suite_add_tcase(s, c);
	return run_suite(s);
}
