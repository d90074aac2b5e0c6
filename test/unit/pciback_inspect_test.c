/*
 * What the PCI backend shows of the shared page: a request that it has not been told of, an
 * error that the guest has not handled, its grant.
 */
#include <jansson.h>

#include "devices/inspect.h"
#include "devices/pci/pciback_internal.h"
#include "test/unit/test_loop.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"
#include "vmm/inspect/text.h"

static struct pcifront *f;
static struct soft_function *s;
static json_t *shown;

static void setup(void)
{
	f = pf_new(PCIBACK_VPCI);
	s = pf_add(f, NULL);
	pf_connect(f);
}

static void teardown(void)
{
	json_decref(shown);
	shown = NULL;
	pf_free(f);
}

static const json_t *look(void)
{
	struct backend *b = (struct backend *)pciback_backend(f->pciback);

	json_decref(shown);
	shown = json_object();
	b->class->inspect(b, shown, INSPECT_REQUESTS | INSPECT_GRANTS);
	return json_array_get(json_object_get(shown, "rings"), 0);
}

START_TEST(idle)
{
	const json_t *r = look();

	ck_assert_str_eq(text_str(r, "says"), "idle");
	ck_assert_int_eq(text_int(r, "port"), f->port);
	ck_assert_int_eq(text_int(json_array_get(json_object_get(shown, "grants"), 0), "ref"),
			 f->ref);
	int64_t before = text_int(r, "req_cons");
	pf_get(f, 0, 0, 4);
	ck_assert_int_eq(text_int(look(), "req_cons"), before + 1);
}
END_TEST

START_TEST(a_request_without_a_kick)
{
	f->page->op = (struct xen_pci_op){
		.cmd = XEN_PCI_OP_conf_read, .devfn = 0x1a, .bus = 2, .offset = 64, .size = 4};
	f->page->flags |= XEN_PCIF_active;
	const json_t *r = look(), *one = json_array_get(json_object_get(r, "requests"), 0);
	ck_assert_int_eq(text_int(r, "waiting"), 1);
	ck_assert_str_eq(text_str(r, "says"), "the guest waits for the backend");
	ck_assert_str_eq(text_str(one, "op"), "conf_read");
	ck_assert_str_eq(text_str(one, "function"), "0000:02:03.2");
	ck_assert_int_eq(text_int(one, "offset"), 64);
	/* Numbers of any kind. */
	f->page->op.cmd = ~0u;
	f->page->op.devfn = f->page->op.bus = f->page->op.domain = ~0u;
	one = json_array_get(json_object_get(look(), "requests"), 0);
	ck_assert_str_eq(text_str(one, "op"), "unknown");
	ck_assert_str_eq(text_str(one, "function"), "ffff:ff:1f.7");
	f->page->flags &= ~XEN_PCIF_active;
}
END_TEST

START_TEST(an_error_that_the_guest_has_to_handle)
{
	f->page->flags |= XEN_PCIB_AERHANDLER;
	pci_aer(&s->d, PCI_AER_FATAL);
	pf_run(f);
	const json_t *r = look(), *one = json_array_get(json_object_get(r, "requests"), 0);
	ck_assert_int_eq(text_int(r, "unread"), 1);
	ck_assert_str_eq(text_str(r, "says"), "the backend waits for the guest to handle an error");
	ck_assert_str_eq(text_str(one, "op"), "aer_detected");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {idle, a_request_without_a_kick,
				      an_error_that_the_guest_has_to_handle};

	return RUN_TESTS("pciback_inspect", setup, teardown, tests);
}
