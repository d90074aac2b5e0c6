/*
 * Error sentences for users. A function that can fail because of a file, an
 * option or the host fills one of these and returns a negative errno; the
 * sentence says what is wrong, with what, and what to do about it.
 */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

struct error {
	char text[512];
};

/* Always returns `rc`, so that callers can `return error_set(e, -EINVAL, ...)`. */
int error_set(struct error *e, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
