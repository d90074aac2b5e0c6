/*
 * The ABI profiles: the versions of Xen that can be imitated. What a profile
 * lacks is said in the rows of the hypercall table; here is what it shows of
 * itself and where its semantics differ.
 */
#include <string.h>

#include "pvabi/pvabi.h"

#define FEAT(name) (1ull << XENFEAT_##name)

static const struct abi_profile profiles[NR_PROFILES] = {
	[PROFILE_XEN_3_0_1] =
		{
			.id = PROFILE_XEN_3_0_1,
			.name = "xen-3.0.1",
			.version = 3 << 16 | 0,
			.extraversion = ".1",
			.features = 0,
			.poll_needs_masked = true,
		},
	[PROFILE_XEN_3_0_2] =
		{
			.id = PROFILE_XEN_3_0_2,
			.name = "xen-3.0.2",
			.version = 3 << 16 | 0,
			.extraversion = ".2",
			.features = 0,
			.poll_needs_masked = true,
		},
	/* Xen 4.17: common/kernel.c, XENVER_get_features for a PV domain that is not
	 * the hardware domain. pae_pgdir_above_4gb follows vm_assist and is added by
	 * the handler. */
	[PROFILE_XEN_4_17] =
		{
			.id = PROFILE_XEN_4_17,
			.name = "xen-4.17",
			.version = 4 << 16 | 17,
			.extraversion = ".5",
			.features = FEAT(memory_op_vnode_supported) |
				    FEAT(mmu_pt_update_preserve_ad) | FEAT(highmem_assist) |
				    FEAT(gnttab_map_avail_bits) | FEAT(direct_mapped),
			.vcpu_info_placement = true,
		},
};

const struct abi_profile *abi_profile_find(const char *name)
{
	for (unsigned i = 0; i < NR_PROFILES; i++)
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

const struct abi_profile *abi_profile_get(enum abi_profile_id id)
{
	return (unsigned)id < NR_PROFILES ? &profiles[id] : NULL;
}
