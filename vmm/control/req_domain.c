/*
 * Requests about the domain as a whole: see requests.c.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/xenstore/local.h"
#include "vmm/control/control_internal.h"
#include "vmm/control/cpu_list.h"
#include "vmm/domain_control.h"
#include "vmm/vmm.h"

/* How long a pause waits for a vcpu that is busy in a hypercall. */
#define REST_TRIES 1000
#define REST_NS	   100000

static struct domain *domain_of(const struct call *call)
{
	return call->control->domain.guest->domain;
}

/* Until every vcpu has left the guest and its hypercall. */
static void wait_at_rest(const struct guest *g)
{
	const struct timespec t = {.tv_nsec = REST_NS};

	for (unsigned i = 0, tries = 0; i < g->domain->nr_vcpus && tries < REST_TRIES;) {
		if (!g->cpu[i] || atomic_load(&g->cpu[i]->at_rest)) {
			i++;
			continue;
		}
		nanosleep(&t, NULL);
		tries++;
	}
}

/* {} -> {"count": how often it is paused} */
int request_pause(struct call *call)
{
	struct domain *d = domain_of(call);
	int rc = call_args(call, "{}");

	if (rc)
		return rc;
	rc = domain_pause(d);
	if (rc)
		return error_set(&call->err, rc, "it is paused %u times already", d->pause_count);
	wait_at_rest(call->control->domain.guest);
	json_object_set_new(call->result, "count", json_integer(d->pause_count));
	return 0;
}

/* {} -> {"count": how often it still is paused} */
int request_unpause(struct call *call)
{
	struct domain *d = domain_of(call);
	int rc = call_args(call, "{}");

	if (rc)
		return rc;
	rc = domain_unpause(d);
	if (rc)
		return error_set(&call->err, -EALREADY, "it is not paused");
	json_object_set_new(call->result, "count", json_integer(d->pause_count));
	return 0;
}

/* Was this very order given already, and is not taken yet? */
static bool order_is_given(struct call *call, const char *word)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domain_of(call)->domid);
	char *given = xenstore_read(call->control->domain.xenstore, path);
	bool same = given && !strcmp(given, word);
	free(given);
	return same;
}

/* {"order": "poweroff", "reboot" or "halt"} -> {"paused": true: it cannot see it yet} */
int request_shutdown(struct call *call)
{
	static const char *const words[] = {
		[ORDER_POWEROFF] = "poweroff",
		[ORDER_REBOOT] = "reboot",
		[ORDER_HALT] = "halt",
	};
	const char *word;
	struct domain *d = domain_of(call);
	int rc = call_args(call, "{s:s}", "order", &word);

	if (rc)
		return rc;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], word))
			continue;
		rc = domain_order(call->control->domain.xenstore, d, i);
		if (rc == -EBUSY && order_is_given(call, word))
			rc = 0;
		if (rc == -EBUSY)
			return error_set(&call->err, rc,
					 "its kernel has not taken another such order yet");
		json_object_set_new(call->result, "paused", json_boolean(d->pause_count));
		return rc ? error_set(&call->err, rc, "cannot write the order to its xenstore: %s",
				      strerror(-rc))
			  : 0;
	}
	return error_set(&call->err, -EINVAL, "the order is poweroff, reboot or halt");
}

/* {} -> {"ended": "destroyed"}, when it has */
int request_destroy(struct call *call)
{
	int rc = call_args(call, "{}");

	if (rc)
		return rc;
	call->control->domain.destroy(call->control->domain.arg);
	call->at_end = true;
	return CALL_LATER;
}

/* {} -> {"ended": "poweroff", "reboot", "crash", "destroyed", ...}, when it has */
int request_wait(struct call *call)
{
	int rc = call_args(call, "{}");

	if (rc)
		return rc;
	call->at_end = true;
	return CALL_LATER;
}

/* {"key": "h"} */
int request_sysrq(struct call *call)
{
	const char *key;
	int rc = call_args(call, "{s:s}", "key", &key);

	if (rc)
		return rc;
	rc = strlen(key) == 1 ? domain_sysrq(call->control->domain.xenstore, domain_of(call), *key)
			      : -EINVAL;
	return rc ? error_set(&call->err, rc, "a sysrq is one letter or digit") : 0;
}

/* {"kib": target} */
int request_mem_set(struct call *call)
{
	json_int_t kib;
	const struct control_domain *cd = &call->control->domain;
	int rc = call_args(call, "{s:I}", "kib", &kib);

	if (rc)
		return rc;
	rc = kib <= 0 ? -EINVAL
		      : domain_set_memory_target(cd->xenstore, domain_of(call), (uint64_t)kib);
	if (rc == -EINVAL)
		return error_set(&call->err, rc, "it can have 1 KiB to %lu MiB (its maxmem)",
				 (unsigned long)cd->options->maxmem_mib);
	return rc ? error_set(&call->err, rc, "cannot write to its xenstore: %s", strerror(-rc))
		  : 0;
}

/* {"online": number of vcpus} */
int request_vcpu_set(struct call *call)
{
	json_int_t online;
	struct domain *d = domain_of(call);
	int rc = call_args(call, "{s:I}", "online", &online);

	if (rc)
		return rc;
	rc = online < 1 || online > MAX_VCPUS
		     ? -EINVAL
		     : domain_set_vcpus(call->control->domain.xenstore, d, (unsigned)online);
	if (rc == -EINVAL)
		return error_set(&call->err, rc, "it can have 1 to %u vcpus (its maxvcpus)",
				 d->nr_vcpus);
	return rc ? error_set(&call->err, rc, "cannot write to its xenstore: %s", strerror(-rc))
		  : 0;
}

/* {"vcpu": its number, or -1 for all, "cpus": "0-3,^2" or "all"} */
int request_vcpu_pin(struct call *call)
{
	const struct guest *g = call->control->domain.guest;
	json_int_t vcpu;
	const char *cpus;
	cpu_set_t set;
	int rc = call_args(call, "{s:I, s:s}", "vcpu", &vcpu, "cpus", &cpus);

	if (rc)
		return rc;
	if (vcpu < -1 || vcpu >= g->domain->nr_vcpus)
		return error_set(&call->err, -EINVAL, "its vcpus are 0 to %u",
				 g->domain->nr_vcpus - 1);
	rc = cpu_list_parse(cpus, &set, &call->err);
	for (unsigned i = 0; !rc && i < g->domain->nr_vcpus; i++)
		if ((vcpu < 0 || vcpu == i) && g->cpu[i] &&
		    sched_setaffinity(g->cpu[i]->tid, sizeof(set), &set))
			rc = error_set(&call->err, -errno, "vcpu %u cannot run there: %s", i,
				       errno == EINVAL ? "there are no such cpus here"
						       : strerror(errno));
	return rc;
}

/* {"name": the new one} */
int request_rename(struct call *call)
{
	const struct control_domain *cd = &call->control->domain;
	struct domain *d = domain_of(call);
	const char *name;
	char path[64], *vm;
	int rc = call_args(call, "{s:s}", "name", &name);

	if (rc)
		return rc;
	if (!domain_name_is_good(name))
		return error_set(&call->err, -EINVAL,
				 "a name has 1 to %d characters without blanks and '/'",
				 DOMAIN_NAME_LIMIT - 1);
	char *copy = strdup(name);
	rc = copy ? runtime_dir_rename(cd->dir, name, &call->err)
		  : error_set(&call->err, -ENOMEM, "out of memory");
	if (rc) {
		free(copy);
		return rc;
	}
	/* Other threads read the name when they log. */
	pthread_mutex_lock(&cd->guest->log.lock);
	free((char *)d->name);
	d->name = copy;
	pthread_mutex_unlock(&cd->guest->log.lock);
	/* libxl__domain_rename(). */
	snprintf(path, sizeof(path), "/local/domain/%u/name", d->domid);
	xenstore_write(cd->xenstore, path, "%s", name);
	snprintf(path, sizeof(path), "/local/domain/%u/vm", d->domid);
	vm = xenstore_read(cd->xenstore, path);
	if (vm && snprintf(path, sizeof(path), "%s/name", vm) < (int)sizeof(path))
		xenstore_write(cd->xenstore, path, "%s", name);
	free(vm);
	return 0;
}

/* {"clear": true or false} -> {"log": lines} */
int request_log(struct call *call)
{
	int clear = 0;
	int rc = call_args(call, "{s?b}", "clear", &clear);

	if (rc)
		return rc;
	char *text = log_ring_read(&call->control->domain.guest->log, clear);
	json_object_set_new(call->result, "log", json_text(text ? text : ""));
	free(text);
	return 0;
}
