/*
 * Errors that a function reports by itself. The frontend is asked, step by step, as Linux
 * asks its drivers (pcie/err.c, pcie_do_recovery; xen-pciback/pci_stub.c): error detected;
 * a fatal one resets the function; MMIO works again, or the slot was reset; resume. What the
 * guest answers is a pci_ers_result_t, and decides what comes next.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/pciback_internal.h"

#define MAX_REPORTS 16

/* Linux: include/linux/pci.h, pci_ers_result_t and pci_channel_state_t. */
enum { ERS_NONE = 1, ERS_CAN_RECOVER, ERS_NEED_RESET, ERS_DISCONNECT, ERS_RECOVERED };
enum { IO_NORMAL = 1, IO_FROZEN, IO_PERM_FAILURE };

static const char *const step_names[] = {
	[XEN_PCI_OP_aer_detected] = "error detected",
	[XEN_PCI_OP_aer_mmio] = "mmio enabled",
	[XEN_PCI_OP_aer_slotreset] = "slot reset",
	[XEN_PCI_OP_aer_resume] = "resume",
};

static void report(struct pciback *p, const struct pci_fn *fn, const char *what)
{
	if (p->recovery.reports++ < MAX_REPORTS)
		domain_log(p->b.domain, LOG_WARN, "pci 0: %s: %s", fn->f.device->name, what);
}

static void set_timer(struct pciback *p, unsigned seconds)
{
	struct itimerspec t = {{0, 0}, {(time_t)seconds, 0}};

	if (p->recovery.timer_fd >= 0)
		timerfd_settime(p->recovery.timer_fd, 0, &t, NULL);
}

/* What a step is taken to have answered that nobody answers. */
static int unanswered(uint32_t cmd)
{
	return cmd == XEN_PCI_OP_aer_detected ? ERS_CAN_RECOVER : ERS_RECOVERED;
}

/* Tells the tools that the guest cannot deal with it: all that Linux does (aerState). */
static void give_up(struct pciback *p)
{
	backend_write(&p->b, "aerState", "aerfail");
}

/* ---- one request ---- */

/* False: the frontend cannot be asked. */
static bool request(struct pciback *p, uint32_t cmd)
{
	struct pci_recovery *r = &p->recovery;
	const struct host_bdf *g = &r->fn->f.guest;
	int32_t state = r->failed ? IO_PERM_FAILURE : r->fatal ? IO_FROZEN : IO_NORMAL;

	r->cmd = cmd;
	if (!p->shared || !r->fn->exported ||
	    !(__atomic_load_n(&p->shared->flags, __ATOMIC_SEQ_CST) & XEN_PCIB_AERHANDLER)) {
		give_up(p);
		return false;
	}
	volatile struct xen_pcie_aer_op *op = &p->shared->aer_op;
	op->cmd = cmd;
	op->err = cmd == XEN_PCI_OP_aer_detected ? state : IO_NORMAL;
	op->domain = g->domain;
	op->bus = g->bus;
	op->devfn = pci_devfn(g);
	r->asked = true;
	p->stats.aer++;
	set_timer(p, p->patience_seconds);
	__atomic_fetch_or(&p->shared->flags, XEN_PCIB_active, __ATOMIC_SEQ_CST);
	evtchn_backend_send(p->b.domain, p->port);
	return true;
}

/* ---- the steps ---- */

static int reset(struct pci_fn *fn)
{
	struct pci_device *d = fn->f.device;
	int rc = d->ops->reset ? d->ops->reset(d) : -ENOTSUP;

	return rc ? rc : conf_space_restore(&fn->conf);
}

/* Linux: merge_result(); the guest may answer anything. */
static int merge(int before, int32_t answer)
{
	return answer == ERS_NONE ? before : answer;
}

static void finish(struct pciback *p, const char *how)
{
	report(p, p->recovery.fn, how);
	p->recovery.fn = NULL;
}

/* After `answer` to the last request: the next one; 0: that was all. */
static uint32_t next_step(struct pciback *p, int32_t answer)
{
	struct pci_recovery *r = &p->recovery;
	bool detected = r->cmd == XEN_PCI_OP_aer_detected;
	int status = merge(detected ? ERS_CAN_RECOVER : ERS_RECOVERED, answer);

	if (r->cmd == XEN_PCI_OP_aer_resume) {
		conf_space_clear_errors(&r->fn->conf, false);
		finish(p, "recovered");
		return 0;
	}
	if (r->failed) {
		finish(p, "not recovered");
		return 0;
	}
	if (detected && r->fatal && reset(r->fn))
		status = ERS_DISCONNECT;
	if (status == ERS_CAN_RECOVER && detected)
		return XEN_PCI_OP_aer_mmio;
	if (status == ERS_NEED_RESET && r->cmd != XEN_PCI_OP_aer_slotreset)
		return XEN_PCI_OP_aer_slotreset;
	if (status == ERS_RECOVERED)
		return XEN_PCI_OP_aer_resume;
	r->failed = true;
	return XEN_PCI_OP_aer_detected;
}

/* Another function's error. */
static bool begin(struct pciback *p)
{
	struct pci_recovery *r = &p->recovery;

	for (unsigned i = 0; !r->fn && i < p->nr; i++)
		if (p->fn[i]->has_error && p->fn[i]->f.device)
			r->fn = p->fn[i];
	if (!r->fn)
		return false;
	r->fn->has_error = r->failed = false;
	r->fatal = r->fn->error == PCI_AER_FATAL;
	report(p, r->fn, r->fatal ? "a fatal error" : "an error that is not fatal");
	return true;
}

/* Goes on until the frontend has to answer, or there is nothing to do. cmd: 0, or the next
 * request. */
static void go_on(struct pciback *p, uint32_t cmd)
{
	while (!p->recovery.asked) {
		if (!cmd) {
			if (p->recovery.fn || !begin(p))
				return;
			cmd = XEN_PCI_OP_aer_detected;
		}
		if (!request(p, cmd))
			cmd = next_step(p, unanswered(cmd));
	}
}

static void answered(struct pciback *p, int32_t answer)
{
	struct pci_recovery *r = &p->recovery;
	uint32_t cmd = 0;

	r->asked = false;
	set_timer(p, 0);
	if (r->fn)
		cmd = next_step(p, answer);
	go_on(p, cmd);
}

void pciback_aer_answered(struct pciback *p)
{
	struct pci_recovery *r = &p->recovery;

	if (!p->shared || !r->asked ||
	    (__atomic_load_n(&p->shared->flags, __ATOMIC_SEQ_CST) & XEN_PCIB_active))
		return;
	int32_t answer = __atomic_load_n(&p->shared->aer_op.err, __ATOMIC_RELAXED);
	if (r->cmd != XEN_PCI_OP_aer_resume && (answer == ERS_NONE || answer == ERS_DISCONNECT))
		give_up(p);
	answered(p, answer);
}

static void on_timer(void *arg, uint32_t events)
{
	struct pciback *p = arg;
	struct pci_recovery *r = &p->recovery;
	char text[80];
	uint64_t n;

	if (read(r->timer_fd, &n, sizeof(n)) < 0 || !r->asked || !p->shared)
		return;
	__atomic_fetch_and(&p->shared->flags, ~(uint32_t)XEN_PCIB_active, __ATOMIC_SEQ_CST);
	__atomic_store_n(&p->shared->aer_op.err, ERS_NONE, __ATOMIC_RELAXED);
	p->stats.aer_unanswered++;
	snprintf(text, sizeof(text), "the frontend does not answer to '%s'", step_names[r->cmd]);
	if (r->fn)
		report(p, r->fn, text);
	answered(p, unanswered(r->cmd));
}

static bool open_timer(struct pciback *p)
{
	struct pci_recovery *r = &p->recovery;

	if (r->timer_fd >= 0)
		return true;
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return r->timer_fd >= 0 &&
	       !event_loop_add(p->params.loop, r->timer_fd, EPOLLIN, on_timer, p);
}

void pciback_error(struct pci_fn *fn, enum pci_aer_severity severity)
{
	struct pciback *p = fn->pciback;
	struct pci_recovery *r = &p->recovery;

	if (severity == PCI_AER_CORRECTABLE) {
		fn->corrected = true;
	} else if (r->fn == fn && (r->fatal || severity != PCI_AER_FATAL)) {
		/* An error on the way out of another that is as bad is the same one. */
		return;
	} else {
		if (!fn->has_error || severity == PCI_AER_FATAL)
			fn->error = severity;
		fn->has_error = true;
	}
	pciback_later(p);
}

void pciback_aer_begin(struct pciback *p)
{
	/* Nobody needs to do anything about one that was corrected. */
	for (unsigned i = 0; i < p->nr; i++)
		if (p->fn[i]->corrected && p->fn[i]->f.device) {
			p->fn[i]->corrected = false;
			conf_space_clear_errors(&p->fn[i]->conf, true);
		}
	if (p->live && !p->recovery.fn && open_timer(p))
		go_on(p, 0);
}

void pciback_aer_forget(struct pciback *p, struct pci_fn *fn)
{
	struct pci_recovery *r = &p->recovery;

	for (unsigned i = 0; i < p->nr; i++)
		if (!fn || p->fn[i] == fn)
			p->fn[i]->has_error = false;
	if (!fn) {
		r->asked = false;
		r->fn = NULL;
		set_timer(p, 0);
	} else if (r->fn == fn) {
		/* The page is free again when this is answered. */
		r->fn = NULL;
		go_on(p, 0);
	}
}

void pciback_aer_close(struct pciback *p)
{
	if (p->recovery.timer_fd < 0)
		return;
	event_loop_del(p->params.loop, p->recovery.timer_fd);
	close(p->recovery.timer_fd);
	p->recovery.timer_fd = -1;
}
