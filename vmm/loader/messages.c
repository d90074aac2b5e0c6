/*
 * The loader's sentences: "NAME: why this cannot be run".
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/loader/loader.h"

/* Longer names lose their head, so that the reason still fits. */
#define NAME_SHOWN 240

static int say(const struct load_ctx *ctx, int rc, const char *fmt, va_list ap)
{
	size_t len = strlen(ctx->name);
	const char *name = len > NAME_SHOWN ? ctx->name + len - NAME_SHOWN : ctx->name;
	char why[sizeof(ctx->err->text)];

	vsnprintf(why, sizeof(why), fmt, ap);
	error_set(ctx->err, rc, "%s%s: %s", name == ctx->name ? "" : "...", name, why);
	for (char *c = ctx->err->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return rc;
}

int load_refuse(const struct load_ctx *ctx, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = say(ctx, -ENOEXEC, fmt, ap);
	va_end(ap);
	return rc;
}

int load_fail(const struct load_ctx *ctx, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	rc = say(ctx, rc, fmt, ap);
	va_end(ap);
	return rc;
}
