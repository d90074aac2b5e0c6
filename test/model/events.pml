/*
 * A model, for spin, of how a vcpu sleeps and how it is woken: SCHEDOP_block and
 * SCHEDOP_poll (pvabi/sched.c), two-level event channels (pvabi/evtchn.c,
 * evtchn_2l.c), the vcpu's thread (vmm/vcpu.c, cpu.c, cpu_enter.c) and the guest's
 * side as Linux has it. One statement is one access to memory that threads share;
 * comments name the C function. init has the scenarios (-DSCENARIO_x).
 *
 * An error is a vcpu that sleeps for ever while there is something for it (spin: an
 * invalid end state), and whatever INVARIANT forbids.
 *
 * Orders that are wrong on purpose, in which spin must find an error:
 *	WRONG_BLOCK	block() looks for events before VPF_BLOCKED, and wait_runnable()
 *			not again (either alone loses nothing)
 *	WRONG_POLL	op_poll() enters poll_mask after it looked at the ports
 *	WRONG_MARKS	op_poll() without poll_marks_stand()
 *	WRONG_UNBLOCK	vcpu_unblock() clears VPF_BLOCKED once only
 *	WRONG_PENDING	set_pending() selects the word before it sets the bit
 *	WRONG_SELECT	select_word() raises upcall_pending before the selector's bit
 *	WRONG_KICK	no kick for a vcpu that has upcalls masked
 *	WRONG_QUEUED	a kick whose signal came with something to deliver is forgotten
 *	WRONG_SLEEP	cpu_sleep() looks at kick before it sets sleep_word
 *	WRONG_BELL	who was in guest mode before its event was marked is only rung
 * With BELLS who is in guest mode is not kicked but rung (vmm/bell.h).
 */

#include "wakeups.pml"
#include "vcpu.pml"

proctype backend(byte port; byte rounds)
{
	byte me = NOBODY;
	bit k;
	byte pollers;
	short waits_for;

	do
	:: rounds == 0 -> break
	:: else ->
		rounds--;
		post(port);
		evtchn_send(port)
	od
}

/* The other side of a WAITER of vcpu 0. */
proctype giver(byte rounds)
{
	byte me = NOBODY;
	bit k;
	byte pollers;
	short waits_for;

	do
	:: rounds == 0 -> break
	:: rounds > 0 && turn == 1 ->
		rounds--;
		turn = 0;
		evtchn_send(1)
	od
}

/* pvabi/traps.c: vcpu_inject_nmi. It holds no lock that senders hold. */
proctype nmi(byte v)
{
	byte me = NOBODY;
	bit k;

	atomic { wakers++; k = nmi_pending[v]; nmi_pending[v] = 1 };
	if
	:: k -> skip
	:: else ->
		vcpu_unblock(v);
		vcpu_kick(v)
	fi;
	atomic { k = 0; wakers--; check_invariant() }
}

init
{
	atomic {
#if defined(SCENARIO_block)
		/* An idle vcpu; events by IPI and from a backend. */
		notify_vcpu[1] = 1;
		notify_vcpu[2] = 1;
		to_come = 3;
		run vcpu(0, SENDER, 1);
		run vcpu(1, IDLE, 0);
		run backend(1, 2)
#elif defined(SCENARIO_spin)
		/* A vcpu that never calls Xen to take its events. */
		notify_vcpu[2] = 1;
		to_come = 3;
		run vcpu(1, SPINNER, 0);
		run backend(2, 3)
#elif defined(SCENARIO_poll)
		/* Two vcpus poll on masked ports and wake each other. */
		masked[0] = 1;
		masked[1] = 1;
		notify_vcpu[2] = 1;
		mask[1] = 1;
		mask[2] = 1;
		run vcpu(0, WAITER, 3);
		run vcpu(1, WAITER, 3);
#elif defined(SCENARIO_nmi)
		/* A poll's wake-up and an NMI at the same time. */
		masked[0] = 1;
		mask[1] = 1;
		mask[2] = 1;
		turn = 1;
		run vcpu(0, WAITER, 1);
		run giver(1);
		run nmi(0)
#elif defined(SCENARIO_upcall)
		/* Polls with upcalls unmasked, which events of another port end. */
		mask[1] = 1;
		to_come = 3;
		run vcpu(0, SLEEPER, 2);
		run backend(1, 2);
		run backend(2, 1)
#elif defined(SCENARIO_timeout)
		/* Nobody needs to send: the timeout ends the polls. */
		mask[1] = 1;
		to_come = 1;
		run vcpu(0, SLEEPER, 2);
		run backend(1, 1);
		run nmi(0)
#endif
	}
}
