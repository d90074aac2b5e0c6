/* One fault for a device under test, without rules: the next hits of one probe get it. */
#ifndef TEST_UNIT_TEST_FAULT_H
#define TEST_UNIT_TEST_FAULT_H

#include "pvabi/fault.h"
#include "pvabi/pvabi.h"

struct test_fault {
	struct fault_host host; /* first */
	enum probe_id probe;
	struct fault fault;
	_Atomic int skip, left;
};

static inline bool test_fault_decide(struct fault_host *h, struct domain *d,
				     const struct probe_hit *hit, struct fault *f)
{
	struct test_fault *t = (struct test_fault *)h;

	if (hit->id != t->probe || t->skip-- > 0 || t->left-- <= 0)
		return false;
	*f = t->fault;
	return true;
}

/* value INT64_MIN: none. */
static inline void test_fault_arm(struct test_fault *t, struct domain *d, enum probe_id probe,
				  enum fault_kind kind, int64_t value, int skip, int count)
{
	bool has = value != INT64_MIN;

	t->host.decide = test_fault_decide;
	t->probe = probe;
	t->fault = (struct fault){kind, has, has ? value : 0};
	t->skip = skip;
	t->left = count;
	d->fault_host = &t->host;
	atomic_fetch_or(&d->probe_armed[probe], PROBE_FAULTY);
}

#endif
