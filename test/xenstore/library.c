/*
 * A program of libxenstore's, as people write them: it uses all of the headers' functions,
 * and prints what comes of a few. test/xenstore/library.sh compiles it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenstore.h>
#include <xenstore_lib.h>

static void *const all[] = {
	(void *)xs_open,
	(void *)xs_close,
	(void *)xs_daemon_open,
	(void *)xs_domain_open,
	(void *)xs_daemon_open_readonly,
	(void *)xs_daemon_close,
	(void *)xs_daemon_destroy_postfork,
	(void *)xs_directory,
	(void *)xs_read,
	(void *)xs_write,
	(void *)xs_mkdir,
	(void *)xs_rm,
	(void *)xs_restrict,
	(void *)xs_get_permissions,
	(void *)xs_set_permissions,
	(void *)xs_watch,
	(void *)xs_fileno,
	(void *)xs_check_watch,
	(void *)xs_read_watch,
	(void *)xs_unwatch,
	(void *)xs_transaction_start,
	(void *)xs_transaction_end,
	(void *)xs_introduce_domain,
	(void *)xs_set_target,
	(void *)xs_resume_domain,
	(void *)xs_release_domain,
	(void *)xs_get_domain_path,
	(void *)xs_path_is_subpath,
	(void *)xs_is_domain_introduced,
	(void *)xs_control_command,
	(void *)xs_debug_command,
	(void *)xs_suspend_evtchn_port,
	(void *)xs_daemon_rundir,
	(void *)xs_daemon_socket,
	(void *)xs_daemon_socket_ro,
	(void *)xs_write_all,
	(void *)xs_strings_to_perms,
};

int main(void)
{
	struct xs_permissions p[2] = {{0, XS_PERM_NONE}, {0, XS_PERM_READ | XS_PERM_WRITE}};
	struct xs_handle *h = xs_open(XS_UNWATCH_FILTER);
	unsigned n;

	if (!h)
		return 1;
	printf("functions: %zu\n", sizeof(all) / sizeof(all[0]));
	xs_transaction_t t = xs_transaction_start(h);
	printf("write: %d\n", xs_write(h, t, "/lib/a", "value", 5));
	printf("end: %d\n", xs_transaction_end(h, t, false));
	char *v = xs_read(h, XBT_NULL, "/lib/a", &n);
	printf("read: %s %u\n", v, n);
	free(v);
	printf("permissions: %d\n", xs_set_permissions(h, XBT_NULL, "/lib/a", p, 2));
	struct xs_permissions *q = xs_get_permissions(h, XBT_NULL, "/lib/a", &n);
	for (unsigned i = 0; q && i < n; i++)
		printf("  domain %u: %u\n", q[i].id, q[i].perms);
	free(q);
	char **names = xs_directory(h, XBT_NULL, "/lib", &n);
	printf("directory: %s %u\n", names[0], n);
	free(names);
	printf("watch: %d, descriptor: %d\n", xs_watch(h, "/lib", "token"), xs_fileno(h) >= 0);
	char **e = xs_read_watch(h, &n);
	printf("event: %s %s\n", e[XS_WATCH_PATH], e[XS_WATCH_TOKEN]);
	free(e);
	printf("no more: %d\n", !xs_check_watch(h));
	printf("unwatch: %d\n", xs_unwatch(h, "/lib", "token"));
	char *path = xs_get_domain_path(h, 7);
	printf("path: %s, introduced: %d\n", path, xs_is_domain_introduced(h, 7));
	free(path);
	char *answer = xs_control_command(h, "check", NULL, 0);
	printf("control: %s\n", answer);
	free(answer);
	printf("rm: %d\n", xs_rm(h, XBT_NULL, "/lib"));
	xs_close(h);
	return 0;
}
