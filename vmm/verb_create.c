/*
 * `xenolith create`: a domain from a file for xl.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/create.h"
#include "vmm/run_options.h"
#include "vmm/verb.h"

static int parse_console(void *into, const char *value, struct error *err)
{
	((struct create_options *)into)->console = true;
	return 0;
}

static int parse_foreground(void *into, const char *value, struct error *err)
{
	((struct create_options *)into)->foreground = true;
	return 0;
}

static int parse_dryrun(void *into, const char *value, struct error *err)
{
	((struct create_options *)into)->dryrun = true;
	return 0;
}

static int parse_debug(void *into, const char *value, struct error *err)
{
	((struct create_options *)into)->debug = true;
	return 0;
}

static int parse_defconfig(void *into, const char *value, struct error *err)
{
	((struct create_options *)into)->file = value;
	return 0;
}

static int parse_quiet(void *into, const char *value, struct error *err)
{
	((struct create_options *)into)->quiet = true;
	return run_option_quiet(into, value, err);
}

static const struct option options[] = {
	{.name = "console",
	 .letter = 'c',
	 .help = "attach to the guest's console at once (Ctrl-] leaves it)",
	 .parse = parse_console},
	{.name = "paused",
	 .letter = 'p',
	 .help = "leave the domain paused, until 'xenolith unpause'",
	 .parse = run_option_paused},
	{.name = "foreground",
	 .letter = 'F',
	 .help = "stay until the domain has ended",
	 .parse = parse_foreground},
	{.name = "dryrun",
	 .letter = 'n',
	 .help = "print the configuration as JSON, create nothing",
	 .parse = parse_dryrun},
	{.name = "debug",
	 .letter = 'd',
	 .help = "print the configuration as JSON, too",
	 .parse = parse_debug},
	{.name = "defconfig",
	 .letter = 'f',
	 .arg = "FILE",
	 .help = "the configuration, when it is no operand",
	 .parse = parse_defconfig},
	RUN_OPTION_ROWS,
	{.name = "xenstore",
	 .arg = "PATH",
	 .help = "socket of the domain's xenstore (default: in its folder)",
	 .parse = run_option_xenstore},
	{.name = "stats",
	 .arg = "FILE",
	 .arg_optional = true,
	 .help = "write statistics to FILE (the log) when the guest ends",
	 .parse = run_option_stats},
	{.name = "quiet", .letter = 'q', .help = "no messages but errors", .parse = parse_quiet},
	{.name = "verbose",
	 .letter = 'v',
	 .help = "more messages; twice: even more",
	 .parse = run_option_verbose},
	{.name = NULL},
};

/* The file, unless -d named it, and KEY=VALUE in any order. */
static int sort_operands(struct create_options *o, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strchr(argv[i], '='))
			o->assignment[o->nr_assignments++] = argv[i];
		else if (o->file)
			return bad_usage("'%s' is one file too many for 'create'", argv[i]);
		else
			o->file = argv[i];
	}
	if (!o->file)
		return bad_usage("'create' needs a configuration file; see 'xenolith help create'");
	return 0;
}

static void warn(void *arg, const char *text)
{
	const struct create_options *o = arg;

	if (!o->quiet)
		fprintf(stderr, "xenolith: warning: %s\n", text);
}

static int read_settings(const struct create_options *o, struct domain_settings *s,
			 struct error *err)
{
	struct settings_reader r = {
		.settings = s,
		.source = o->file,
		.warn = warn,
		.arg = (void *)(uintptr_t)o,
		.err = err,
	};
	int rc = config_file_read(&s->file, o->file, err);

	for (unsigned i = 0; !rc && i < o->nr_assignments; i++)
		rc = config_file_parse(&s->file, "command line", o->assignment[i],
				       strlen(o->assignment[i]), err);
	return rc ? rc : domain_settings_read(&r);
}

/* As `run` looks at its files. */
static int check_files(const struct domain_settings *s, struct error *err)
{
	if (s->bootloader)
		return 0;
	int rc = run_check_file("kernel", s->run.kernel, err);
	return rc || !s->run.ramdisk ? rc : run_check_file("ramdisk", s->run.ramdisk, err);
}

static int create(struct create_options *o)
{
	struct domain_settings s;
	struct error err;
	int status;

	domain_settings_init(&s);
	s.run = o->run;
	if (read_settings(o, &s, &err)) {
		status = bad_usage("%s", err.text);
	} else if (o->dryrun) {
		domain_settings_json(stdout, &s);
		status = EXIT_OK;
	} else {
		if (o->debug)
			domain_settings_json(stderr, &s);
		status = check_files(&s, &err) ? bad_usage("%s", err.text)
					       : domain_create_new(o, &s);
	}
	domain_settings_free(&s);
	return status;
}

static int run(const struct verb *v, int argc, char **argv)
{
	struct create_options o = {.quiet = false};
	int status;

	run_options_init(&o.run);
	/* verb_parse changes the order. */
	o.argv = calloc((size_t)argc + 1, sizeof(*o.argv));
	if (!o.argv)
		return EXIT_HOST_FAILED;
	memcpy(o.argv, argv, (size_t)argc * sizeof(*argv));
	int n = verb_parse(v, argc, argv, &o, argc, &status);
	if (n >= 0) {
		o.assignment = calloc((size_t)n + 1, sizeof(*o.assignment));
		status = o.assignment ? sort_operands(&o, n, argv) : EXIT_HOST_FAILED;
		if (!status)
			status = create(&o);
	}
	free(o.assignment);
	free(o.argv);
	return status;
}

const struct verb verb_create = {
	.name = "create",
	.operands = "FILE [KEY=VALUE]...",
	.summary = "create a domain from a configuration file for xl",
	.more = "FILE is in the language of xl.cfg(5); KEY=VALUE is added to it, with the\n"
		"quotes that the language wants: 'memory=1024; extra=\"quiet\"'.\n"
		"The domain runs in the background, and what it has to say goes to\n"
		"/var/log/xenolith/NAME.log for root, else to xenolith/NAME.log in\n"
		"$XDG_STATE_HOME. The exit status is 0 when the domain is up; with -F it\n"
		"is that of 'run'.\n",
	.options = options,
	.run = run,
};
