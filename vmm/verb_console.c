/*
 * `xenolith console`: the user's terminal and a domain's console, until Ctrl-] or the end
 * of either.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/verb_domain.h"

#define ESCAPE_KEY 0x1d /* Ctrl-] */
#define END_MS	   5000

/* ---- options: xl's, for its scripts ---- */

static int parse_type(void *into, const char *value, struct error *err)
{
	return strcmp(value, "pv") ? error_set(err, -EINVAL,
					       "option -t takes pv, the only console that a PV "
					       "guest has, not '%s'",
					       value)
				   : 0;
}

static int parse_number(void *into, const char *value, struct error *err)
{
	return strcmp(value, "0") ? error_set(err, -EINVAL,
					      "option -n takes 0: a domain has one console, not "
					      "'%s'",
					      value)
				  : 0;
}

/* ---- opening ---- */

static int open_socket(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		int e = errno;
		close(fd);
		return -e;
	}
	return fd < 0 ? -errno : fd;
}

/* The console's descriptor, or negative errno and a sentence. */
static int open_console(const struct link *l, struct error *err)
{
	const char *kind = info_text(l->info, "console.kind");
	const char *path = info_text(l->info, "console.path");
	int fd;

	if (!strcmp(kind, "socket")) {
		if (info_bool(l->info, "console.attached"))
			return error_set(err, -EBUSY,
					 "somebody is attached to the console of domain '%s' "
					 "already",
					 l->name);
		fd = open_socket(path);
	} else if (!strcmp(kind, "pty")) {
		fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	} else if (!strcmp(kind, "file")) {
		return error_set(err, -ENOTTY, "the console of domain '%s' goes to the file '%s'",
				 l->name, path);
	} else {
		return error_set(err, -ENOTTY,
				 "the console of domain '%s' is where it was started (process %d)",
				 l->name, (int)l->pid);
	}
	if (fd < 0)
		return error_set(err, fd, "cannot open the console '%s' of domain '%s': %s", path,
				 l->name, strerror(-fd));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

/* ---- passing on ---- */

struct session {
	int fd, signals;
	bool typing; /* standard input has not ended */
	bool raw;
	struct termios saved;
	char keys[512]; /* that the domain has not taken */
	size_t nr_keys;
};

static bool write_all(const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
			poll(&p, 1, -1);
			continue;
		}
		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

/* False: the console is closed, or nobody reads what we write. */
static bool pass_output(struct session *s)
{
	char buf[4096];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	return n > 0 && write_all(buf, (size_t)n);
}

/* False: the user leaves. */
static bool take_keys(struct session *s)
{
	ssize_t n = read(STDIN_FILENO, s->keys, sizeof(s->keys));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		s->typing = false;
		return true;
	}
	const char *escape = s->raw ? memchr(s->keys, ESCAPE_KEY, (size_t)n) : NULL;
	s->nr_keys = escape ? (size_t)(escape - s->keys) : (size_t)n;
	return !escape;
}

static bool pass_keys(struct session *s)
{
	ssize_t n = write(s->fd, s->keys, s->nr_keys);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	s->nr_keys -= (size_t)n;
	memmove(s->keys, s->keys + n, s->nr_keys);
	return true;
}

/* True: the domain has closed its console. */
static bool pass_all(struct session *s)
{
	for (;;) {
		struct pollfd p[] = {
			{.fd = s->fd, .events = POLLIN | (s->nr_keys ? POLLOUT : 0)},
			{.fd = s->typing && !s->nr_keys ? STDIN_FILENO : -1, .events = POLLIN},
			{.fd = s->signals, .events = POLLIN},
		};
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return false;
		if (p[2].revents)
			return false;
		if (p[1].revents && !take_keys(s))
			return false;
		if (s->nr_keys && p[0].revents & POLLOUT && !pass_keys(s))
			return true;
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR) && !pass_output(s))
			return true;
	}
}

static void set_raw(struct session *s)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &s->saved))
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	s->raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

/* ---- a domain that starts again ---- */

#define AGAIN_MS    100
#define AGAIN_TRIES 150

/* False: the user leaves meanwhile. */
static bool wait_a_little(struct session *s)
{
	struct pollfd p[] = {
		{.fd = s->typing ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = s->signals, .events = POLLIN},
	};

	if (poll(p, 2, AGAIN_MS) <= 0)
		return true;
	return !p[1].revents && take_keys(s);
}

/* A process that restarts its domain lives on, and has another of the same name soon
 * (create: on_reboot="restart"). True: l is that one, and its console is open. */
static bool attach_again(struct session *s, struct link *l)
{
	json_int_t domid = info_int(l->info, "domid");
	struct error err;

	for (int i = 0; i < AGAIN_TRIES; i++) {
		struct link next;

		if (kill(l->pid, 0) && errno == ESRCH)
			return false;
		if (!link_find(&next, l->name, &err) && next.pid == l->pid &&
		    info_int(next.info, "domid") != domid) {
			s->nr_keys = 0;
			close(s->fd);
			s->fd = open_console(&next, &err);
			link_close(l);
			*l = next;
			return s->fd >= 0;
		}
		link_close(&next);
		if (!wait_a_little(s))
			return false;
	}
	return false;
}

/* The domain may end at once: whoever wants all that it says is there before it goes on. */
static void let_go(struct link *l)
{
	struct error err;
	int rc;
	json_t *answer = link_ask(l, "unpause", NULL, ANSWER_MS, NULL, &rc, &err);

	if (!answer)
		fprintf(stderr, "xenolith: %s\n", err.text);
	json_decref(answer);
}

int console_attach(const char *domain, bool unpause)
{
	struct session s = {.typing = true};
	struct error err;
	struct link l;
	sigset_t set;
	int rc = link_find(&l, domain, &err);

	if (rc)
		return verb_failed(rc, &err);
	rc = s.fd = open_console(&l, &err);
	if (unpause)
		let_go(&l);
	if (rc < 0) {
		link_close(&l);
		return verb_failed(rc, &err);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s.signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "xenolith: the console of domain '%s'; Ctrl-] leaves it\n", l.name);
	set_raw(&s);
	bool closed;
	do {
		closed = pass_all(&s);
	} while (closed && attach_again(&s, &l));
	if (s.raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s.saved);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, closed ? "\nxenolith: the console was closed\n" : "\n");
	if (s.fd >= 0)
		close(s.fd);
	if (closed) {
		/* The link ends when all of the domain is gone, its name for example. */
		struct pollfd end = {.fd = l.fd, .events = POLLIN};
		poll(&end, 1, END_MS);
	}
	link_close(&l);
	return EXIT_OK;
}

static int run(const struct verb *v, int argc, char **argv)
{
	int status, n = verb_parse_operands(v, argc, argv, NULL, 1, 1, &status);

	return n < 0 ? status : console_attach(argv[0], false);
}

static const struct option options[] = {
	{.name = "type", .letter = 't', .arg = "TYPE", .help = "only pv", .parse = parse_type},
	{.name = "num", .letter = 'n', .arg = "N", .help = "only 0", .parse = parse_number},
	{.name = NULL},
};

const struct verb verb_console = {
	.name = "console",
	.operands = "DOMAIN",
	.summary = "attach to a domain's console",
	.more = "Ctrl-] leaves it. It must be on a socket or a pty ('run --console'), as that of\n"
		"a domain in the background is. What nobody has read of it comes first.\n"
		"It goes on with a domain that is started again after a reboot.\n",
	.options = options,
	.run = run,
};
