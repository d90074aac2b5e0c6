/*
 * multicall: a list of hypercalls made in one. Every entry is read once, called,
 * and gets its result written back, as Xen's common/multicall.c does it.
 */
#include <errno.h>

#include "pvabi/hypercalls.h"

/* One entry; false when the list ends here with *rc. */
static bool entry_call(struct vcpu *v, uint64_t va, long *rc)
{
	struct multicall_entry e;
	uint64_t args[NR_HYPERCALL_ARGS];
	uint64_t result_va = va + offsetof(struct multicall_entry, result);

	*rc = -EFAULT;
	if (guest_copy_from(v, &e, va, sizeof(e)))
		return false;
	for (unsigned i = 0; i < NR_HYPERCALL_ARGS; i++)
		args[i] = e.args[i];
	e.result = hypercall_call(v, e.op, args);
	/* After iret the list is over, and nobody is left to hear of a fault: the
	 * multicall's own result is the rax that iret restored. */
	if (e.op == __HYPERVISOR_iret) {
		guest_copy_to(v, result_va, &e.result, sizeof(e.result));
		*rc = e.result;
		return false;
	}
	if (guest_copy_to(v, result_va, &e.result, sizeof(e.result)))
		return false;
	*rc = 0;
	return true;
}

long hypercall_multicall(struct vcpu *v, const uint64_t *args)
{
	uint64_t list = args[0];
	uint32_t nr = args[1];
	long rc = 0;

	if (v->in_multicall)
		return -EINVAL;
	if (!guest_addr_ok(list))
		return -EFAULT;
	v->in_multicall = true;
	for (uint32_t i = 0; i < nr; i++) {
		/* A list may be made to last for hours; the end of the domain ends it. */
		if (!entry_call(v, list + i * sizeof(struct multicall_entry), &rc) ||
		    v->domain->is_shut_down)
			break;
	}
	v->in_multicall = false;
	return rc;
}
