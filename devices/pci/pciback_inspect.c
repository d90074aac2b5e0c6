/*
 * The shared page for those who debug it, shown as a ring of one request: the guest's, that
 * an operation is to be carried out, and ours, that an error is to be handled.
 */
#include <jansson.h>

#include "devices/inspect.h"
#include "devices/pci/pciback_internal.h"

static const char *op_name(uint32_t cmd)
{
	static const char *const names[] = {
		[XEN_PCI_OP_conf_read] = "conf_read",
		[XEN_PCI_OP_conf_write] = "conf_write",
		[XEN_PCI_OP_enable_msi] = "enable_msi",
		[XEN_PCI_OP_disable_msi] = "disable_msi",
		[XEN_PCI_OP_enable_msix] = "enable_msix",
		[XEN_PCI_OP_disable_msix] = "disable_msix",
		[XEN_PCI_OP_aer_detected] = "aer_detected",
		[XEN_PCI_OP_aer_resume] = "aer_resume",
		[XEN_PCI_OP_aer_mmio] = "aer_mmio",
		[XEN_PCI_OP_aer_slotreset] = "aer_slotreset",
		[XEN_PCI_OP_enable_multi_msi] = "enable_multi_msi",
	};

	return cmd < sizeof(names) / sizeof(names[0]) && names[cmd] ? names[cmd] : "unknown";
}

/* Where the request is on its way, the function as the guest names it. */
static json_t *request(const char *where, uint32_t cmd, uint32_t domain, uint32_t bus,
		       uint32_t devfn)
{
	return json_pack("{s:s, s:s, s:o}", "where", where, "op", op_name(cmd), "function",
			 json_sprintf("%04x:%02x:%02x.%u", domain & 0xffff, bus & 0xff,
				      devfn >> 3 & 0x1f, devfn & 7));
}

static json_t *requests(const struct pciback *p, uint32_t flags)
{
	const volatile struct xen_pci_op *op = &p->shared->op;
	const volatile struct xen_pcie_aer_op *aer = &p->shared->aer_op;
	json_t *all = json_array();

	if (flags & XEN_PCIF_active) {
		json_t *j = request(p->late.pending ? "in flight" : "not taken", op->cmd,
				    op->domain, op->bus, op->devfn);

		json_object_set_new(j, "offset", json_integer(op->offset));
		json_object_set_new(j, "size", json_integer(op->size));
		json_array_append_new(all, j);
	}
	if (flags & XEN_PCIB_active)
		json_array_append_new(all, request("not answered by the guest", aer->cmd,
						   aer->domain, aer->bus, aer->devfn));
	return all;
}

void pciback_inspect(struct backend *b, json_t *device, unsigned what)
{
	const struct pciback *p = pciback_of(b);

	if (!p->shared)
		return;
	uint32_t flags = __atomic_load_n(&p->shared->flags, __ATOMIC_ACQUIRE);
	/* The page has no indexes: what was done counts as one. */
	uint64_t done = p->stats.reads + p->stats.writes + p->stats.interrupts_set +
			p->stats.refused + p->stats.unknown;
	bool asks = flags & XEN_PCIF_active, aer = flags & XEN_PCIB_active;
	json_t *j = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "ring",
			      "shared page", "kind", "pci", "port", (json_int_t)p->port, "flags",
			      (json_int_t)flags, "req_prod", (json_int_t)(uint32_t)(done + asks),
			      "req_cons", (json_int_t)(uint32_t)done, "rsp_prod",
			      (json_int_t)(uint32_t)p->stats.aer, "rsp_cons",
			      (json_int_t)(uint32_t)(p->stats.aer - aer), "waiting",
			      (json_int_t)asks, "unread", (json_int_t)aer, "says",
			      asks  ? "the guest waits for the backend"
			      : aer ? "the backend waits for the guest to handle an error"
				    : "idle");

	if (asks && p->late.pending)
		json_object_set_new(j, "held",
				    json_string("the answer is put off, as the function "
						"wants it"));
	if (what & INSPECT_REQUESTS)
		json_object_set_new(j, "requests", requests(p, flags));
	json_object_set_new(device, "rings", json_pack("[o]", j));
	if (what & INSPECT_GRANTS)
		for (unsigned i = 0; i < p->page.nr; i++)
			inspect_grant(device, p->page.ref[i], "shared page");
}
