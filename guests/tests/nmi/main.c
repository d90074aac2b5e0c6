/*
 * NMIs that a guest sends to its vcpus: the callback through callback_op or the old
 * nmi_op, delivered even with upcalls off, held back until iret while one is handled.
 */
#include "guests/lib/guest.h"

const char guest_title[] = "NMIs between vcpus";

extern const char entry_nmi[];

static long nmi(unsigned vcpu)
{
	return HCALL(vcpu_op, VCPUOP_send_nmi, vcpu, 0);
}

static volatile bool stop;

static void spins(void *arg)
{
	(void)arg;
	while (!stop)
		pause();
}

static void wait_for(volatile unsigned *n, unsigned want)
{
	uint64_t end = system_time() + 5000 * MS;

	while (*n < want && system_time() < end)
		pause();
}

void guest_main(void)
{
	struct cpu *c = this_cpu(), *other = cpu_of(1);
	struct xennmi_callback cb = {.handler_address = (unsigned long)entry_nmi};

	say_rc("to itself, upcalls off", nmi(0));
	say("came: %u", c->nmis);
	say_rc("to itself again", nmi(0));
	say("came: %u", c->nmis);
	say_rc("to a vcpu that is not initialised", nmi(2));
	say_rc("to vcpu 4", nmi(4));
	vcpu_start(1, spins, NULL);
	say_rc("to a running vcpu", nmi(1));
	wait_for(&other->nmis, 1);
	say("came: %u", other->nmis);
	stop = true;
	vcpu_wait(1);
	say_rc("to a vcpu that is down", nmi(1));
	say("came: %u", other->nmis);
	say_rc("nmi_op register", HCALL(nmi_op, XENNMI_register_callback, &cb));
	say_rc("nmi_op unregister", HCALL(nmi_op, XENNMI_unregister_callback, 0));
	say_rc("nmi_op 2", HCALL(nmi_op, 2, 0));
	say_rc("nmi_op at a bad address", HCALL(nmi_op, XENNMI_register_callback, VA_UNMAPPED));
	say_rc("send without a callback", nmi(0));
	say("came: %u", c->nmis);
	say_rc("register again", HCALL(nmi_op, XENNMI_register_callback, &cb));
	say("came: %u", c->nmis);
}
