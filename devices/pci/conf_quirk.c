/*
 * Registers that the user lets the guest write (Linux: xen-pciback/conf_space_quirks.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/pci/conf_space.h"
#include "devices/pci/pciback.h"

#define HEX "0123456789abcdefABCDEF"

static int plain_write(struct conf_space *c, struct conf_entry *e, uint32_t val)
{
	return conf_real_write(c, e->offset, e->field->size, val);
}

static const struct conf_field plain[][2] = {
	{{.size = 1, .write = plain_write}, {0}},
	{{.size = 2, .write = plain_write}, {0}},
	{{.size = 4, .write = plain_write}, {0}},
};

int conf_space_add_quirk(struct conf_space *c, unsigned offset, unsigned size)
{
	if (offset % size || offset + size > c->device->config_size)
		return -EINVAL;
	for (unsigned i = 0; i < c->nr; i++)
		if (offset < c->entry[i].offset + c->entry[i].field->size &&
		    c->entry[i].offset < offset + size)
			return 0;
	return conf_add(c, plain[size / 2], offset);
}

int pciback_quirks_parse(const char *text, struct pciback_options *o)
{
	o->nr_quirks = 0;
	for (const char *s = text; o->nr_quirks < PCIBACK_MAX_QUIRKS; s++) {
		size_t digits = strspn(s, HEX);
		unsigned offset = (unsigned)strtoul(s, NULL, 16);

		if (!digits || digits > 3 || s[digits] != ':')
			return -EINVAL;
		s += digits + 1;
		unsigned size = (unsigned)(*s - '0');
		if ((size != 1 && size != 2 && size != 4) || offset % size)
			return -EINVAL;
		o->quirk[o->nr_quirks++] = (struct pciback_quirk){(uint16_t)offset, (uint8_t)size};
		s++;
		if (!*s)
			return 0;
		if (*s != '+')
			return -EINVAL;
	}
	return -EINVAL;
}
