/*
 * NVMe: what the controller and its namespace say of themselves (1.4, 5.15).
 */
#include <string.h>

#include "devices/pci/nvme.h"

/* Text fields have no NUL and end with spaces. */
static void text(char *field, size_t size, const char *s)
{
	size_t len = strlen(s);

	memset(field, ' ', size);
	memcpy(field, s, len < size ? len : size);
}

static void subsystem_name(const struct nvme *n, char *to)
{
	static const char hex[] = "0123456789abcdef";

	/* 1.4, 7.9: names by UUID. */
	strcpy(to, "nqn.2014-08.org.nvmexpress:uuid:");
	to += strlen(to);
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = hex[n->uuid[i] >> 4];
		*to++ = hex[n->uuid[i] & 15];
	}
	*to = 0;
}

static uint16_t controller(struct nvme_request *r)
{
	struct nvme *n = r->n;
	struct nvme_id_ctrl id = {
		.vid = NVME_VENDOR,
		.ssvid = NVME_VENDOR,
		.rab = 4,
		.mdts = NVME_MDTS,
		.ver = 0x10400,
		.oaes = NVME_CTRL_OAES_NA,
		.cntrltype = NVME_CTRL_CNTRLTYPE_IO,
		.oacs = n->options.no_dbbuf ? 0 : NVME_CTRL_OACS_DBBUF_CFG,
		.acl = 3,
		.aerl = NVME_MAX_AER - 1,
		.frmw = 1 | 1 << 1, /* one slot, which is not written */
		.lpa = NVME_CTRL_LPA_CMD_EFFECTS | NVME_CTRL_LPA_EXTENDED,
		.elpe = NVME_ERROR_LOG - 1,
		.wctemp = 343,
		.cctemp = 373,
		.sqes = 6 << 4 | 6,
		.cqes = 4 << 4 | 4,
		.nn = 1,
		.oncs = NVME_CTRL_ONCS_COMPARE,
		.vwc = n->image.can_flush && !n->options.no_flush ? NVME_CTRL_VWC_PRESENT : 0,
		.psd[0] = {.mp = 100, .enlat = 16, .exlat = 4},
	};

	text(id.sn, sizeof(id.sn), n->serial);
	text(id.mn, sizeof(id.mn), "Xenolith NVMe");
	text(id.fr, sizeof(id.fr), "1");
	subsystem_name(n, id.subnqn);
	if (!n->image.readonly)
		id.oncs |= NVME_CTRL_ONCS_WRITE_ZEROES;
	if (n->image.can_discard && !n->options.no_discard)
		id.oncs |= NVME_CTRL_ONCS_DSM;
	return nvme_data_write(r, &id, sizeof(id));
}

static uint16_t namespace(struct nvme_request *r)
{
	struct nvme *n = r->n;
	struct nvme_id_ns id = {.nsze = 0};

	/* There is no management of namespaces: nothing is common to all. */
	if (r->cmd.nsid != NVME_NSID)
		return NVME_SC_INVALID_NS;
	id.nsze = id.ncap = id.nuse = nvme_blocks(n);
	id.lbaf[0].ds = (uint8_t)n->lba_shift;
	id.nsattr = n->image.readonly;
	if (n->image.can_discard && !n->options.no_discard) {
		uint32_t blocks = n->image.discard_granularity >> n->lba_shift;

		id.nsfeat = 1 | 1 << 4; /* thin; NPDG and NPDA are there */
		id.npwg = id.npwa = id.nows = 0;
		id.npdg = id.npda = (uint16_t)(blocks && blocks <= 0x10000 ? blocks - 1 : 0);
		/* A hole in a file reads as zeros; of a server nobody knows. */
		id.dlfeat = n->image.fd >= 0 ? 1 | 1 << 3 : 0;
	}
	return nvme_data_write(r, &id, sizeof(id));
}

static uint16_t active_list(struct nvme_request *r)
{
	uint32_t list[NVME_PAGE / 4] = {0};

	if (r->cmd.nsid >= 0xfffffffe)
		return NVME_SC_INVALID_NS;
	if (r->cmd.nsid < NVME_NSID)
		list[0] = NVME_NSID;
	return nvme_data_write(r, list, sizeof(list));
}

static uint16_t descriptors(struct nvme_request *r)
{
	uint8_t list[NVME_PAGE] = {NVME_NIDT_UUID, 16};

	if (r->cmd.nsid != NVME_NSID)
		return NVME_SC_INVALID_NS;
	memcpy(list + 4, r->n->uuid, 16);
	return nvme_data_write(r, list, sizeof(list));
}

uint16_t nvme_identify(struct nvme_request *r)
{
	static uint16_t (*const structures[])(struct nvme_request *) = {
		[NVME_IDENTIFY_CNS_NS] = namespace,
		[NVME_IDENTIFY_CNS_CTRL] = controller,
		[NVME_IDENTIFY_CNS_NS_ACTIVE_LIST] = active_list,
		[NVME_IDENTIFY_CNS_NS_DESC_LIST] = descriptors,
	};
	unsigned cns = r->cmd.cdw10 & 0xff;

	if (cns >= sizeof(structures) / sizeof(structures[0]))
		return NVME_SC_INVALID_FIELD;
	return structures[cns](r);
}
