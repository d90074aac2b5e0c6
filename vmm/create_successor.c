#include "vmm/create_successor.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/control/client.h"

/* From a `create` to the next one: the count that ends a loop of crashes. */
#define SHORT_LIVES "XENOLITH_SHORT_LIVES"

unsigned successor_short_lives(void)
{
	const char *n = getenv(SHORT_LIVES);

	return n ? (unsigned)strtoul(n, NULL, 10) : 0;
}

static int rename_to(struct link *l, const char *new, struct error *err)
{
	int rc = 0;
	json_t *answer =
		link_ask(l, "rename", json_pack("{s:s}", "name", new), ANSWER_MS, NULL, &rc, err);

	if (!answer)
		return rc ? rc : -EIO;
	json_decref(answer);
	return 0;
}

int successor_rename(const char *name, struct error *err)
{
	char when[32], new[DOMAIN_NAME_LIMIT];
	struct link l;
	time_t now = time(NULL);
	struct tm tm;
	int rc = link_find(&l, name, err);

	if (rc)
		return rc;
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "-%Y%m%dT%H%M%SZ", &tm);
	rc = -EBUSY;
	/* Several may end within a second. */
	for (unsigned i = 1; rc == -EBUSY && i < 100; i++) {
		char number[8] = "";
		if (i > 1)
			snprintf(number, sizeof(number), ".%u", i);
		int room = (int)(sizeof(new) - 1 - strlen(when) - strlen(number));
		snprintf(new, sizeof(new), "%.*s%s%s", room, name, when, number);
		rc = rename_to(&l, new, err);
	}
	link_close(&l);
	return rc;
}

/* A word without the letters of -c, -p and -F. NULL: nothing is left, or no memory. */
static char *without_letters(const char *word)
{
	char *copy = strdup(word), *to = copy;

	if (!copy || word[0] != '-' || word[1] == '-' || !word[1])
		return copy;
	for (const char *from = word; *from; from++) {
		/* What follows -f is a file. */
		if (*from == 'f') {
			strcpy(to, from);
			return copy;
		}
		if (!strchr("cpF", *from))
			*to++ = *from;
	}
	*to = 0;
	if (to - copy > 1)
		return copy;
	free(copy);
	return NULL;
}

static bool is_dropped(const char *word)
{
	return !strncmp(word, "--gdb", 5) || !strcmp(word, "--console") || !strcmp(word, "--paused") ||
	       !strcmp(word, "--foreground");
}

/* The command's words; NULL: no memory. */
static char **words_for(char *const *argv, const uint8_t uuid[16])
{
	unsigned nr = 0, n = 0;
	char *last = NULL;

	while (argv[nr])
		nr++;
	char **words = calloc(nr + 3, sizeof(*words));
	if (!words)
		return NULL;
	words[n++] = strdup("xenolith");
	for (unsigned i = 0; i < nr; i++)
		if (!is_dropped(argv[i]) && (words[n] = without_letters(argv[i])))
			n++;
	/* A file without one means the uuid of the first domain, as with xl. */
	if (asprintf(
		    &last,
		    "uuid=\"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\"",
		    uuid[0], uuid[1], uuid[2], uuid[3], uuid[4], uuid[5], uuid[6], uuid[7], uuid[8],
		    uuid[9], uuid[10], uuid[11], uuid[12], uuid[13], uuid[14], uuid[15]) < 0)
		last = NULL;
	words[n] = last;
	return words;
}

static int spawn(char **words, char **environment, struct error *err)
{
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	pid_t pid;
	int status;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe);
	int rc = posix_spawn(&pid, "/proc/self/exe", NULL, &attr, words, environment);
	posix_spawnattr_destroy(&attr);
	if (rc)
		return error_set(err, -rc, "cannot start a process: %s", strerror(rc));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_set(err, -errno, "it is not known: %s", strerror(errno));
	return status ? error_set(err, -EIO, "see above") : 0;
}

int successor_start(char *const *argv, const uint8_t uuid[16], unsigned short_lives,
		    struct error *err)
{
	char **words = words_for(argv, uuid), count[12];
	int rc;

	if (!words)
		return error_set(err, -ENOMEM, "out of memory");
	snprintf(count, sizeof(count), "%u", short_lives);
	setenv(SHORT_LIVES, count, 1);
	rc = spawn(words, environ, err);
	for (char **w = words; *w; w++)
		free(*w);
	free(words);
	return rc;
}
