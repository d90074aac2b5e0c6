/*
 * A domain's life: made with all its vcpus down, its Xen heap handed out frame
 * by frame, ended once by a shutdown or a crash, taken apart.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvabi/grant_table.h"
#include "pvabi/m2p.h"

/* Frames beyond RAM, but for its own, that the M2P must also be able to name: the
 * rest of the heap, the host's monitor, an alignment gap. */
#define M2P_SLACK_FRAMES (1ul << 16)

#define M2P_PER_FRAME (PAGE_SIZE / sizeof(uint64_t))

uint64_t domain_heap_frames(uint64_t nr_ram, unsigned nr_vcpus, const struct grant_limits *grants)
{
	/* One entry less a frame: the M2P also names the frames that it takes. */
	uint64_t m2p = (nr_ram + M2P_SLACK_FRAMES) / (M2P_PER_FRAME - 1) + 1;

	uint64_t frames = grants && grants->frames ? grants->frames : GRANT_FRAMES_DEFAULT;

	return 1 /* shared_info */ + frames + GRANT_STATUS_FRAMES(frames) + m2p;
}

uint64_t heap_alloc(struct domain *d, uint64_t nr, uint64_t align)
{
	uint64_t mfn = d->heap_next;

	if (!nr)
		return INVALID_MFN;
	if (align > 1 && mfn % align)
		mfn += align - mfn % align;
	if (mfn > d->nr_frames || nr > d->nr_frames - mfn)
		return INVALID_MFN;
	d->heap_next = mfn + nr;
	/* The host's memory starts zero-filled and the heap never takes back. */
	return mfn;
}

static int shared_info_create(struct domain *d)
{
	d->shared_info_mfn = heap_alloc(d, 1, 1);
	if (d->shared_info_mfn == INVALID_MFN)
		return -ENOMEM;
	d->shared_info = frame_ptr(d, d->shared_info_mfn);
	/* tools/libs/guest/xg_dom_x86.c, shared_info_x86_64: upcalls start masked. */
	for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
	return 0;
}

/* With all that is hot in its first page. Zeroed; for free(). */
static void *at_page(size_t size)
{
	size_t whole = (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	void *p = aligned_alloc(PAGE_SIZE, whole);

	return p ? memset(p, 0, whole) : NULL;
}

_Static_assert(offsetof(struct vcpu, traps) + 32 * sizeof(struct trap_info) <= PAGE_SIZE,
	       "what is hot is in a page");
_Static_assert(offsetof(struct domain, xen_l4) <= PAGE_SIZE, "what is hot is in a page");

static struct vcpu *vcpu_create(struct domain *d, unsigned id)
{
	struct vcpu *v = at_page(sizeof(*v));

	if (!v)
		return NULL;
	v->domain = d;
	v->id = id;
	v->pause_flags = VPF_DOWN;
	v->kernel_mode = true;
	v->guest_table = INVALID_MFN;
	v->vcpu_info = &d->shared_info->vcpu_info[id];
	v->vcpu_info_mfn = INVALID_MFN;
	/* SDM vol. 3, table 10-1: DR6 and DR7 after reset. */
	v->debugreg[6] = 0xffff0ff0;
	v->debugreg[7] = 0x400;
	v->runstate.state = RUNSTATE_offline;
	v->runstate.state_entry_time = host_of(d)->system_time(d);
	return v;
}

static bool config_is_sane(const struct domain_config *c)
{
	return c->nr_vcpus >= 1 && c->nr_vcpus <= MAX_VCPUS && c->nr_ram && c->memory &&
	       c->nr_populated <= c->nr_ram && c->hole_frames < c->nr_ram &&
	       c->hole_start <= c->nr_ram - c->hole_frames && c->spare_frames <= c->hole_start &&
	       c->heap_start >= c->nr_ram && c->heap_frames &&
	       c->heap_start < MACH2PHYS_NR_ENTRIES &&
	       c->heap_frames < MACH2PHYS_NR_ENTRIES - c->heap_start &&
	       abi_profile_get(c->profile) && c->domid < DOMID_FIRST_RESERVED;
}

struct domain *domain_create(const struct domain_config *c, const struct host_ops *ops, void *host)
{
	struct domain *d;
	int rc;

	if (!config_is_sane(c)) {
		errno = EINVAL;
		return NULL;
	}
	d = at_page(sizeof(*d));
	if (!d)
		return NULL;
	d->domid = c->domid;
	memcpy(d->handle, c->handle, sizeof(d->handle));
	d->profile = abi_profile_get(c->profile);
	d->ops = ops;
	d->host = host;
	d->memory = c->memory;
	d->nr_ram = c->nr_ram;
	d->heap_start = d->heap_next = c->heap_start;
	d->nr_frames = c->heap_start + c->heap_frames;
	d->hole_start = c->hole_start;
	d->hole_frames = c->hole_frames;
	d->low_frames = c->hole_start - c->spare_frames;
	d->nr_pirqs = DEFAULT_NR_PIRQS;
	d->tot_pages =
		c->nr_populated ? c->nr_populated : c->nr_ram - c->hole_frames - c->spare_frames;
	d->max_pages = d->map_pages = d->tot_pages;
	d->ram_used = domain_ram_end(d, d->tot_pages);

	rc = -ENOMEM;
	d->name = strdup(c->name ? c->name : "");
	if (!d->name)
		goto fail;
	rc = shared_info_create(d);
	if (!rc)
		rc = m2p_create(d);
	if (rc)
		goto fail;
	for (unsigned i = 0; i < c->nr_vcpus; i++) {
		d->vcpu[i] = vcpu_create(d, i);
		rc = -ENOMEM;
		if (!d->vcpu[i])
			goto fail;
		d->nr_vcpus = i + 1;
	}
	rc = mm_domain_init(d);
	if (!rc)
		rc = evtchn_domain_init(d);
	if (!rc)
		rc = grant_table_init(d, &c->grants);
	if (!rc)
		return d;
fail:
	domain_destroy(d);
	errno = -rc;
	return NULL;
}

void domain_destroy(struct domain *d)
{
	if (!d)
		return;
	grant_table_destroy(d);
	evtchn_domain_destroy(d);
	mm_domain_destroy(d);
	iocap_domain_destroy(d);
	m2p_destroy(d);
	for (unsigned i = 0; i < MAX_VCPUS; i++)
		free(d->vcpu[i]);
	free((char *)d->name);
	free(d);
}

/* True for the one caller that ends the domain. */
static bool shutdown_claim(struct domain *d)
{
	return !atomic_exchange(&d->shutdown_claimed, true);
}

/* Xen: common/domain.c, domain_shutdown: a code set with SCHEDOP_shutdown_code
 * stands, whatever the reason given now. */
static void shutdown_finish(struct domain *d, unsigned reason)
{
	if (!d->shutdown_code_set)
		d->shutdown_code = reason;
	atomic_store(&d->is_shut_down, true);
	host_of(d)->shutdown(d, d->shutdown_code);
}

void domain_shutdown(struct domain *d, unsigned reason)
{
	if (shutdown_claim(d))
		shutdown_finish(d, reason);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
	char why[sizeof(d->crash_reason)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	domain_log(d, LOG_ERROR, "domain crashed: %s", why);
	if (!shutdown_claim(d))
		return;
	memcpy(d->crash_reason, why, sizeof(why));
	shutdown_finish(d, SHUTDOWN_crash);
}

void domain_log(struct domain *d, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	host_of(d)->vlog(d, level, fmt, ap);
	va_end(ap);
}
