#include <stdarg.h>
#include <stdio.h>

#include "vmm/error.h"

int error_set(struct error *e, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return rc;
}
