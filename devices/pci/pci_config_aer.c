/*
 * Advanced error reporting in the configuration space of a function made of software:
 * PCI Express 3.0, 7.10.
 */
#include "devices/pci/pci_config.h"

#define UNC_ERRORS                                                                            \
	(PCI_ERR_UNC_DLP | PCI_ERR_UNC_POISON_TLP | PCI_ERR_UNC_FCP | PCI_ERR_UNC_COMP_TIME | \
	 PCI_ERR_UNC_COMP_ABORT | PCI_ERR_UNC_UNX_COMP | PCI_ERR_UNC_RX_OVER |                \
	 PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_ECRC | PCI_ERR_UNC_UNSUP)
#define UNC_FATAL (PCI_ERR_UNC_DLP | PCI_ERR_UNC_FCP | PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP)
#define COR_ERRORS                                                                              \
	(PCI_ERR_COR_RCVR | PCI_ERR_COR_BAD_TLP | PCI_ERR_COR_BAD_DLLP | PCI_ERR_COR_REP_ROLL | \
	 PCI_ERR_COR_REP_TIMER | PCI_ERR_COR_ADV_NFAT)

unsigned pci_config_add_aer(struct pci_config *c)
{
	unsigned o = pci_config_add_ext_cap(c, PCI_EXT_CAP_ID_ERR, 2, 72);

	if (!o)
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		c->clears[o + PCI_ERR_UNCOR_STATUS + i] = (uint8_t)(UNC_ERRORS >> 8 * i);
		c->clears[o + PCI_ERR_COR_STATUS + i] = (uint8_t)(COR_ERRORS >> 8 * i);
	}
	pci_config_set_writable(c, o + PCI_ERR_UNCOR_MASK, 4, UNC_ERRORS);
	pci_config_set_writable(c, o + PCI_ERR_UNCOR_SEVER, 4, UNC_ERRORS);
	pci_config_set_writable(c, o + PCI_ERR_COR_MASK, 4, COR_ERRORS);
	pci_config_set(c, o + PCI_ERR_UNCOR_SEVER, 4, UNC_FATAL);
	pci_config_set(c, o + PCI_ERR_COR_MASK, 4, PCI_ERR_COR_ADV_NFAT);
	c->aer = o;
	return o;
}

/* Device status has a bit for each severity that was met. */
static void note(struct pci_config *c, uint16_t bit)
{
	unsigned o = c->pcie + PCI_EXP_DEVSTA;

	if (c->pcie)
		pci_config_set(c, o, 2, pci_config_get(c, o, 2) | bit);
}

enum pci_aer_severity pci_config_report_uncorrectable(struct pci_config *c, uint32_t error,
						      const uint32_t header_log[4])
{
	unsigned o = c->aer;
	bool fatal = true;

	if (o) {
		fatal = pci_config_get(c, o + PCI_ERR_UNCOR_SEVER, 4) & error;
		pci_config_set(c, o + PCI_ERR_UNCOR_STATUS, 4,
			       pci_config_get(c, o + PCI_ERR_UNCOR_STATUS, 4) | error);
		pci_config_set(c, o + PCI_ERR_CAP, 4, (unsigned)__builtin_ctz(error | 1u << 31));
		for (unsigned i = 0; header_log && i < 4; i++)
			pci_config_set(c, o + PCI_ERR_HEADER_LOG + 4 * i, 4, header_log[i]);
	}
	note(c, fatal ? PCI_EXP_DEVSTA_FED : PCI_EXP_DEVSTA_NFED);
	return fatal ? PCI_AER_FATAL : PCI_AER_NONFATAL;
}

void pci_config_report_correctable(struct pci_config *c, uint32_t error)
{
	unsigned o = c->aer + PCI_ERR_COR_STATUS;

	if (c->aer)
		pci_config_set(c, o, 4, pci_config_get(c, o, 4) | error);
	note(c, PCI_EXP_DEVSTA_CED);
}
