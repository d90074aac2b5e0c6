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
	/* The rest of the entry's own list stands in the entry, to be called again. */
	if (v->preempted) {
		for (unsigned i = 0; i < NR_HYPERCALL_ARGS; i++)
			e.args[i] = v->rest_args[i];
		if (guest_copy_to(v, va, &e, sizeof(e)))
			v->preempted = false;
		else
			*rc = 0;
		return false;
	}
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
	uint32_t i;
	long rc = 0;

	if (v->in_multicall)
		return -EINVAL;
	if (!guest_addr_ok(list))
		return -EFAULT;
	v->in_multicall = true;
	for (i = 0; i < nr; i++, list += sizeof(struct multicall_entry)) {
		if (i && hypercall_preempt_check(v)) {
			v->preempted = true;
			break;
		}
		/* A list may be made to last for hours; the end of the domain ends it. */
		if (!entry_call(v, list, &rc) || shared(v->domain)->is_shut_down)
			break;
	}
	v->in_multicall = false;
	if (v->preempted)
		return hypercall_continue(v, (const uint64_t[NR_HYPERCALL_ARGS]){list, nr - i});
	return rc;
}
