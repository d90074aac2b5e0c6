/*
 * The options of a model, "key=value,key=value", read by a table of them.
 */
#ifndef DEVICES_PCI_PCI_OPTIONS_H
#define DEVICES_PCI_PCI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pci_option_kind {
	PCI_OPTION_FLAG,   /* a bool: "key", "key=1", "key=0" */
	PCI_OPTION_NUMBER, /* an unsigned from min to max */
	PCI_OPTION_CHOICE, /* an unsigned: which of `choices` */
	PCI_OPTION_STRING, /* a char *, allocated */
};

struct pci_option {
	const char *key;
	enum pci_option_kind kind;
	size_t offset; /* in what is filled in */
	unsigned min, max;
	const char *choices; /* "a|b|c" */
};

#define PCI_FLAG(type, name, member)                                                   \
	{                                                                              \
		.key = name, .kind = PCI_OPTION_FLAG, .offset = offsetof(type, member) \
	}
#define PCI_NUMBER(type, name, member, lowest, highest)                                \
	{                                                                              \
		.key = name, .kind = PCI_OPTION_NUMBER, .min = lowest, .max = highest, \
		.offset = offsetof(type, member)                                       \
	}
#define PCI_CHOICE(type, name, member, of)                             \
	{                                                              \
		.key = name, .kind = PCI_OPTION_CHOICE, .choices = of, \
		.offset = offsetof(type, member)                       \
	}
#define PCI_STRING(type, name, member)                                                   \
	{                                                                                \
		.key = name, .kind = PCI_OPTION_STRING, .offset = offsetof(type, member) \
	}
#define PCI_OPTIONS_END     \
	{                   \
		.key = NULL \
	}

/* The table ends with a key of NULL. `into` has what is to be when an option is missing, of
 * strings NULL. text may be NULL. 0; or -EINVAL, -ENOMEM and a sentence: strings that
 * were read are there all the same. */
int pci_options_parse(const struct pci_option *table, void *into, const char *text, char *err,
		      size_t errlen);
void pci_options_free(const struct pci_option *table, void *into);

#endif
