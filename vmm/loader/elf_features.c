/*
 * The feature strings of kernels: names of features.h without XENFEAT_, '|'
 * between them, '!' before a required one.
 */
#include <string.h>

#include "pvabi/xen_abi.h"
#include "vmm/loader/elf_internal.h"

/* Xen 4.17 knows these by name: common/libelf/libelf-dominfo.c. Newer ones are
 * given by number (XEN_ELFNOTE_SUPPORTED_FEATURES). */
static const struct {
	const char *name;
	unsigned bit;
} features[] = {
	{"writable_page_tables", XENFEAT_writable_page_tables},
	{"writable_descriptor_tables", XENFEAT_writable_descriptor_tables},
	{"auto_translated_physmap", XENFEAT_auto_translated_physmap},
	{"supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel},
	{"pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb},
	{"hvm_callback_vector", XENFEAT_hvm_callback_vector},
	{"dom0", XENFEAT_dom0},
};

static uint64_t feature_mask(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (strlen(features[i].name) == len && !memcmp(features[i].name, name, len))
			return 1ull << features[i].bit;
	return 0;
}

int elf_features_parse(struct kernel_notes *n, const char *text, const struct load_ctx *ctx)
{
	strncpy(n->features, text, sizeof(n->features) - 1);
	while (*text) {
		size_t len = strcspn(text, "|");
		bool required = *text == '!';
		const char *name = text + required;
		uint64_t mask = feature_mask(name, len - required);

		n->supported_features |= mask;
		if (required && !mask)
			return load_refuse(ctx, "requires the unknown feature \"%.*s\"",
					   (int)(len - required < 64 ? len - required : 64), name);
		if (required)
			n->required_features |= mask;
		text += len;
		text += *text == '|';
	}
	return 0;
}
