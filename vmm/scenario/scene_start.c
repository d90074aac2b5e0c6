/*
 * A scene's files and its domain: a child process of `xenolith run`.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/scenario/scene.h"
#include "vmm/scenario/trace_reader.h"

#define MAX_ARGS 160
#define END_MS	 5000

/* What Linux is told beside the scenario's. Its warnings are wanted. Looking for weaknesses of
 * the processor, and taking lock prefixes out of the code of a guest with one vcpu, cost more
 * than all the rest of its start. */
#define LINUX_CMDLINE "console=hvc0 loglevel=5 mitigations=off noreplace-smp nr_cpus=8 panic=-1"

struct command {
	char *argv[MAX_ARGS];
	unsigned nr;
};

static void put(struct command *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct command *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (c->nr + 1 < MAX_ARGS && vasprintf(&c->argv[c->nr], fmt, ap) >= 0)
		c->nr++;
	va_end(ap);
}

static void put_option(struct command *c, const char *name, const char *value)
{
	if (value)
		put(c, "--%s=%s", name, value);
}

/* A variant's features, whose '+' are commas, behind what the scenario has. */
static char *with_features(const char *spec, const char *features)
{
	char *out;

	if (!features || !strcmp(features, "none"))
		return strdup(spec);
	if (asprintf(&out, "%s%s%s", spec, *spec ? "," : "", features) < 0)
		return NULL;
	for (char *p = out + strlen(spec); *p; p++)
		*p = (char)(*p == '+' ? ',' : *p);
	return out;
}

char *scene_disk_spec(const struct scene *sc, const struct scenario_disk *d)
{
	char *all = with_features(d->spec, sc->v.value[MATRIX_DISK]), *out = NULL;
	int n = -1;

	if (all && d->bytes)
		n = asprintf(&out, "%s/%s.img,raw,%s%s%s", sc->dir, d->dev, d->dev, *all ? "," : "",
			     all);
	else if (all)
		n = asprintf(&out, ",raw,%s%s%s", d->dev, *all ? "," : "", all);
	free(all);
	return n < 0 ? NULL : out;
}

static void put_cmdline(struct command *c, const struct scenario *s, bool is_linux)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	fputs(is_linux ? LINUX_CMDLINE : "", f);
	for (unsigned i = 0; i < s->cmdline.nr; i++)
		fprintf(f, "%s%s", is_linux || i ? " " : "", s->cmdline.text[i]);
	fclose(f);
	put(c, "--cmdline=%s", text);
	free(text);
}

static void put_list(struct command *c, const char *option, const struct text_list *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		put(c, "--%s=%s", option, l->text[i]);
}

/* With {dir} filled in. */
static void put_word(struct command *c, const struct scene *sc, const char *option,
		     const char *word)
{
	char *w = scene_word(sc, word);

	if (w && option)
		put(c, "--%s=%s", option, w);
	else if (w)
		put(c, "%s", w);
	free(w);
}

static void put_traces(struct command *c, const struct scene *sc)
{
	const struct scenario *s = sc->s;

	for (unsigned i = 0; i < s->nr_steps; i++)
		if (s->step[i].kind == STEP_TRACE)
			put(c, "--trace=%s", s->step[i].text);
	put_list(c, "trace", &s->trace);
	put(c, "--trace=xenstore,fault");
	put_option(c, "trace", sc->host->trace);
	put(c, "--trace-format=raw");
	put(c, "--trace-file=%s/trace.raw", sc->dir);
}

static void put_devices(struct command *c, const struct scene *sc)
{
	const struct scenario *s = sc->s;

	for (unsigned i = 0; i < s->nr_disks; i++) {
		char *spec = s->disk[i].spare ? NULL : scene_disk_spec(sc, &s->disk[i]);

		put_option(c, "disk", spec);
		free(spec);
	}
	for (unsigned i = 0; i < s->vif.nr; i++) {
		char *spec = with_features(s->vif.text[i], sc->v.value[MATRIX_VIF]);

		if (spec)
			put_word(c, sc, "vif", spec);
		free(spec);
	}
	for (unsigned i = 0; i < s->pci.nr; i++)
		put_word(c, sc, "pci", s->pci.text[i]);
}

static const char *either(const char *first, const char *second)
{
	return first ? first : second;
}

static void make_command(struct command *c, const struct scene *sc)
{
	const struct scenario *s = sc->s;
	const char *const *v = sc->v.value;
	bool is_linux = sc->base;
	char path[PATH_MAX];

	put(c, "%s", sc->host->program);
	put(c, "run");
	put(c, "-v");
	put(c, "--name=guest");
	put(c, "--memory=%s", either(v[MATRIX_MEMORY], either(s->memory, "128")));
	put_option(c, "maxmem", s->maxmem);
	put_option(c, "vcpus", either(v[MATRIX_VCPUS], s->vcpus));
	if (!v[MATRIX_VCPUS])
		put_option(c, "maxvcpus", s->maxvcpus);
	put_option(c, "profile", either(v[MATRIX_PROFILE], s->profile));
	put_option(c, "p2m", either(v[MATRIX_P2M], s->p2m));
	put_cmdline(c, s, is_linux);
	put_devices(c, sc);
	for (unsigned i = 0; i < s->option.nr; i++)
		put_word(c, sc, NULL, s->option.text[i]);
	put_traces(c, sc);
	put_list(c, "inject", &s->inject);
	if (s->inject.nr)
		put_option(c, "inject-seed", either(s->inject_seed, "1"));
	if (scene_wants_faults(s))
		put(c, "--inject-log=%s/injected.log", sc->dir);
	if (is_linux)
		put(c, "--ramdisk=%s/ramdisk", sc->dir);
	else if (s->ramdisk)
		put_option(c, "ramdisk", realpath(s->ramdisk, path) ? path : s->ramdisk);
	put(c, "%s", sc->kernel);
}

static void put_quoted(FILE *f, const char *text)
{
	fputc('\'', f);
	for (const char *p = text; *p; p++)
		fputs(*p == '\'' ? "'\\''" : (char[]){*p, 0}, f);
	fputc('\'', f);
}

/* So that the user can run it by hand: on empty disks, as it was; these are not kept. */
static void write_command(const struct scene *sc, const struct command *c)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/command", sc->dir);
	f = fopen(path, "we");
	if (!f)
		return;
	for (unsigned i = 0; i < sc->s->nr_disks; i++) {
		const struct scenario_disk *d = &sc->s->disk[i];

		if (!d->bytes)
			continue;
		snprintf(path, sizeof(path), "%s/%s.img", sc->dir, d->dev);
		fputs("truncate -s 0 ", f);
		put_quoted(f, path);
		fprintf(f, " && truncate -s %llu ", (unsigned long long)d->bytes);
		put_quoted(f, path);
		fputs(" || exit\n", f);
	}
	for (unsigned i = 0; i < c->nr; i++) {
		put_quoted(f, c->argv[i]);
		fputc(i + 1 < c->nr ? ' ' : '\n', f);
	}
	fclose(f);
}

static int make_disks(struct scene *sc)
{
	char path[4200];

	for (unsigned i = 0; i < sc->s->nr_disks; i++) {
		const struct scenario_disk *d = &sc->s->disk[i];

		if (!d->bytes)
			continue;
		snprintf(path, sizeof(path), "%s/%s.img", sc->dir, d->dev);
		int fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
		int rc = fd < 0 || ftruncate(fd, (off_t)d->bytes);
		if (fd >= 0)
			close(fd);
		if (rc)
			return scene_fail(sc, 0, "cannot make %s: %s", path, strerror(errno));
	}
	return 0;
}

static void child(const struct scene *sc, const struct command *c, int in, int out,
		  const char *messages, pid_t parent)
{
	int err = open(messages, O_CREAT | O_WRONLY | O_APPEND, 0600);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Ctrl-C is ours to hand on. */
	setpgid(0, 0);
	/* What it writes without being asked is kept, too. */
	if (chdir(sc->dir))
		_exit(127);
	if (getppid() != parent || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(127);
	execv(c->argv[0], c->argv);
	_exit(127);
}

static int start_domain(struct scene *sc, const struct command *c)
{
	int in[2], out[2];
	char messages[4200];
	pid_t self = getpid();

	snprintf(messages, sizeof(messages), "%s/messages.log", sc->dir);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return scene_fail(sc, 0, "no pipe: %s", strerror(errno));
	sc->domain = fork();
	if (!sc->domain)
		child(sc, c, in[0], out[1], messages, self);
	close(in[0]);
	close(out[1]);
	sc->console_in = in[1];
	sc->console_out = out[0];
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	if (sc->domain < 0)
		return scene_fail(sc, 0, "no process: %s", strerror(errno));
	sc->pid_fd = (int)syscall(SYS_pidfd_open, sc->domain, 0);
	sc->started = scene_now();
	return 0;
}

int scene_start(struct scene *sc)
{
	struct command c = {.nr = 0};
	struct error err;
	char path[4200];
	int rc = make_disks(sc);

	snprintf(path, sizeof(path), "%s/ramdisk", sc->dir);
	if (!rc && sc->base && scenario_ramdisk(sc->base, path, sc->s, &err))
		rc = scene_fail(sc, 0, "%s", err.text);
	snprintf(path, sizeof(path), "%s/console.log", sc->dir);
	sc->console_log = fopen(path, "we");
	snprintf(path, sizeof(path), "%s/trace.raw", sc->dir);
	sc->records = calloc(sc->s->nr_steps + 1, sizeof(*sc->records));
	if (!rc && (!sc->console_log || !sc->records ||
		    !(sc->trace = trace_reader_open(path, sc->s, sc->records))))
		rc = scene_fail(sc, 0, "cannot write %s: %s", path, strerror(errno));
	make_command(&c, sc);
	write_command(sc, &c);
	if (!rc)
		rc = start_domain(sc, &c);
	for (unsigned i = 0; i < c.nr; i++)
		free(c.argv[i]);
	return rc;
}

/* First as a user would. */
void scene_end(struct scene *sc)
{
	static const int signals[] = {SIGTERM, SIGKILL};

	if (sc->domain > 0 && !sc->ended)
		kill(sc->domain, SIGCONT);
	for (int i = 0; i < 2 && sc->domain > 0 && !sc->ended; i++) {
		uint64_t end = scene_now() + END_MS * 1000000ull;

		kill(sc->domain, signals[i]);
		while (!sc->ended && scene_now() < end)
			scene_pump(sc, 50);
	}
}
