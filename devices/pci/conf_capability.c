/*
 * The fields of capabilities (Linux: xen-pciback/conf_space_capability.c). None is hidden: one
 * without fields here is read-only, as all that has no rule.
 */
#include "devices/pci/conf_space.h"
#include "devices/pci/pci_irq.h"

static const struct conf_field list_header[] = {
	{.offset = PCI_CAP_LIST_ID, .size = 2},
	{0},
};

/* ---- vital product data ---- */

/* It may be read, not written. */
static int vpd_address_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	return val & PCI_VPD_ADDR_F ? CONF_FAILED : conf_real_write(c, e->offset, 2, val);
}

static const struct conf_field vpd[] = {
	{.offset = PCI_VPD_ADDR, .size = 2, .write = vpd_address_write},
	{.offset = PCI_VPD_DATA, .size = 4},
	{0},
};

/* ---- power management ---- */

#define PM_GUEST (PCI_PM_CTRL_PME_STATUS | PCI_PM_CTRL_DATA_SEL_MASK)
#define D0	 0u
#define D3HOT	 3u

/* A PME could be another domain's. */
static int pm_caps_read(struct conf_space *c, struct conf_entry *e, uint32_t *val)
{
	int rc = conf_real_read(c, e->offset, 2, val);

	*val &= ~(uint32_t)PCI_PM_CAP_PME_MASK;
	return rc;
}

static int pm_ctrl_init(struct conf_space *c, struct conf_entry *e)
{
	uint32_t val;
	int rc = conf_real_read(c, e->offset, 2, &val);

	if (!rc && (val & PCI_PM_CTRL_PME_ENABLE))
		rc = conf_real_write(c, e->offset, 2, val & ~(uint32_t)PCI_PM_CTRL_PME_ENABLE);
	return rc;
}

static bool supports(struct conf_space *c, uint32_t state)
{
	uint32_t caps;

	if (state == D0 || state == D3HOT)
		return true;
	return !conf_real_read(c, c->pm + PCI_PM_PMC, 2, &caps) &&
	       (caps & (state == 1 ? PCI_PM_CAP_D1 : PCI_PM_CAP_D2));
}

/* Linux: pci_set_power_state(). To D0 from anywhere, else only deeper. */
static int set_power(struct conf_space *c, struct conf_entry *e, uint32_t state)
{
	uint32_t ctrl;
	int rc = conf_real_read(c, e->offset, 2, &ctrl);
	uint32_t now = ctrl & PCI_PM_CTRL_STATE_MASK;

	if (rc || now == state)
		return rc;
	if (state != D0 && (now > state || !supports(c, state)))
		return CONF_FAILED;
	return conf_real_write(c, e->offset, 2, (ctrl & ~(uint32_t)PCI_PM_CTRL_STATE_MASK) | state);
}

static int pm_ctrl_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	uint32_t old;
	int rc = conf_real_read(c, e->offset, 2, &old);

	if (!rc && (old & PM_GUEST) != (val & PM_GUEST))
		rc = conf_real_write(c, e->offset, 2,
				     (old & ~(uint32_t)PM_GUEST) | (val & PM_GUEST));
	return rc ? rc : set_power(c, e, val & PCI_PM_CTRL_STATE_MASK);
}

static const struct conf_field pm[] = {
	{.offset = PCI_PM_PMC, .size = 2, .read = pm_caps_read},
	{.offset = PCI_PM_CTRL, .size = 2, .write = pm_ctrl_write, .init = pm_ctrl_init},
	{.offset = PCI_PM_PPB_EXTENSIONS, .size = 1},
	{.offset = PCI_PM_DATA_REGISTER, .size = 1},
	{0},
};

/* ---- MSI and MSI-X ---- */

/* Whether they are on is ours to say: the guest asks for it by XEN_PCI_OP_enable_msi. */
static int flags_read(struct conf_space *c, struct conf_entry *e, uint32_t *val, uint32_t bit,
		      bool on)
{
	int rc = conf_real_read(c, e->offset, 2, val);

	*val = (*val & ~bit) | (on ? bit : 0);
	return rc;
}

/* In permissive mode the rest may be written. */
static int flags_write(struct conf_space *c, struct conf_entry *e, uint32_t val, uint32_t ours)
{
	uint32_t old, real;
	int rc = e->field->read(c, e, &old);

	if (rc || val == old)
		return rc;
	if (!c->permissive || ((val ^ old) & ours))
		return CONF_FAILED;
	rc = conf_real_read(c, e->offset, 2, &real);
	return rc ? rc : conf_real_write(c, e->offset, 2, (val & ~ours) | (real & ours));
}

static int msi_read(struct conf_space *c, struct conf_entry *e, uint32_t *val)
{
	return flags_read(c, e, val, PCI_MSI_FLAGS_ENABLE, c->device->irqs->nr_msi);
}

static int msi_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	return flags_write(c, e, val, PCI_MSI_FLAGS_ENABLE);
}

static int msix_read(struct conf_space *c, struct conf_entry *e, uint32_t *val)
{
	return flags_read(c, e, val, PCI_MSIX_FLAGS_ENABLE, c->device->irqs->nr_msix);
}

static int msix_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	return flags_write(c, e, val, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static const struct conf_field msi[] = {
	{.offset = PCI_MSI_FLAGS, .size = 2, .read = msi_read, .write = msi_write},
	{0},
};

static const struct conf_field msix[] = {
	{.offset = PCI_MSIX_FLAGS, .size = 2, .read = msix_read, .write = msix_write},
	{0},
};

int conf_capability_add(struct conf_space *c)
{
	const struct {
		unsigned at;
		const struct conf_field *fields;
	} caps[] = {{c->vpd, vpd}, {c->pm, pm}, {c->msi, msi}, {c->msix, msix}};
	int rc = 0;

	for (unsigned i = 0; !rc && i < sizeof(caps) / sizeof(caps[0]); i++) {
		if (!caps[i].at)
			continue;
		rc = conf_add(c, list_header, caps[i].at);
		if (!rc)
			rc = conf_add(c, caps[i].fields, caps[i].at);
	}
	return rc;
}
