/*
 * The test card's interrupts, and what it does by itself in the event loop's thread: storms,
 * the doorbell, errors that are reported, and its going.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/device.h"
#include "devices/pci/testcard_internal.h"

#define STORM_MAX 1000 /* a ms */

/* True when the interrupt of a cause is not sent. */
static bool is_lost(struct testcard *t)
{
	if (!(t->fault & TESTCARD_FAULT_MUTE)) {
		if (!t->lose)
			return false;
		t->lose--;
	}
	t->total_lost++;
	return true;
}

static void count(struct testcard *t)
{
	t->sent++;
	t->total_sent++;
}

void testcard_intx_update(struct testcard *t)
{
	bool wanted = (t->cause & t->enable & ~t->lost) || t->fault & TESTCARD_FAULT_STUCK;
	bool on = t->options.intx && !t->msix && !t->nr_msi && !t->removed;

	if (t->intx == (wanted && on))
		return;
	t->intx = wanted && on;
	if (t->intx)
		count(t);
	pci_config_set_intx(&t->config, t->intx);
	pci_intx(&t->d, t->intx);
}

void testcard_raise(struct testcard *t, uint32_t causes)
{
	t->cause |= causes & ((1u << TESTCARD_CAUSES) - 1);
	for (unsigned n = 0; n < TESTCARD_CAUSES; n++) {
		if (!(causes & t->enable & 1u << n))
			continue;
		if (is_lost(t)) {
			t->lost |= 1u << n;
			continue;
		}
		t->lost &= ~(1u << n);
		if (t->msix) {
			count(t);
			pci_msix(&t->d, n);
		} else if (t->nr_msi) {
			count(t);
			pci_msi(&t->d, n % t->nr_msi);
		}
	}
	testcard_intx_update(t);
}

/* ---- in the event loop's thread ---- */

void testcard_work(struct testcard *t)
{
	eventfd_write(t->work_fd, 1);
}

static void report(struct testcard *t, uint32_t error)
{
	static const uint32_t header[4] = {0x4a000001, 0x00000004, 0x01000000, 0};
	enum pci_aer_severity severity = PCI_AER_CORRECTABLE;

	if (error == 1)
		pci_config_report_correctable(&t->config, PCI_ERR_COR_BAD_TLP);
	else if (error == 2)
		severity =
			pci_config_report_uncorrectable(&t->config, PCI_ERR_UNC_COMP_TIME, header);
	else
		severity =
			pci_config_report_uncorrectable(&t->config, PCI_ERR_UNC_MALF_TLP, header);
	pci_aer(&t->d, severity);
}

static void on_work(void *arg, uint32_t events)
{
	struct testcard *t = arg;
	eventfd_t n;

	eventfd_read(t->work_fd, &n);
	pthread_mutex_lock(&t->lock);
	uint32_t error = t->error;
	bool leaves = t->leaves;
	t->error = 0;
	t->leaves = false;
	pthread_mutex_unlock(&t->lock);
	if (error && t->config.aer)
		report(t, error);
	if (leaves)
		pci_leave(&t->d);
}

static void on_bell(void *arg, uint32_t events)
{
	struct testcard *t = arg;
	eventfd_t n;

	if (eventfd_read(t->bell_fd, &n))
		return;
	pthread_mutex_lock(&t->lock);
	t->bells += (uint32_t)n;
	testcard_raise(t, 2);
	pthread_mutex_unlock(&t->lock);
}

void testcard_storm_update(struct testcard *t)
{
	struct itimerspec ms = {.it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	struct itimerspec off = {.it_value.tv_nsec = 0};

	if (t->storm > STORM_MAX)
		t->storm = STORM_MAX;
	if (t->timer_is_set == (t->storm && !t->removed))
		return;
	t->timer_is_set = !t->timer_is_set;
	timerfd_settime(t->timer_fd, 0, t->timer_is_set ? &ms : &off, NULL);
}

static void on_timer(void *arg, uint32_t events)
{
	struct testcard *t = arg;
	uint64_t n;

	if (read(t->timer_fd, &n, sizeof(n)) != sizeof(n))
		return;
	/* What was missed, because the loop was busy, is not made up for. */
	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < t->storm; i++)
		testcard_raise(t, 1);
	pthread_mutex_unlock(&t->lock);
}

static int watch(struct testcard *t, int fd, void (*fn)(void *, uint32_t))
{
	return fd < 0 ? -errno : event_loop_add(t->d.host->loop, fd, EPOLLIN, fn, t);
}

int testcard_irq_open(struct testcard *t)
{
	int rc = watch(t, t->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_bell);

	if (!rc)
		rc = watch(t, t->work_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_work);
	if (!rc)
		rc = watch(t,
			   t->timer_fd =
				   timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
			   on_timer);
	return rc;
}

void testcard_irq_close(struct testcard *t)
{
	int fds[] = {t->bell_fd, t->work_fd, t->timer_fd};

	for (unsigned i = 0; i < 3; i++) {
		if (fds[i] < 0)
			continue;
		event_loop_del(t->d.host->loop, fds[i]);
		close(fds[i]);
	}
}
