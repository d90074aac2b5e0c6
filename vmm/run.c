/*
 * `xenolith run`: one domain from its kernel file to its exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pvabi/grant_table.h"
#include "vmm/bell.h"
#include "vmm/dump/core_dump.h"
#include "vmm/gdb/gdb.h"
#include "vmm/emulate/pit.h"
#include "vmm/control/cpu_list.h"
#include "vmm/io_space.h"
#include "vmm/resident/resident.h"
#include "vmm/resident/ring3.h"
#include "vmm/inspect/watch.h"
#include "vmm/run_internal.h"

/* What xl gives a domain (xl.cfg: event_channels). */
#define XL_MAX_EVTCHN_PORT 1023

static void random_handle(xen_domain_handle_t h)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (read(fd, h, sizeof(xen_domain_handle_t)) < 0)
			memset(h, 0, sizeof(xen_domain_handle_t));
		close(fd);
	}
	h[6] = (h[6] & 0x0f) | 0x40; /* RFC 4122: version 4, variant 1 */
	h[8] = (h[8] & 0x3f) | 0x80;
}

/* Where CPL 0 is native the resident monitor is there, else at CPL 3. */
static int place_resident(struct run *r, enum monitor_strength choice)
{
	struct machine *m = &r->machine;
	struct monitor *mon = &r->guest.monitor;
	const char *refusal = resident_refusal(&m->host);

	if (choice == MONITOR_FORWARD)
		return 0;
	if (!refusal) {
		bells_create(m);
		return resident_create(m, mon, &r->err);
	}
	if (!ring3_refusal(&m->host))
		return ring3_create(m, mon, &r->err);
	if (m->host.syscall_faults)
		refusal = ring3_refusal(&m->host);
	return choice == MONITOR_AUTO
		       ? 0
		       : error_set(&r->err, -EINVAL, "--monitor=resident: %s; use --monitor=auto",
				   refusal);
}

static int create_domain(struct run *r)
{
	const struct run_options *o = r->o;
	struct machine *m = &r->machine;
	struct guest *g = &r->guest;
	uint64_t populated = o->memory_mib << (20 - PAGE_SHIFT);
	uint64_t max_frames = o->maxmem_mib << (20 - PAGE_SHIFT);
	struct machine_layout l;

	machine_lay_out(o, &l);
	const struct machine_memory mem = {
		.size = (l.heap_start + l.heap_frames) * PAGE_SIZE,
		.hole_start = l.hole_start * PAGE_SIZE,
		.hole_size = l.hole_frames * PAGE_SIZE,
		.ram_end = l.heap_start * PAGE_SIZE,
		.shared = guest_shares_memory(o),
		.scattered = o->p2m == P2M_SHUFFLE,
		.huge_shift = o->huge_shift,
	};
	int rc = machine_create(m, &mem, &r->err);
	if (rc)
		return rc;
	run_show_memory(r);
	m->io = io_space_create();
	if (!m->io)
		return error_set(&r->err, -ENOMEM, "out of memory");

	struct domain_config dc = {
		.domid = r->domid,
		.name = r->name,
		.profile = o->profile->id,
		.nr_vcpus = o->max_vcpus,
		.nr_ram = l.ram,
		.nr_populated = populated,
		.hole_start = l.hole_start,
		.hole_frames = l.hole_frames,
		.spare_frames = l.spare_frames,
		.heap_frames = l.heap_frames,
		.heap_start = l.heap_start,
		.memory = m->memory,
		.grants = o->grants,
	};
	if (o->has_uuid)
		memcpy(dc.handle, o->uuid, sizeof(dc.handle));
	else
		random_handle(dc.handle);
	g->machine = m;
	g->log_level = o->log_level;
	g->time_offset = o->time_offset;
	g->domain = domain_create(&dc, &vmm_host_ops, g);
	if (!g->domain)
		return error_set(&r->err, -errno, "cannot create the domain: %s", strerror(errno));
	g->domain->max_evtchn_port = o->max_evtchn_port ? o->max_evtchn_port : XL_MAX_EVTCHN_PORT;
	g->domain->max_pages = populated + MEMORY_SLACK_FRAMES;
	g->domain->map_pages = max_frames;
	if (guest_wants_hole(o) &&
	    domain_map_hole(g->domain, PCI_WINDOW_START >> PAGE_SHIFT, PCI_WINDOW_END >> PAGE_SHIFT,
			    populated, max_frames - populated))
		return error_set(&r->err, -ENOMEM, "out of memory");
	rc = monitor_create(&g->monitor, g->domain,
			    m->host.slot256_usable ? MON_SLOT_M2P : MON_SLOT_M2P_LOW);
	if (rc)
		return error_set(&r->err, rc, "cannot place the monitor: %s", strerror(-rc));
	rc = place_resident(r, o->monitor);
	if (rc)
		return rc;
	clock_start(&g->clock, m->host.tsc_khz, m->host.tsc_offset);
	g->clock.is_virtual = o->virtual_time;
	g->clock.quantum = o->time_quantum;
	/* Linux takes the TSC's frequency from what it is told of the clock. */
	g->clock.stands = strncmp(r->kernel.notes.guest_os, "linux", 5) != 0;
	g->tracer = tracer_create(g->domain);
	if (!g->tracer)
		return error_set(&r->err, -ENOMEM, "cannot make a tracer");
	return 0;
}

static void on_xcr0(struct vcpu *v, uint64_t xcr0)
{
	struct guest *g = domain_guest(v->domain);

	/* Where CPL 3 sees the processor's own XCR0 nothing can be set. */
	if (!g->machine->host.cpuid_native)
		cpu_set_xcr0(vcpu_cpu(v), xcr0);
}

static void on_segment_bases(struct vcpu *v)
{
	/* cpu_enter compares the bases every time. */
}

static uint64_t on_read_tsc(struct vcpu *v)
{
	return clock_tsc(&domain_guest(v->domain)->clock);
}

static void create_emulator(struct run *r)
{
	struct guest *g = &r->guest;
	const struct host_features *h = &r->machine.host;

	cpuid_policy_build(&g->cpuid, g->domain,
			   h->cpuid_native ? NULL : r->machine.supported_cpuid, h->tsc_khz);
	g->emulate = (struct emulate_env){
		.cpuid = &g->cpuid,
		.xcr0_changed = on_xcr0,
		.segment_bases_changed = on_segment_bases,
		.read_tsc = on_read_tsc,
		.pit = pit_create(),
		.latches = &g->latches,
		.io = r->machine.io,
		.xcr0 = g->xcr0,
		.counts = g->emulated,
	};
}

static void on_signal(void *arg, uint32_t events)
{
	struct run *r = arg;
	struct signalfd_siginfo si;

	if (read(r->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		atomic_store(&r->ended_by, (int)si.ssi_signo);
		guest_stop(&r->guest);
	}
}

/* The guest hears of its devices where its work is the same in every run. */
static int defer_events(struct run *r)
{
	struct domain *d = r->guest.domain;

	if (!r->o->virtual_time)
		return 0;
	d->deferred = calloc(2 * EVTCHN_DEFERRED_WORDS, sizeof(*d->deferred));
	int rc = d->deferred ? quiesce_init(&r->guest.quiesce, r->loop, d) : -ENOMEM;
	return rc ? error_set(&r->err, rc, "no virtual time: %s", strerror(-rc)) : 0;
}

static int create_devices(struct run *r)
{
	struct guest *g = &r->guest;

	r->store_port = xenstore_bind_port(r->xenstore, g->domain);
	r->console_port = console_bind_port(g->console, g->domain);
	if (r->store_port < 0 || r->console_port < 0)
		return error_set(&r->err, -EIO, "cannot bind the store and console ports");
	int rc = event_loop_add(r->loop, r->signal_fd, EPOLLIN, on_signal, r);
	return rc ? rc : defer_events(r);
}

static int create_cpus(struct run *r)
{
	struct guest *g = &r->guest;
	const struct kvm_cpuid2 *processor =
		r->machine.host.cpuid_native ? r->machine.supported_cpuid : NULL;
	const unsigned max = CPUID_POLICY_MAX + MACHINE_CPUID_MAX;
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + max * sizeof(struct kvm_cpuid_entry2));
	int rc = 0;

	if (!cpuid)
		return error_set(&r->err, -ENOMEM, "out of memory");
	for (unsigned i = 0; !rc && i < g->domain->nr_vcpus; i++) {
		struct vcpu *v = g->domain->vcpu[i];
		cpuid_policy_to_kvm(&g->cpuid, v, processor, cpuid, max);
		if (r->machine.bells)
			bell_cpuid(&r->machine, cpuid);
		rc = cpu_create(&r->cpus[i], &r->machine, &g->monitor, v, cpuid, &r->err);
		if (!rc) {
			g->cpu[i] = &r->cpus[i];
			g->xcr0[i] = r->machine.host.cpuid_native ? g->cpuid.xcr0_mask : 1;
			cpu_set_xcr0(&r->cpus[i], g->xcr0[i] ? g->xcr0[i] : 1);
		}
	}
	free(cpuid);
	return rc;
}

/* A list that is wrong or for another host was told of by whoever set it. */
static void pin(const struct run *r, unsigned i)
{
	cpu_set_t set;
	struct error err;

	if (r->o->cpus[i] && !cpu_list_parse(r->o->cpus[i], &set, &err))
		pthread_setaffinity_np(r->cpus[i].thread, sizeof(set), &set);
}

static int start_threads(struct run *r)
{
	struct guest *g = &r->guest;

	int rc = run_job_end(&r->memory_job);
	if (rc)
		return rc;
	domain_wallclock_update(g->domain);
	if (r->o->paused)
		domain_pause(g->domain);
	domain_lock(g->domain);
	vcpu_up(g->domain->vcpu[0]);
	domain_unlock(g->domain);
	for (unsigned i = 0; i < g->domain->nr_vcpus; i++) {
		rc = pthread_create(&r->cpus[i].thread, NULL, vcpu_thread, &r->cpus[i]);
		if (rc)
			return error_set(&r->err, -rc, "cannot start a thread for vcpu %u: %s", i,
					 strerror(rc));
		r->nr_threads++;
		pin(r, i);
	}
	if (r->o->watch) {
		const struct inspect_target t = {.guest = g, .xenstore = r->xenstore};

		g->watchdog = watchdog_create(r->loop, &t, r->o->watch, true);
		if (!g->watchdog)
			return error_set(&r->err, -ENOMEM, "cannot start the watchdog");
	}
	rc = event_loop_start(r->loop);
	return rc ? error_set(&r->err, rc, "cannot start the event loop: %s", strerror(-rc)) : 0;
}

static void wait_for_end(struct run *r)
{
	struct pollfd p = {.fd = r->guest.end_fd, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

static void stop_threads(struct run *r)
{
	if (!r->nr_threads)
		return;
	guest_stop(&r->guest);
	for (unsigned i = 0; i < r->nr_threads; i++)
		pthread_join(r->cpus[i].thread, NULL);
	atomic_store(&r->guest.ended, true);
}

/* on_crash="coredump-destroy" and the like. What cannot be written is told, and the domain
 * goes the way that it would have gone. */
static void dump_core(struct run *r)
{
	const struct run_hooks *h = &r->o->hooks;
	const struct domain *d = r->guest.domain;
	struct core_dump c = {.guest = NULL};
	const char *path;

	if (!atomic_load(&d->is_shut_down) || atomic_load(&r->guest.host_failed) || !h->core_dump)
		return;
	path = h->core_dump(h->arg, d->shutdown_code);
	if (!path)
		return;
	run_doing(r, "writing a core dump");
	int rc = core_dump_prepare(&c, &r->guest, path, &r->err);
	if (!rc)
		rc = core_dump_write(&c, &r->err);
	core_dump_free(&c);
	if (rc)
		run_say(r, LOG_ERROR, r->err.text);
	else if (r->o->log_level >= LOG_WARN)
		fprintf(stderr, "xenolith: %s: its core dump is %s\n", d->name, path);
}

/* A crash is the debugger's first, until that has seen enough of it. */
static void let_gdb_look(struct run *r)
{
	struct guest *g = &r->guest;
	struct gdb_server *s = atomic_load(&g->gdb);
	eventfd_t n;

	if (!s || !atomic_load(&g->domain->is_shut_down) || atomic_load(&g->host_failed) ||
	    g->domain->shutdown_code != SHUTDOWN_crash || atomic_load(&r->ended_by))
		return;
	eventfd_read(g->end_fd, &n);
	if (!gdb_server_crashed(s) || atomic_load(&r->ended_by))
		guest_stop(g);
	wait_for_end(r);
}

/* on_crash="preserve" and the like: what is left can be looked at. */
static void preserve(struct run *r)
{
	const struct run_hooks *h = &r->o->hooks;
	const struct domain *d = r->guest.domain;
	eventfd_t n;

	if (!atomic_load(&d->is_shut_down) || atomic_load(&r->guest.host_failed) ||
	    atomic_load(&r->ended_by) || !h->preserve || !h->preserve(h->arg, d->shutdown_code))
		return;
	eventfd_read(r->guest.end_fd, &n);
	/* Whoever wanted its end while it shut down, too. */
	if (!atomic_load(&r->ended_by))
		wait_for_end(r);
}

static void clean_up(struct run *r)
{
	struct guest *g = &r->guest;

	run_job_end(&r->host_job);
	run_job_end(&r->ramdisk_job);
	run_job_end(&r->memory_job);
	if (r->loop)
		event_loop_stop(r->loop);
	core_job_end(g);
	if (r->server)
		control_end(r->server, run_how_it_ended(r));
	if (atomic_load(&g->gdb)) {
		gdb_server_end(g->gdb, g->domain && atomic_load(&g->domain->is_shut_down)
					       ? (int)g->domain->shutdown_code
					       : -1);
		gdb_server_destroy(g->gdb);
	}
	watchdog_destroy(g->watchdog);
	g->watchdog = NULL;
	guest_devices_destroy(&g->devices);
	injector_destroy(g->injector);
	quiesce_close(&g->quiesce);
	if (g->domain)
		run_check_grants(r);
	if (r->loop)
		event_loop_destroy(r->loop);
	if (g->console)
		console_destroy(g->console);
	if (r->xenstore)
		xenstore_destroy(r->xenstore);
	runtime_dir_close(&r->dir);
	if (r->server)
		control_destroy(r->server);
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		if (g->cpu[i])
			cpu_destroy(g->cpu[i]);
	if (g->emulate.pit)
		pit_destroy(g->emulate.pit);
	tracer_destroy(g->tracer);
	if (g->domain)
		free(g->domain->deferred);
	resident_destroy(&g->monitor);
	ring3_destroy(&g->monitor);
	if (g->domain)
		domain_destroy(g->domain);
	if (r->have_kernel)
		kernel_image_free(&r->kernel);
	run_drop_ramdisk(r);
	io_space_destroy(r->machine.io);
	machine_destroy(&r->machine);
	if (g->end_fd > 0)
		close(g->end_fd);
	if (g->look_fd > 0)
		close(g->look_fd);
	if (r->signal_fd > 0)
		close(r->signal_fd);
	log_ring_free(&g->log);
}

static int start_faults(struct run *r)
{
	const struct inject_options *o = &r->o->inject;

	if (!o->nr_rules && !o->replay)
		return 0;
	r->guest.injector = injector_create(&r->guest, r->loop, r->xenstore, o, &r->err);
	return r->guest.injector ? 0 : -1;
}

static int start_trace(struct run *r)
{
	struct trace_options o = r->o->trace;
	char path[DOMAIN_NAME_LIMIT + 8];

	if (!r->o->traced)
		return 0;
	if (!o.path) {
		snprintf(path, sizeof(path), "%s.trace%s", r->name,
			 o.format == TRACE_JSON ? ".json" : "");
		o.path = path;
	}
	return tracer_start(r->guest.tracer, &o, &r->err) < 0 ? -1 : 0;
}

/* One of the steps, in the profile. */
static int step(struct run *r, const char *phase, int (*f)(struct run *r))
{
	uint64_t from = stats_now();
	int rc = f(r);

	start_profile_add(&r->profile, phase, from);
	return rc;
}

/* Options that do not go together. */
static int check_options(struct run *r)
{
	const struct run_options *o = r->o;

	if (o->virtual_time && o->max_vcpus > 1)
		return error_set(&r->err, -EINVAL,
				 "virtual time is for domains with one vcpu, not %u", o->max_vcpus);
	if (o->huge_shift && o->memory_mib << 20 < 1UL << o->huge_shift)
		return error_set(
			&r->err, -EINVAL,
			"huge pages of 1 GiB are for domains of at least that size, not %lu "
			"MiB",
			(unsigned long)o->memory_mib);
	if (o->huge_shift > 21 && guest_shares_memory(o))
		return error_set(
			&r->err, -EINVAL,
			"memory that a device's process maps, too, can be in huge pages of 2 "
			"MiB, not of 1 GiB");
	return 0;
}

static int run_steps(struct run *r)
{
	if (check_options(r))
		return EXIT_BAD_USAGE;
	run_open_host(r);
	if (run_load_files(r) || step(r, "name", run_take_name))
		return EXIT_BAD_USAGE;
	run_doing(r, "asking KVM what it can do");
	if (run_job_end(&r->host_job) || step(r, "domain", create_domain))
		return EXIT_HOST_FAILED;
	create_emulator(r);
	if (step(r, "console", run_create_console))
		return r->o->console == CONSOLE_FILE || r->o->console == CONSOLE_SOCKET
			       ? EXIT_BAD_USAGE
			       : EXIT_HOST_FAILED;
	if (step(r, "xenstore", run_create_xenstore))
		return r->o->xenstore_path ? EXIT_BAD_USAGE : EXIT_HOST_FAILED;
	if (create_devices(r))
		return EXIT_HOST_FAILED;
	if (start_trace(r) || start_faults(r))
		return EXIT_BAD_USAGE;
	if (step(r, "build", run_build))
		return EXIT_BAD_USAGE;
	if (step(r, "vcpus", create_cpus))
		return EXIT_HOST_FAILED;
	if (run_create_gdb(r))
		return EXIT_BAD_USAGE;
	if (step(r, "threads", start_threads))
		return EXIT_HOST_FAILED;
	return 0;
}

int domain_run(const struct run_options *o, struct run_result *result)
{
	struct run *r = calloc(1, sizeof(*r));
	sigset_t signals;

	if (result)
		*result = (struct run_result){0};
	if (!r)
		return EXIT_HOST_FAILED;
	r->o = o;
	r->profile.begin = stats_now();
	log_ring_init(&r->guest.log, r->profile.begin);
	r->machine.vm_fd = r->machine.kvm_fd = r->machine.memory_fd = -1;
	r->dir.fd = r->ramdisk_fd = -1;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a disk larger than the user's limit is an error */
	cpu_install_kick_handler();
	r->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	r->guest.end_fd = eventfd(0, EFD_CLOEXEC);

	int rc = run_steps(r);
	if (!rc) {
		r->up = stats_now();
		if (o->stats)
			stats_sample(&r->guest, &r->profile);
		if (o->hooks.up)
			o->hooks.up(o->hooks.arg, r->name, r->guest.domain->domid);
		wait_for_end(r);
		stop_threads(r);
		console_drain(r->guest.console);
		console_restore_terminal();
		rc = run_outcome(r);
		run_tell_faults(r);
		run_tell_losses(r);
		xenstore_domain_shut_down(r->xenstore, r->guest.domain->domid);
		dump_core(r);
		let_gdb_look(r);
		preserve(r);
		if (o->stats && stats_print(&r->guest, &r->profile, o->stats_file, &r->err)) {
			fprintf(stderr, "xenolith: %s\n", r->err.text);
			rc = rc ? rc : EXIT_HOST_FAILED;
		}
	} else {
		stop_threads(r);
		console_restore_terminal();
		fprintf(stderr, "xenolith: %s\n", r->err.text);
	}
	if (result)
		run_fill_result(r, result);
	clean_up(r);
	free(r);
	return rc;
}
