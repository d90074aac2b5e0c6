/*
 * xen_version: what this Xen says about itself. Xen: common/kernel.c,
 * do_xen_version; what a guest without privileges may see is in
 * include/xsm/dummy.h, xsm_xen_version.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pvabi/hypercalls.h"

#define DENIED "<denied>"

static long version(struct vcpu *v, void *arg, const uint64_t *args)
{
	return v->domain->profile->version;
}

/* The blocks come zero-filled; a string that is too long is cut. */
#define PUT(field, s) snprintf(field, sizeof(field), "%s", s)

static long extraversion(struct vcpu *v, void *arg, const uint64_t *args)
{
	xen_extraversion_t *out = arg;

	PUT(*out, v->domain->profile->extraversion);
	return 0;
}

static long compile_info(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_compile_info *out = arg;

	PUT(out->compiler, "cc " __VERSION__);
	PUT(out->compile_by, "xenolith");
	PUT(out->compile_domain, "localdomain");
	/* No date: the same source is to give the same program. */
	return 0;
}

/* Interface names stayed at 3.0 for all versions (arch/x86/setup.c,
 * arch_get_xen_caps); the blank at the end is Xen's. */
static long capabilities(struct vcpu *v, void *arg, const uint64_t *args)
{
	xen_capabilities_info_t *out = arg;

	PUT(*out, "xen-3.0-x86_64 ");
	return 0;
}

static long changeset(struct vcpu *v, void *arg, const uint64_t *args)
{
	xen_changeset_info_t *out = arg;

	PUT(*out, "unavailable");
	return 0;
}

static long platform_parameters(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_platform_parameters *out = arg;

	out->virt_start = HYPERVISOR_VIRT_START;
	return 0;
}

static long get_features(struct vcpu *v, void *arg, const uint64_t *args)
{
	struct xen_feature_info *fi = arg;
	const struct domain *d = v->domain;

	if (fi->submap_idx >= XENFEAT_NR_SUBMAPS)
		return -EINVAL;
	fi->submap = d->profile->features;
	if (d->profile->id == PROFILE_XEN_4_17 &&
	    d->vm_assist & 1UL << VMASST_TYPE_pae_extended_cr3)
		fi->submap |= 1u << XENFEAT_pae_pgdir_above_4gb;
	return 0;
}

static long pagesize(struct vcpu *v, void *arg, const uint64_t *args)
{
	return args[1] ? -EINVAL : (long)PAGE_SIZE;
}

static long guest_handle(struct vcpu *v, void *arg, const uint64_t *args)
{
	memcpy(arg, v->domain->handle, sizeof(xen_domain_handle_t));
	return 0;
}

/* Privileged; others get so many bytes and no more. */
static long commandline(struct vcpu *v, void *arg, const uint64_t *args)
{
	memcpy(arg, DENIED, sizeof(DENIED));
	return 0;
}

static long build_id(struct vcpu *v, void *arg, const uint64_t *args)
{
	return -EPERM;
}

#define ALL	  .profiles = PROFILES_ALL
#define NEW	  .profiles = PROFILES_4_17
#define OUT(type) .size = sizeof(type), .dir = ARG_OUT

const struct subop xen_version_subops[] = {
	{XENVER_version, "version", ALL, .fn = version},
	{XENVER_extraversion, "extraversion", ALL, OUT(xen_extraversion_t), .fn = extraversion},
	{XENVER_compile_info, "compile_info", ALL, OUT(struct xen_compile_info),
	 .fn = compile_info},
	{XENVER_capabilities, "capabilities", ALL, OUT(xen_capabilities_info_t),
	 .fn = capabilities},
	{XENVER_changeset, "changeset", ALL, OUT(xen_changeset_info_t), .fn = changeset},
	{XENVER_platform_parameters, "platform_parameters", ALL,
	 OUT(struct xen_platform_parameters), .fn = platform_parameters},
	{XENVER_get_features, "get_features", ALL, .size = sizeof(struct xen_feature_info),
	 .dir = ARG_IN | ARG_OUT, .fn = get_features},
	{XENVER_pagesize, "pagesize", NEW, .fn = pagesize},
	{XENVER_guest_handle, "guest_handle", NEW, OUT(xen_domain_handle_t), .fn = guest_handle},
	{XENVER_commandline, "commandline", NEW, .size = sizeof(DENIED), .dir = ARG_OUT,
	 .fn = commandline},
	{XENVER_build_id, "build_id", NEW, .fn = build_id},
	{0},
};
