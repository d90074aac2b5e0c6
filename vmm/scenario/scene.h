/*
 * One scenario that runs: its domain, a child process of `xenolith run`, and what was seen of
 * it. A process runs one scene and waits in it; runner.c has a process for each.
 */
#ifndef VMM_SCENARIO_SCENE_H
#define VMM_SCENARIO_SCENE_H

#include <stdio.h>
#include <sys/types.h>

#include "vmm/scenario/scenario.h"

struct trace_reader;

/* Where things are, for all scenarios of a call. */
struct scenario_host {
	const char *program; /* this one, to be run again */
	const char *helper;  /* guests/linux/scenario.sh or the user's */
	unsigned patience;   /* all times are multiplied by it */
	const char *trace;   /* recorded of each scenario beside its own; may be NULL */
};

enum scenario_verdict { NOT_RUN, PASSED, FAILED, SKIPPED };

/* Shared by the process that runs it and the one that reports it. */
struct scenario_result {
	enum scenario_verdict verdict;
	unsigned line; /* of the step that failed; 0: none of them */
	uint64_t ns;
	char text[400];
};

struct scene {
	const struct scenario *s;
	struct variant v;
	const struct scenario_host *host;
	const char *kernel, *base; /* files; base: a ramdisk without the script, or NULL */
	const char *dir;	   /* what is kept: console.log, ... */
	const char *run_dir;	   /* the domain's XDG_RUNTIME_DIR */
	struct scenario_result *result;

	pid_t domain;
	int pid_fd, console_in, console_out;
	FILE *console_log;
	uint64_t started, deadline;
	bool ended;
	const char *how; /* it ended */

	char *console; /* all of it, lines end with \n, no other control characters */
	size_t console_len, console_size;
	size_t judged;	 /* up to here its lines were looked at for what must not be */
	size_t expected; /* behind the line that the last `expect console` found */

	struct trace_reader *trace;
	unsigned long *records; /* by step: that matched its filter */
	unsigned domid;
};

uint64_t scene_now(void); /* ns */
/* Fails the scene; the first reason stays. Always -1. */
int scene_fail(struct scene *sc, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool scene_failed(const struct scene *sc);

/* scene_start.c: makes its files and starts the domain. 0, or it has failed. */
int scene_start(struct scene *sc);
/* Ends what runs of it. */
void scene_end(struct scene *sc);

/* scene.c: takes in what the domain says, for at most ms. */
void scene_pump(struct scene *sc, int ms);
/* Runs it, from the start to the verdict. */
void scene_run(struct scene *sc);

/* scene_expect.c: 0, or it has failed. */
int scene_expect(struct scene *sc, const struct step *st);
/* Does it say that faults are injected? */
bool scene_wants_faults(const struct scenario *s);
/* Counts that have an upper limit, and whether faults came, when all is over. */
void scene_expect_end(struct scene *sc);
/* Looks at lines of the console that are whole, or at all. */
void scene_judge_console(struct scene *sc, bool all);

/* scenario_action.c: 0, or it has failed. */
int scene_do(struct scene *sc, const struct step *st);
/* A word of an action with {domid} and {dir} filled in; malloc()ed. */
char *scene_word(const struct scene *sc, const char *word);
/* "backend/vbd/51712/state" and "device/..." in full. malloc()ed. */
char *scene_store_path(const struct scene *sc, const char *path);
/* "target,raw,xvda,rw,..." of a disk. malloc()ed. */
char *scene_disk_spec(const struct scene *sc, const struct scenario_disk *d);
/* Runs a program with its output in actions.log, and takes in meanwhile what the domain says.
 * Its exit status; negative errno. */
int scene_call(struct scene *sc, char *const argv[]);

/* scenario_store.c: the domain's xenstore. 0 or negative errno. */
int scene_store_read(const struct scene *sc, const char *path, char *value, size_t size);
/* `data` is what follows the path in the request. */
int scene_store_change(const struct scene *sc, unsigned type, const char *path, const void *data,
		       size_t len);

/* scenario_ramdisk.c: `to` becomes `base` with /cmd, which is `script`. */
int scenario_ramdisk(const char *base, const char *to, const struct scenario *s, struct error *err);

#endif
