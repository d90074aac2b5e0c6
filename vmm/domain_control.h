/*
 * What an administrator asks of a running domain, as libxl does it: through the
 * domain's nodes in xenstore, which the guest's kernel watches, and its limits. The
 * guest may take its time, or never obey. All of it in the event loop's thread.
 */
#ifndef VMM_DOMAIN_CONTROL_H
#define VMM_DOMAIN_CONTROL_H

#include "devices/device.h"

/* What libxl lets a domain own beyond its target (LIBXL_MAXMEM_CONSTANT). */
#define MEMORY_SLACK_FRAMES (1ul << (20 - PAGE_SHIFT))

/* `xl mem-set`: memory/target, and not more than that (and the slack) can be had from
 * now on. -EINVAL: above memory/static-max. -ENOENT: the domain has no such nodes. */
int domain_set_memory_target(struct xenstore *xs, struct domain *d, uint64_t kib);

/* `xl shutdown`, `xl reboot`. The guest answers by emptying the node, see
 * domain_control_pending(). -EBUSY: it has not yet taken the last one. */
enum domain_order { ORDER_POWEROFF, ORDER_REBOOT, ORDER_HALT };
int domain_order(struct xenstore *xs, const struct domain *d, enum domain_order order);
/* Is there an order that the guest has not taken? */
bool domain_order_pending(struct xenstore *xs, const struct domain *d);

/* `xl sysrq`. -EINVAL: nothing that a key gives. */
int domain_sysrq(struct xenstore *xs, const struct domain *d, char key);

/* `xl vcpu-set`: the first `online` of its vcpus are to be up, the others down.
 * -EINVAL: none, or more than it has. */
int domain_set_vcpus(struct xenstore *xs, const struct domain *d, unsigned online);

/* Looks after who asks the guest to suspend itself. There is nowhere to save it to, so it
 * goes on at once, as after `xl save -c`: its drivers freeze and thaw. `c` must outlive the
 * store. 0 or -ENOMEM. */
struct domain_control {
	struct xenstore *xs;
	struct domain *domain;
};
int domain_control_start(struct domain_control *c, struct xenstore *xs, struct domain *d);

#endif
