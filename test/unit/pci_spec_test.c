/*
 * How PCI functions are written: xl's three equivalent ways, its options, models (xl 4.17:
 * docs/man/xl-pci-configuration.5, tools/libs/util/libxlu_pci.c).
 */
#include <errno.h>
#include <string.h>

#include "test/unit/test_run.h"
#include "vmm/pci_spec.h"

static struct pci_spec s;
static struct error err;

static void setup(void)
{
}

static void teardown(void)
{
	pci_spec_free(&s);
}

static int parse(const char *text)
{
	pci_spec_free(&s);
	return pci_spec_parse(&s, text, NULL, &err);
}

static void ok(const char *text)
{
	ck_assert_msg(!parse(text), "%s: %s", text, err.text);
}

static void refused(const char *text, const char *part)
{
	ck_assert_int_eq(parse(text), -EINVAL);
	ck_assert_msg(strstr(err.text, part), "%s: %s", text, err.text);
	ck_assert_ptr_null(s.model_options);
	ck_assert_ptr_null(s.name);
}

START_TEST(the_same_three_times)
{
	static const char *const texts[] = {
		"36:00.0@14,permissive=1",
		"36:00.0,vslot=14,permissive=1",
		"bdf=36:00.0,vslot=14,permissive=1",
		"0000:36:00.0@14,permissive=1",
		"permissive=1,vslot=14,bdf=0000:36:00.0",
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ok(texts[i]);
		ck_assert(s.options.has_host);
		ck_assert_uint_eq(s.options.host.domain, 0);
		ck_assert_uint_eq(s.options.host.bus, 0x36);
		ck_assert_uint_eq(s.options.host.device, 0);
		ck_assert_int_eq(s.options.vslot, 0x14);
		ck_assert(s.options.permissive);
		ck_assert_str_eq(s.model->name, "vfio");
		ck_assert_str_eq(s.model_options, "0000:36:00.0");
	}
}
END_TEST

START_TEST(options)
{
	static const struct pci_defaults all = {1, 1, 1, 1};

	ok("1234:03:1f.7");
	ck_assert_uint_eq(s.options.host.domain, 0x1234);
	ck_assert_uint_eq(s.options.host.function, 7);
	ck_assert_int_eq(s.options.vslot, -1);
	ck_assert(!s.options.permissive && !s.options.msitranslate && !s.seize);
	ok("03:00.*,seize=1,msitranslate=1,power_mgmt=1,rdm_policy=relaxed");
	ck_assert(s.all_functions && s.seize && s.options.msitranslate);
	ck_assert(s.options.power_mgmt && s.options.rdm_relaxed);
	/* An empty value is the default. */
	ok("03:00.0,permissive=,vslot=");
	ck_assert(!s.options.permissive);
	ck_assert_int_eq(s.options.vslot, -1);
	/* What the file says for all, and one that says otherwise. */
	pci_spec_free(&s);
	ck_assert_int_eq(pci_spec_parse(&s, "03:00.0,msitranslate=0", &all, &err), 0);
	ck_assert(s.options.permissive && s.options.power_mgmt && s.seize);
	ck_assert(!s.options.msitranslate);
	/* The function's own are left to VFIO. */
	ok("03:00.0,vf-token=6f2c,permissive=1");
	ck_assert_str_eq(s.model_options, "0000:03:00.0,vf-token=6f2c");
}
END_TEST

START_TEST(models)
{
	ok("model=testcard");
	ck_assert_str_eq(s.model->name, "testcard");
	ck_assert_ptr_null(s.model_options);
	ck_assert(!s.options.has_host);
	ok("model=testcard@1f,bar64,name=one,fault=2");
	ck_assert_int_eq(s.options.vslot, 0x1f);
	ck_assert_str_eq(s.model_options, "bar64,fault=2");
	ck_assert_str_eq(s.options.name, "one");
	ok("model=nvme,file=/a b=c,permissive=1,serial=x");
	ck_assert_str_eq(s.model_options, "file=/a b=c,serial=x");
	ok("vfio-user=/run/x.sock,vslot=2,timeout=3");
	ck_assert_str_eq(s.model->name, "vfio-user");
	ck_assert_str_eq(s.model_options, "/run/x.sock,timeout=3");
	ck_assert(pci_spec_shares_memory("vfio-user=/run/x.sock"));
	ck_assert(!pci_spec_shares_memory("model=testcard"));
	ck_assert(!pci_spec_shares_memory("nonsense"));
}
END_TEST

START_TEST(refusals)
{
	refused("", "what device is it");
	refused("permissive=1", "what device is it");
	refused("model=vfio", "no model 'vfio'");
	refused("model=", "what device is it");
	refused("model=testcard,model=nvme", "each option once");
	refused("model=testcard,vfio-user=/x", "one model");
	refused("03:00.0,model=testcard", "no address on the host");
	refused("03:00.0,bdf=03:00.1", "one address");
	refused("03:00.0,name=x", "not both");
	refused("name=x", "pci-assignable-add");
	refused("03:00.8", "written as");
	refused("03:20.0", "written as");
	refused("03:00.0x", "written as");
	refused("10000:03:00.0", "written as");
	refused("03:00.0@", "vslot takes");
	refused("03:00.0@20", "vslot takes");
	refused("03:00.0@-1", "vslot takes");
	refused("03:00.0,vslot=1,vslot=1", "each option once");
	refused("03:00.0,seize=2", "0 or 1");
}
END_TEST

START_TEST(which)
{
	ck_assert_int_eq(pci_spec_parse_which(&s, "name=card", &err), 0);
	ck_assert_str_eq(s.name, "card");
	pci_spec_free(&s);
	ck_assert_int_eq(pci_spec_parse_which(&s, "ffff:00:01.0,permissive=1", &err), 0);
	ck_assert_uint_eq(s.options.host.domain, 0xffff);
	pci_spec_free(&s);
	ck_assert_int_eq(pci_spec_parse_which(&s, "foo", &err), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {the_same_three_times, options, models, refusals, which};

	return RUN_TESTS("pci_spec", setup, teardown, tests);
}
