/*
 * What a guest can find out about a PCI backend by requests alone: every register, what
 * writing to it does, interrupts, and requests that are wrong. One fact a line. The same
 * code asks Linux's xen-pciback on real Xen (as a guest) and ours (in a unit test).
 *
 * Whoever includes it has say(), pci_op(), pci_key(), probe_bind() and the string functions.
 */
#include <linux/pci_regs.h>
#include <xen/io/pciif.h>

/* EVTCHNOP_bind_pirq and closing it again: 0 or a negative errno. */
static long probe_bind(unsigned pirq);

static int conf(unsigned cmd, unsigned devfn, int offset, int size, uint32_t *value)
{
	struct xen_pci_op op = {
		.cmd = cmd, .devfn = devfn, .offset = offset, .size = size, .value = *value};
	int err = pci_op(&op);

	*value = op.value;
	return err;
}

static uint32_t get(unsigned devfn, int offset, int size)
{
	uint32_t v = 0;
	int err = conf(XEN_PCI_OP_conf_read, devfn, offset, size, &v);

	if (err)
		say("%02x: read of %d at %02x: %d", devfn, size, offset, err);
	return v;
}

static int set(unsigned devfn, int offset, int size, uint32_t v)
{
	return conf(XEN_PCI_OP_conf_write, devfn, offset, size, &v);
}

/* ---- registers ---- */

static void probe_reads(unsigned devfn)
{
	unsigned same = 0;
	uint32_t v;

	for (int o = 0; o < 256; o += 4) {
		v = get(devfn, o, 4);
		if (v)
			say("%02x: %02x: %08x", devfn, o, v);
		for (int i = 0; i < 4; i++)
			same += get(devfn, o + i, 1) == (v >> 8 * i & 0xff);
		same += get(devfn, o, 2) == (v & 0xffff);
		same += get(devfn, o + 2, 2) == v >> 16;
	}
	say("%02x: bytes and words that agree: %u", devfn, same);
	for (int o = 256; o < 512; o += 4) {
		v = 0;
		int err = conf(XEN_PCI_OP_conf_read, devfn, o, 4, &v);
		if (err) {
			say("%02x: %03x: error", devfn, o);
			return;
		}
		if (v)
			say("%02x: %03x: %08x", devfn, o, v);
	}
}

/* Of the header, or near the beginning of a capability. */
static bool of_interest(unsigned devfn, int offset)
{
	unsigned at = get(devfn, PCI_CAPABILITY_LIST, 1);

	for (unsigned i = 0; at >= 0x40 && i < 48; i++) {
		if ((unsigned)offset - at < 24)
			return true;
		at = get(devfn, (int)at + 1, 1);
	}
	return offset < 0x40;
}

/* Registers in pieces of `size`: what `value` does to them, and what their own does. */
static void probe_writes(unsigned devfn, int size, uint32_t value)
{
	unsigned without = 0;

	for (int o = 0; o < 256; o += size) {
		if (size < 4 && !of_interest(devfn, o))
			continue;
		uint32_t before = get(devfn, o, size);
		int err = set(devfn, o, size, value);
		uint32_t after = get(devfn, o, size);
		int err_back = set(devfn, o, size, before);
		uint32_t restored = get(devfn, o, size);

		if (!err && !err_back && after == before && restored == before) {
			without++;
			continue;
		}
		say("%02x: write of %d at %02x, %x: %d, %x becomes %x; back: %d, %x", devfn, size,
		    o, value, err, before, after, err_back, restored);
	}
	say("%02x: writes of %d, %x, without effect: %u", devfn, size, value, without);
}

static void probe_command(unsigned devfn)
{
	static const uint16_t values[] = {0x0000, 0x0001, 0x0003, 0x0002, 0x0006, 0x0007, 0x0004,
					  0x0000, 0x0407, 0x0007, 0x0147, 0x0017, 0x0007, 0x0018,
					  0x0220, 0x0080, 0xf800, 0xffff, 0x0000, 0x0006};
	uint32_t before = get(devfn, PCI_COMMAND, 2);

	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int err = set(devfn, PCI_COMMAND, 2, values[i]);
		say("%02x: command %04x: %d, reads %04x", devfn, values[i], err,
		    get(devfn, PCI_COMMAND, 2));
	}
	set(devfn, PCI_COMMAND, 2, before);
}

static unsigned find(unsigned devfn, unsigned id)
{
	unsigned at = get(devfn, PCI_CAPABILITY_LIST, 1);

	for (unsigned i = 0; at >= 0x40 && i < 48; i++) {
		uint32_t head = get(devfn, (int)at, 2);
		if ((head & 0xff) == id)
			return at;
		at = head >> 8;
	}
	return 0;
}

static void probe_power(unsigned devfn)
{
	static const uint16_t values[] = {1, 0, 2, 0, 3, 1, 3, 0x8000, 0x0100, 0x1e00, 0};
	unsigned pm = find(devfn, PCI_CAP_ID_PM);

	for (unsigned i = 0; pm && i < sizeof(values) / sizeof(values[0]); i++) {
		int err = set(devfn, (int)pm + PCI_PM_CTRL, 2, values[i]);
		say("%02x: power %04x: %d, reads %04x", devfn, values[i], err,
		    get(devfn, (int)pm + PCI_PM_CTRL, 2));
	}
}

/* ---- interrupts ---- */

static int simple(unsigned cmd, unsigned devfn, uint32_t *value)
{
	struct xen_pci_op op = {.cmd = cmd, .devfn = devfn, .value = *value};
	int err = pci_op(&op);

	*value = op.value;
	return err;
}

static void probe_msi(unsigned devfn)
{
	unsigned msi = find(devfn, PCI_CAP_ID_MSI), line = get(devfn, PCI_INTERRUPT_LINE, 1);
	uint32_t v = 0x77, w = 0x77;

	int err = simple(XEN_PCI_OP_enable_msi, devfn, &v);
	if (err) {
		say("%02x: enable_msi: %d, %u", devfn, err, v);
	} else {
		say("%02x: enable_msi: 0, a PIRQ: %d, to be bound: %d", devfn, v > 0,
		    (int)probe_bind(v));
		err = simple(XEN_PCI_OP_enable_msi, devfn, &w);
		say("%02x: again: %d, %u", devfn, err, w);
		w = 1;
		say("%02x: msix meanwhile: %d", devfn, simple(XEN_PCI_OP_enable_msix, devfn, &w));
	}
	if (msi)
		say("%02x: msi is on: %d", devfn,
		    (get(devfn, (int)msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE) != 0);
	for (unsigned i = 0; i < 2; i++) {
		v = 0x77;
		err = simple(XEN_PCI_OP_disable_msi, devfn, &v);
		say("%02x: disable_msi: %d, the line: %d", devfn, err, v == line);
	}
	if (msi)
		say("%02x: msi is on: %d", devfn,
		    (get(devfn, (int)msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE) != 0);
}

static void msix(unsigned devfn, unsigned nr, int step, unsigned first, const char *what)
{
	struct xen_pci_op op = {.cmd = XEN_PCI_OP_enable_msix, .devfn = devfn, .value = nr};
	unsigned bound = 0, different = 0;

	for (unsigned i = 0; i < nr && i < SH_INFO_MAX_VEC; i++) {
		op.msix_entries[i].entry = (uint16_t)(first + (unsigned)step * i);
		op.msix_entries[i].vector = 0xffff;
	}
	int err = pci_op(&op);
	if (err) {
		say("%02x: enable_msix, %s: %d, value %d", devfn, what, err, (int)op.value);
		return;
	}
	for (unsigned i = 0; i < nr; i++) {
		bool new = true;
		bound += !probe_bind(op.msix_entries[i].vector);
		for (unsigned j = 0; j < i; j++)
			new = new &&op.msix_entries[i].vector != op.msix_entries[j].vector;
		different += new;
	}
	say("%02x: enable_msix, %s: 0, value %u, %u bound, %u different", devfn, what, op.value,
	    bound, different);
}

static void probe_msix(unsigned devfn)
{
	unsigned cap = find(devfn, PCI_CAP_ID_MSIX), line = get(devfn, PCI_INTERRUPT_LINE, 1);
	unsigned size =
		cap ? (get(devfn, (int)cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1 : 4;
	uint32_t v = 0x77;
	int err;

	say("%02x: msix entries: %u", devfn, cap ? size : 0);
	set(devfn, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	msix(devfn, 129, 1, 0, "129");
	msix(devfn, 0xffffffff, 1, 0, "-1");
	msix(devfn, 0, 1, 0, "none");
	msix(devfn, size < 128 ? size + 1 : 128, 1, 0, "too many");
	msix(devfn, 2, 0, 0, "one twice");
	msix(devfn, 1, 1, size, "beyond the table");
	msix(devfn, size < 4 ? size : 4, 1, 0, "some");
	msix(devfn, 1, 1, 0, "again");
	if (cap)
		say("%02x: msix is on: %d", devfn,
		    (get(devfn, (int)cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE) != 0);
	err = simple(XEN_PCI_OP_enable_msi, devfn, &v);
	say("%02x: msi meanwhile: %d", devfn, err);
	for (unsigned i = 0; i < 2; i++) {
		v = 0x77;
		err = simple(XEN_PCI_OP_disable_msix, devfn, &v);
		say("%02x: disable_msix: %d, the line: %d", devfn, err, v == line);
	}
	v = 0x77;
	err = simple(XEN_PCI_OP_disable_msi, devfn, &v);
	say("%02x: disable_msi: %d, the line: %d", devfn, err, v == line);
}

/* ---- requests that are wrong ---- */

static void probe_bad(unsigned devfn)
{
	static const struct {
		int offset, size;
	} bad[] = {{0, 0}, {0, 3}, {0, 8}, {1, 2}, {2, 4}, {3, 4}, {0, -1}, {4096, 4}, {8192, 1}};
	static const uint32_t none[] = {6, 7, 8, 9, 10, 11, 0xffffffff};
	struct xen_pci_op op;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t v = 0x77;
		int err = conf(XEN_PCI_OP_conf_read, devfn, bad[i].offset, bad[i].size, &v);
		say("%02x: read of %d at %x: %d, %x", devfn, bad[i].size, bad[i].offset, err, v);
		err = set(devfn, bad[i].offset, bad[i].size, 0);
		say("%02x: write of %d at %x: %d", devfn, bad[i].size, bad[i].offset, err);
	}
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		op = (struct xen_pci_op){.cmd = none[i], .devfn = devfn, .value = 0x77};
		int err = pci_op(&op);
		say("%02x: operation %d: %d, %x", devfn, (int)none[i], err, op.value);
	}
	for (unsigned i = 0; i < 3; i++) {
		op = (struct xen_pci_op){.cmd = XEN_PCI_OP_conf_read, .size = 4, .value = 0x77};
		op.domain = i == 0;
		op.bus = i == 1;
		op.devfn = i == 2 ? 0xf8 : devfn;
		int err = pci_op(&op);
		say("%02x: domain %u, bus %u, devfn %x: %d, %x", devfn, op.domain, op.bus, op.devfn,
		    err, op.value);
	}
}

/* ---- a backend's keys ---- */

#define PROBE_MAX 8

static void say_key(const char *name)
{
	const char *v = pci_key(name);

	if (v)
		say("key %s: %s", name, v);
}

static unsigned hex(const char *s, unsigned digits)
{
	unsigned v = 0;

	for (; digits; digits--, s++)
		v = v << 4 | (unsigned)(*s <= '9' ? *s - '0' : (*s | 0x20) - 'a' + 10);
	return v;
}

/* All that libxl and pciback write; the functions' devfn. How many. */
static unsigned probe_keys(unsigned devfn[PROBE_MAX])
{
	static const char *const keys[] = {"online", "state", "num_devs", "root_num"};
	static const char *const each[] = {"key",  "dev",   "vdev", "vdevfn",
					   "opts", "state", "name", "root"};
	unsigned nr = 0;

	/* Their values are the domain's own. */
	say("frontend-id and domain: %d", pci_key("frontend-id") && pci_key("domain"));
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		say_key(keys[i]);
	for (unsigned n = 0; n < PROBE_MAX; n++)
		for (unsigned i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
			char name[16];
			size_t len = strlen(each[i]);

			memcpy(name, each[i], len);
			name[len] = '-';
			name[len + 1] = (char)('0' + n);
			name[len + 2] = 0;
			say_key(name);
			const char *v = i == 2 ? pci_key(name) : NULL;
			if (v)
				devfn[nr++] = hex(v + 8, 2) << 3 | hex(v + 11, 2);
		}
	return nr;
}

static void probe_function(unsigned devfn)
{
	probe_reads(devfn);
	probe_bad(devfn);
	for (int size = 4; size; size /= 2) {
		probe_writes(devfn, size, 0xffffffffu >> (32 - 8 * size));
		probe_writes(devfn, size, 0);
	}
	probe_command(devfn);
	probe_power(devfn);
	probe_msi(devfn);
	probe_msix(devfn);
}
