/*
 * xen_version: what every sub-operation answers, which are for the privileged, and
 * what they do with bad pointers.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "xen_version";

static uint8_t buf[8192];

void guest_main(void)
{
	struct xen_feature_info fi;
	long rc = HCALL(xen_version, XENVER_version, 0);

	say("version %ld.%ld", rc >> 16, rc & 0xffff);
	for (unsigned i = 0; i < 4; i++) {
		memset(&fi, 0xff, sizeof(fi));
		fi.submap_idx = i;
		rc = HCALL(xen_version, XENVER_get_features, &fi);
		/* Bits that a domain 0 has more are its own. */
		say("features %u: %e, 0x%x", i, rc,
		    fi.submap & ~(is_dom0() ? 1u << XENFEAT_dom0 : 0));
	}
	say_rc("pagesize", HCALL(xen_version, XENVER_pagesize, 0));
	rc = HCALL(xen_version, XENVER_platform_parameters, buf);
	say("platform_parameters: %e, virt_start 0x%lx", rc, *(uint64_t *)buf);
	rc = HCALL(xen_version, XENVER_capabilities, buf);
	say("capabilities: %e, PV 64: %d", rc, !memcmp(buf, "xen-3.0-x86_64 ", 15));
	rc = HCALL(xen_version, XENVER_guest_handle, buf);
	say("guest_handle: %e", rc);
	rc = HCALL(xen_version, XENVER_commandline, buf);
	say("commandline: %e", rc);
	rc = HCALL(xen_version, XENVER_changeset, buf);
	say("changeset: %e", rc);
	rc = HCALL(xen_version, XENVER_compile_info, buf);
	say("compile_info: %e", rc);
	rc = HCALL(xen_version, XENVER_extraversion, buf);
	say("extraversion: %e", rc);
	rc = HCALL(xen_version, XENVER_build_id, 0);
	say("build_id's size: %d", rc > 0 ? 1 : (int)rc);
	for (int i = 0; i < 12; i++) {
		if (i == XENVER_version || i == XENVER_pagesize || i == XENVER_build_id)
			continue;
		say("number %d: bad address %e, in Xen %e", i, HCALL(xen_version, i, VA_UNMAPPED),
		    HCALL(xen_version, i, VA_XEN));
	}
	say_rc("version, with an argument", HCALL(xen_version, XENVER_version, VA_UNMAPPED) > 0);
	say_rc("number 100", HCALL(xen_version, 100, buf));
	say_rc("number -1", HCALL(xen_version, -1, buf));
}
