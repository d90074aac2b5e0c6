/*
 * Answers that come late or never, for tests of frontends: functions ask for them
 * (pci_device.answer_delay). The request is carried out at once; what the guest waits for,
 * the page's contents, the flag and the event, comes when the time is over, whatever
 * the guest has done with the page meanwhile. Requests that came meanwhile are served then.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/pciback_internal.h"

static void on_timer(void *arg, uint32_t events)
{
	struct pciback *p = arg;
	uint64_t n;

	if (read(p->late.timer_fd, &n, sizeof(n)) != sizeof(n) || !p->late.pending)
		return;
	p->late.pending = false;
	if (!p->shared)
		return;
	pciback_answer(p, &p->late.op, 0);
	eventfd_write(p->event_fd, 1);
}

static int open_timer(struct pciback *p)
{
	if (p->late.timer_fd >= 0)
		return 0;
	p->late.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (p->late.timer_fd < 0)
		return -errno;
	return event_loop_add(p->params.loop, p->late.timer_fd, EPOLLIN, on_timer, p);
}

bool pciback_answer_in(struct pciback *p, const struct xen_pci_op *op, int64_t ns)
{
	struct itimerspec t = {{0, 0}, {ns / 1000000000, ns % 1000000000}};

	if (ns <= 0 || open_timer(p))
		return false;
	timerfd_settime(p->late.timer_fd, 0, &t, NULL);
	p->late.op = *op;
	p->late.pending = true;
	return true;
}

bool pciback_put_off(struct pciback *p, struct pci_fn *fn, const struct xen_pci_op *op)
{
	unsigned ms = fn && fn->f.device ? fn->f.device->answer_delay : 0;
	bool config = op->cmd == XEN_PCI_OP_conf_read || op->cmd == XEN_PCI_OP_conf_write;

	if (!ms || !config)
		return false;
	return ms == PCI_ANSWER_NEVER || pciback_answer_in(p, op, ms * 1000000ll);
}

void pciback_late_close(struct pciback *p)
{
	p->late.pending = false;
	if (p->late.timer_fd < 0)
		return;
	event_loop_del(p->params.loop, p->late.timer_fd);
	close(p->late.timer_fd);
	p->late.timer_fd = -1;
}
