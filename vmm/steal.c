/*
 * Steal time: for how long the host's scheduler let a running vcpu's thread wait. Linux
 * counts it for each thread in /proc/thread-self/schedstat (time on the processor, time
 * waiting for one, ..., in ns; Documentation/scheduler/sched-stats.rst). The guest sees
 * it as time in RUNSTATE_runnable.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "vmm/vcpu.h"

#define PERIOD 10000000u /* ns of system time between two looks */
#define SELDOM \
	16 /* periods more, when nothing is stolen, before a vcpu must leave the guest for it */
#define SHORT 1000000u /* ns: who ran for less before it rests is not looked at */

static bool waited(const struct cpu *c, uint64_t *ns)
{
	char text[96];
	ssize_t n = c->steal_fd < 0 ? -1 : pread(c->steal_fd, text, sizeof(text) - 1, 0);
	unsigned long ran, delay;

	if (n <= 0)
		return false;
	text[n] = 0;
	if (sscanf(text, "%lu %lu", &ran, &delay) != 2)
		return false;
	*ns = delay;
	return true;
}

void steal_start(struct cpu *c)
{
	c->steal_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	steal_skip(c);
}

void steal_skip(struct cpu *c)
{
	waited(c, &c->steal_seen);
}

static void look(struct cpu *c, uint64_t now)
{
	uint64_t delay;

	c->steal_next = now + PERIOD;
	c->steal_none++;
	if (!waited(c, &delay) || delay <= c->steal_seen)
		return;
	c->steal_none = 0;
	vcpu_runstate_steal(c->vcpu, delay - c->steal_seen);
	c->steal_seen = delay;
}

void steal_account(struct cpu *c)
{
	struct domain *d = c->vcpu->domain;
	uint64_t now = d->ops->system_time(d);

	if (now >= c->steal_next)
		look(c, now);
}

uint64_t steal_look_at(const struct cpu *c)
{
	return c->steal_next + (c->steal_none < SELDOM ? c->steal_none : SELDOM) * PERIOD;
}

void steal_rest(struct cpu *c)
{
	struct domain *d = c->vcpu->domain;
	uint64_t now = d->ops->system_time(d);

	if (now - c->vcpu->runstate.state_entry_time >= SHORT)
		look(c, now);
}

void steal_stop(struct cpu *c)
{
	if (c->steal_fd >= 0)
		close(c->steal_fd);
	c->steal_fd = -1;
}
