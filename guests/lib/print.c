/* The transcript. */
#include "guests/lib/guest.h"

static const char *const errno_names[] = {
	[1] = "EPERM",	 [2] = "ENOENT",     [3] = "ESRCH",	  [4] = "EINTR",
	[5] = "EIO",	 [6] = "ENXIO",	     [7] = "E2BIG",	  [11] = "EAGAIN",
	[12] = "ENOMEM", [13] = "EACCES",    [14] = "EFAULT",	  [16] = "EBUSY",
	[17] = "EEXIST", [18] = "EXDEV",     [19] = "ENODEV",	  [22] = "EINVAL",
	[28] = "ENOSPC", [34] = "ERANGE",    [38] = "ENOSYS",	  [61] = "ENODATA",
	[62] = "ETIME",	 [75] = "EOVERFLOW", [95] = "EOPNOTSUPP", [85] = "ERESTART",
};

struct out {
	char *at, *end;
};

static void put(struct out *o, char c)
{
	if (o->at < o->end)
		*o->at++ = c;
}

static void put_text(struct out *o, const char *s, int width)
{
	for (int n = strlen(s); n < width; n++)
		put(o, ' ');
	while (*s)
		put(o, *s++);
}

static void put_number(struct out *o, uint64_t v, unsigned base, int width, bool zero, bool neg)
{
	char digits[24], *p = digits + sizeof(digits);

	*--p = 0;
	do {
		*--p = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (zero && digits + sizeof(digits) - 1 - p + neg < width)
		*--p = '0';
	if (neg)
		*--p = '-';
	put_text(o, p, width);
}

static void put_errno(struct out *o, long rc)
{
	if (rc < 0 && -rc < (long)ARRAY_SIZE(errno_names) && errno_names[-rc]) {
		put(o, '-');
		put_text(o, errno_names[-rc], 0);
	} else {
		put_number(o, rc < 0 ? -rc : rc, 10, 0, false, rc < 0);
	}
}

size_t format(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = {buf, buf + size - 1};

	for (; *fmt; fmt++) {
		bool zero = false, is_long = false;
		int width = 0;
		long d;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		if (*fmt == '0')
			zero = true;
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + *fmt - '0';
		for (; *fmt == 'l'; fmt++)
			is_long = true;
		switch (*fmt) {
		case 's':
			put_text(&o, va_arg(ap, const char *), width);
			break;
		case 'c':
			put(&o, va_arg(ap, int));
			break;
		case 'd':
			d = is_long ? va_arg(ap, long) : va_arg(ap, int);
			put_number(&o, d < 0 ? -(uint64_t)d : (uint64_t)d, 10, width, zero, d < 0);
			break;
		case 'u':
		case 'x':
			put_number(&o, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned),
				   *fmt == 'x' ? 16 : 10, width, zero, false);
			break;
		case 'p':
			put_text(&o, "0x", 0);
			put_number(&o, va_arg(ap, uint64_t), 16, 0, false, false);
			break;
		case 'e':
			put_errno(&o, va_arg(ap, long));
			break;
		default:
			put(&o, *fmt);
		}
	}
	*o.at = 0;
	return o.at - buf;
}

static void line(const char *start, const char *fmt, va_list ap)
{
	char buf[256];
	size_t n = strlen(start);

	memcpy(buf, start, n);
	n += format(buf + n, sizeof(buf) - 1 - n, fmt, ap);
	buf[n++] = '\n';
	console_write(buf, n);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("= ", fmt, ap);
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("~ ", fmt, ap);
	va_end(ap);
}

void say_rc(const char *what, long rc)
{
	say("%s: %e", what, rc);
}

void fail(const char *fmt, ...)
{
	static bool failing;
	va_list ap;

	if (!failing) {
		failing = true;
		va_start(ap, fmt);
		line("= guest failed: ", fmt, ap);
		va_end(ap);
	}
	for (;;)
		shut_down(SHUTDOWN_crash);
}
