#include "vmm/json.h"
#include "vmm/control/client.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vmm/control/control.h"

/* An answer may hold a log, 128 devices, a whole grant table. */
#define ANSWER_LIMIT (64u << 20)
#define NOTE_MS	     2000

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- members ---- */

json_int_t info_int(const json_t *j, const char *key)
{
	return json_integer_value(json_member(j, key));
}

bool info_bool(const json_t *j, const char *key)
{
	return json_is_true(json_member(j, key));
}

const char *info_text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_member(j, key));

	return s ? s : "";
}

/* ---- requests and answers ---- */

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	json_decref(l->info);
	free(l->in);
	*l = (struct link){.fd = -1};
}

static int no_answer(struct link *l, struct error *err)
{
	return error_set(err, -ETIMEDOUT,
			 "domain '%s' (process %d) does not answer; is it stopped?", l->name,
			 (int)l->pid);
}

static int has_ended(struct link *l, struct error *err)
{
	return error_set(err, -EPIPE, "domain '%s' has ended", l->name);
}

int link_send(struct link *l, const char *request, json_t *args, struct error *err)
{
	json_t *j = json_pack("{s:i, s:s}", "version", CONTROL_VERSION, "request", request);

	if (args)
		json_object_set_new(j, "args", args);
	char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (!text)
		return error_set(err, -EINVAL, "what is asked of '%s' is no UTF-8 text", l->name);
	size_t len = strlen(text), done = 0;
	text[len] = '\n'; /* in the place of the NUL */
	int rc = 0;
	while (!rc && done <= len) {
		ssize_t n = send(l->fd, text + done, len + 1 - done, MSG_NOSIGNAL);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			rc = no_answer(l, err);
		else if (errno != EINTR)
			rc = has_ended(l, err);
	}
	free(text);
	return rc;
}

/* The answer in a line. */
static json_t *unwrap(struct link *l, const char *line, size_t len, int *rc, struct error *err)
{
	json_t *j = json_loadb(line, len, 0, NULL);
	json_t *ok = json_object_get(j, "ok");
	const char *text = info_text(j, "text"), *name = info_text(j, "error");

	if (ok) {
		*rc = 0;
		json_incref(ok);
	} else if (*name) {
		*rc = -EIO;
		for (int e = 1; e < 140; e++)
			if (strerrorname_np(e) && !strcmp(strerrorname_np(e), name))
				*rc = -e;
		error_set(err, *rc, "domain '%s': %s", l->name, text);
	} else {
		*rc = error_set(err, -EBADMSG,
				"domain '%s' answers something that is none: is it "
				"of another version of xenolith?",
				l->name);
	}
	json_decref(j);
	return ok;
}

/* One read. */
static int receive(struct link *l, struct error *err)
{
	if (l->used == l->size) {
		size_t size = l->size ? 2 * l->size : 4096;
		char *in = size > ANSWER_LIMIT ? NULL : realloc(l->in, size);
		if (!in)
			return error_set(err, -ENOMEM, "domain '%s' answers too much", l->name);
		l->in = in;
		l->size = size;
	}
	ssize_t n = recv(l->fd, l->in + l->used, l->size - l->used, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return has_ended(l, err);
	l->used += (size_t)n;
	return 0;
}

json_t *link_answer(struct link *l, int ms, const char *what, int *rc, struct error *err)
{
	int64_t start = now_ms();
	bool noted = false;
	char *end, own[DOMAIN_NAME_LIMIT + 24];

	if (!what) {
		snprintf(own, sizeof(own), "domain '%s' to answer", l->name);
		what = own;
	}
	while (!(end = memchr(l->in ? l->in : "", '\n', l->used))) {
		int64_t gone = now_ms() - start, wait = ms < 0 ? 1000 : ms - gone;
		struct pollfd p = {.fd = l->fd, .events = POLLIN};

		if (!noted && gone >= NOTE_MS) {
			fprintf(stderr, "xenolith: waiting for %s\n", what);
			noted = true;
		}
		if (ms >= 0 && wait <= 0) {
			*rc = no_answer(l, err);
			return NULL;
		}
		if (!noted && wait > NOTE_MS - gone)
			wait = NOTE_MS - gone;
		if (poll(&p, 1, (int)wait) > 0 && (*rc = receive(l, err)))
			return NULL;
	}
	size_t len = (size_t)(end - l->in);
	json_t *answer = unwrap(l, l->in, len, rc, err);
	l->used -= len + 1;
	memmove(l->in, end + 1, l->used);
	return answer;
}

json_t *link_ask(struct link *l, const char *request, json_t *args, int ms, const char *what,
		 int *rc, struct error *err)
{
	*rc = link_send(l, request, args, err);
	return *rc ? NULL : link_answer(l, ms, what, rc, err);
}

/* ---- connecting ---- */

/* -ENOENT, with no sentence: nobody listens there. */
static int link_open(struct link *l, const char *base, const char *name, struct error *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct ucred cred;
	socklen_t len = sizeof(cred);
	const struct timeval limit = {.tv_sec = ANSWER_MS / 1000};

	*l = (struct link){.fd = -1};
	snprintf(l->name, sizeof(l->name), "%s", name);
	int n = snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s/" CONTROL_SOCKET, base, name);
	if ((size_t)n >= sizeof(a.sun_path))
		return -ENOENT; /* nobody can listen there */
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* Also for connect(): a process that is stopped takes no connection. */
	setsockopt(l->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	int rc = connect(l->fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : 0;
	if (!rc && !getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		l->pid = cred.pid;
	if (rc == -EAGAIN)
		rc = no_answer(l, err);
	else if (rc == -ECONNREFUSED || rc == -ENOENT || rc == -ENOTDIR)
		rc = -ENOENT; /* left behind by one that was killed */
	else if (rc)
		error_set(err, rc, "cannot reach domain '%s': %s", name, strerror(-rc));
	if (rc)
		link_close(l);
	return rc;
}

/* Takes the name from the answer, too: it may have been found by another. */
static int take_info(struct link *l, struct error *err)
{
	int rc;

	l->info = link_answer(l, ANSWER_MS, NULL, &rc, err);
	if (l->info)
		snprintf(l->name, sizeof(l->name), "%s", info_text(l->info, "name"));
	return rc;
}

static int by_domid(const void *a, const void *b)
{
	json_int_t x = info_int(((const struct link *)a)->info, "domid");
	json_int_t y = info_int(((const struct link *)b)->info, "domid");

	return x < y ? -1 : x > y;
}

static int add_link(struct link_list *l, const char *base, const char *name, struct error *err)
{
	struct link one, *all;
	int rc = link_open(&one, base, name, err);

	if (!rc)
		rc = link_send(&one, "info", NULL, err);
	if (rc) {
		/* One that ends just now is no longer one of those that run. */
		if (rc != -ENOENT && rc != -EPIPE)
			fprintf(stderr, "xenolith: %s\n", err->text);
		link_close(&one);
		return 0;
	}
	all = realloc(l->link, (l->nr + 1) * sizeof(*all));
	if (!all) {
		link_close(&one);
		return error_set(err, -ENOMEM, "out of memory");
	}
	l->link = all;
	l->link[l->nr++] = one;
	return 0;
}

int link_list_open(struct link_list *l, struct error *err)
{
	char base[4096];
	struct dirent *e;
	int rc = runtime_dir_base(base, sizeof(base), err);

	*l = (struct link_list){0};
	if (rc)
		return rc;
	DIR *d = opendir(base);
	if (!d)
		return errno == ENOENT ? 0
				       : error_set(err, -errno, "cannot read the folder '%s': %s",
						   base, strerror(errno));
	while (!rc && (e = readdir(d)))
		if (domain_name_is_good(e->d_name))
			rc = add_link(l, base, e->d_name, err);
	closedir(d);
	/* All are asked before the first is waited for. */
	unsigned nr = 0;
	for (unsigned i = 0; i < l->nr; i++) {
		int bad = take_info(&l->link[i], err);
		if (bad && bad != -EPIPE)
			fprintf(stderr, "xenolith: %s\n", err->text);
		if (bad)
			link_close(&l->link[i]);
		else
			l->link[nr++] = l->link[i];
	}
	l->nr = nr;
	if (nr)
		qsort(l->link, nr, sizeof(*l->link), by_domid);
	return rc;
}

void link_list_close(struct link_list *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		link_close(&l->link[i]);
	free(l->link);
	*l = (struct link_list){0};
}

static bool is_number(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

/* By id or uuid. */
static int find_among_all(struct link *l, const char *which, struct error *err)
{
	struct link_list all;
	int rc = link_list_open(&all, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < all.nr && l->fd < 0; i++) {
		struct link *one = &all.link[i];
		char id[24];

		snprintf(id, sizeof(id), "%lld", (long long)info_int(one->info, "domid"));
		if (strcmp(id, which) && strcasecmp(info_text(one->info, "uuid"), which))
			continue;
		*l = *one;
		*one = (struct link){.fd = -1};
	}
	link_list_close(&all);
	return l->fd < 0 ? -ENOENT : 0;
}

static int find_by_name(struct link *l, const char *name, struct error *err)
{
	char base[4096];
	int rc = domain_name_is_good(name) ? runtime_dir_base(base, sizeof(base), err) : -ENOENT;

	if (!rc)
		rc = link_open(l, base, name, err);
	if (!rc)
		rc = link_send(l, "info", NULL, err);
	if (!rc)
		rc = take_info(l, err);
	if (rc) {
		pid_t pid = l->pid;
		link_close(l);
		l->pid = pid;
	}
	return rc;
}

/* libxl_domain_qualifier_to_domid(): digits are an id first. */
int link_find(struct link *l, const char *which, struct error *err)
{
	bool by_id = is_number(which), by_uuid = strlen(which) == 36;

	char base[4096];

	*l = (struct link){.fd = -1};
	if (runtime_dir_base(base, sizeof(base), err))
		return -ENODEV;
	int rc = by_id ? find_among_all(l, which, err) : -ENOENT;
	if (rc == -ENOENT)
		rc = find_by_name(l, which, err);
	if (rc == -ENOENT && by_uuid)
		rc = find_among_all(l, which, err);
	if (rc == -ENOENT)
		error_set(err, rc,
			  "there is no domain '%.80s'; 'xenolith list' shows those that "
			  "run",
			  which);
	return rc;
}
