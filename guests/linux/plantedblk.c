// SPDX-License-Identifier: MIT
/*
 * A frontend of a disk with a bug planted in it, for tests of what finds such bugs. It reads
 * 200 sectors, four at a time, and says how that went. Parameter `bug`:
 *
 *   none        it is right
 *   kick        after the 20th request it publishes requests and tells nobody
 *   grant       from the 20th request on, a page's grant is given back twice, and so is handed
 *               out twice
 *   barrier     the producer's index goes up before the request is written
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <xen/events.h>
#include <xen/grant_table.h>
#include <xen/interface/io/blkif.h>
#include <xen/interface/io/protocols.h>
#include <xen/page.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#define READS	 200
#define DEPTH	 4
#define BUG_FROM 20

static char *bug = "none";
module_param(bug, charp, 0444);
/* Seconds before the first request: time to set a breakpoint. */
static int wait;
module_param(wait, int, 0444);

struct planted {
	struct xenbus_device *dev;
	struct blkif_front_ring ring;
	struct blkif_sring *sring;
	grant_ref_t ring_ref;
	evtchn_port_t port;
	int irq;
	bool started;
	struct task_struct *thread;
	struct completion answered;
	struct page *page[DEPTH];
	grant_ref_t ref[DEPTH];
	unsigned int done, bad;
	spinlock_t lock;
};

static bool is_bug(const char *name, unsigned int nr)
{
	return nr >= BUG_FROM && !strcmp(bug, name);
}

static irqreturn_t on_event(int irq, void *arg)
{
	struct planted *p = arg;
	unsigned long flags;
	int more;

	spin_lock_irqsave(&p->lock, flags);
	do {
		RING_IDX prod = READ_ONCE(p->sring->rsp_prod);

		virt_rmb();
		while (p->ring.rsp_cons != prod) {
			struct blkif_response r;

			RING_COPY_RESPONSE(&p->ring, p->ring.rsp_cons, &r);
			p->ring.rsp_cons++;
			p->done++;
			if (r.status != BLKIF_RSP_OKAY)
				p->bad++;
		}
		RING_FINAL_CHECK_FOR_RESPONSES(&p->ring, more);
	} while (more);
	spin_unlock_irqrestore(&p->lock, flags);
	complete(&p->answered);
	return IRQ_HANDLED;
}

static void fill(struct planted *p, struct blkif_request *r, unsigned int nr)
{
	unsigned int i = nr % DEPTH;

	r->operation = BLKIF_OP_READ;
	r->u.rw.nr_segments = 1;
	r->u.rw.handle = 0;
	r->u.rw.id = nr;
	r->u.rw.sector_number = nr * 8;
	r->u.rw.seg[0].gref = p->ref[i];
	r->u.rw.seg[0].first_sect = 0;
	r->u.rw.seg[0].last_sect = 7;
}

/* DEPTH requests at once. */
static noinline void submit(struct planted *p, unsigned int nr)
{
	unsigned long flags;
	int notify;

	spin_lock_irqsave(&p->lock, flags);
	if (is_bug("barrier", nr)) {
		/* What a processor that may reorder stores can show to others. */
		RING_IDX at = p->ring.req_prod_pvt;

		p->ring.req_prod_pvt += DEPTH;
		RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&p->ring, notify);
		notify_remote_via_irq(p->irq);
		udelay(1000);
		for (unsigned int i = 0; i < DEPTH; i++)
			fill(p, RING_GET_REQUEST(&p->ring, at + i), nr + i);
	} else {
		for (unsigned int i = 0; i < DEPTH; i++)
			fill(p, RING_GET_REQUEST(&p->ring, p->ring.req_prod_pvt++), nr + i);
		RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&p->ring, notify);
		if (notify && !is_bug("kick", nr))
			notify_remote_via_irq(p->irq);
	}
	spin_unlock_irqrestore(&p->lock, flags);
}

static int reader(void *arg)
{
	struct planted *p = arg;
	unsigned long until;
	unsigned int nr;

	msleep(wait * 1000);
	for (unsigned int i = 0; i < DEPTH; i++) {
		p->page[i] = alloc_page(GFP_KERNEL);
		p->ref[i] = gnttab_grant_foreign_access(0, xen_page_to_gfn(p->page[i]), 0);
	}
	for (nr = 0; nr < READS && !kthread_should_stop(); nr += DEPTH) {
		if (is_bug("grant", nr)) {
			/* Given back once for the first page and once for the second, which has a
			 * grant of the same number next. */
			p->ref[1] = p->ref[0];
		}
		submit(p, nr);
		/* By time: completions of earlier answers may still be there. */
		until = jiffies + 10 * HZ;
		while (READ_ONCE(p->done) < nr + DEPTH && time_before(jiffies, until))
			wait_for_completion_timeout(&p->answered, HZ / 2);
		if (READ_ONCE(p->done) < nr + DEPTH) {
			pr_info("plantedblk: %u requests are not answered\n", nr + DEPTH - p->done);
			break;
		}
	}
	pr_info("plantedblk: %u reads, %u bad\n", p->done, p->bad);
	while (!kthread_should_stop())
		msleep(100);
	return 0;
}

static int probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	struct planted *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	p->dev = dev;
	spin_lock_init(&p->lock);
	init_completion(&p->answered);
	dev_set_drvdata(&dev->dev, p);
	return 0;
}

static int connect_ring(struct planted *p)
{
	int rc = xenbus_setup_ring(p->dev, GFP_NOIO, (void **)&p->sring, 1, &p->ring_ref);

	if (rc)
		return rc;
	XEN_FRONT_RING_INIT(&p->ring, p->sring, XEN_PAGE_SIZE);
	rc = xenbus_alloc_evtchn(p->dev, &p->port);
	if (!rc)
		rc = bind_evtchn_to_irqhandler(p->port, on_event, 0, "plantedblk", p);
	if (rc < 0)
		return rc;
	p->irq = rc;
	xenbus_printf(XBT_NIL, p->dev->nodename, "ring-ref", "%u", p->ring_ref);
	xenbus_printf(XBT_NIL, p->dev->nodename, "event-channel", "%u", p->port);
	xenbus_printf(XBT_NIL, p->dev->nodename, "protocol", "%s", XEN_IO_PROTO_ABI_NATIVE);
	return xenbus_switch_state(p->dev, XenbusStateInitialised);
}

static void changed(struct xenbus_device *dev, enum xenbus_state state)
{
	struct planted *p = dev_get_drvdata(&dev->dev);

	if (state == XenbusStateInitWait && !p->sring) {
		if (connect_ring(p))
			xenbus_dev_fatal(dev, -EIO, "no ring");
	} else if (state == XenbusStateConnected && !p->started) {
		p->started = true;
		xenbus_switch_state(dev, XenbusStateConnected);
		p->thread = kthread_run(reader, p, "plantedblk");
	} else if (state == XenbusStateClosing) {
		xenbus_frontend_closed(dev);
	}
}

static void gone(struct xenbus_device *dev)
{
}

static const struct xenbus_device_id ids[] = {{"vbd"}, {""}};

static struct xenbus_driver driver = {
	.ids = ids,
	.name = "plantedblk",
	.probe = probe,
	.remove = gone,
	.otherend_changed = changed,
};

static int __init planted_init(void)
{
	return xen_domain() ? xenbus_register_frontend(&driver) : -ENODEV;
}
module_init(planted_init);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_ALIAS("xen:vbd");
