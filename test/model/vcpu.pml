/*
 * events.pml: a vcpu's thread, and the guest that it runs.
 */

inline post(port)
{
	atomic { posted[port]++; to_come-- }
}

/* Of one port or of both. */
inline any_poll()
{
	if
	:: both = 0
	:: both = 1
	fi
}

inline drain_stores()
{
	atomic {
		if
		:: mask_store[me] -> masked[me] = 0; mask_store[me] = 0
		:: else -> skip
		fi
	}
}

/* What may happen to the guest between two instructions: a kick makes it leave the
 * guest, a bell its resident monitor look. Nothing says how soon either comes. */
#define MAY_LEAVE(at)                  \
	if                             \
	:: sig[me] -> pc = at; goto kicked \
	:: bell[me] -> pc = at; goto rung \
	:: true -> skip                \
	fi

#define HYPERCALL(nr, port, back) call = nr; arg = port; pc = back; goto leave

mtype = { NONE, BLOCK, POLL, SEND, UNMASK, VERSION, IRET };

/* Where the guest is: the labels of its programs. */
mtype = { IDLE, WAITER, GIVEN, SLEEPER, SPINNER, STI_TEST, SPIN, SENDER, UPCALL, UPCALL_PORTS,
	  UPCALL_UNMASK, UPCALL_IRET };

#define ALL_TAKEN (to_come == 0 && taken[1] == posted[1] && taken[2] == posted[2])

/* A vcpu whose guest runs `pc`, `rounds` times. */
proctype vcpu(byte me; mtype pc; byte rounds)
{
	bit k, j, both, timed, seen, queued;
	byte pollers, port, arg, had;
	short waits_for;
	mtype interrupted, call;

	/* vmm/vcpu.c: vcpu_thread. */
loop:
	atomic { k = 0; j = 0; call = NONE; arg = 0 }; /* fewer states */
	atomic {
		if
		:: blocked[me] -> goto wait
		:: else -> in_poll[me] = 0
		fi
	};
	/* pvabi/traps.c: vcpu_deliver_events. */
	if
	:: atomic { nmi_pending[me] -> nmi_pending[me] = 0 }
	:: else -> skip
	fi;
	if
	:: atomic { EVENT_FOR(me) -> masked[me] = 1; interrupted = pc; pc = UPCALL }
	:: else -> skip
	fi;
	if
	:: blocked[me] -> goto loop
	:: else -> skip
	fi;
	/* vmm/cpu_enter.c: begin_guest, cpu_enter. */
	in_guest[me] = 1;
	if
	:: kick[me] -> in_guest[me] = 0; kick[me] = 0; goto loop
	:: else -> skip
	fi;
go_on:
	if
	:: pc == IDLE -> goto idle
	:: pc == WAITER -> goto waiter
	:: pc == GIVEN -> goto given
	:: pc == SLEEPER -> goto sleeper
	:: pc == SPINNER -> goto spinner
	:: pc == STI_TEST -> goto sti_test
	:: pc == SPIN -> goto spin
	:: pc == SENDER -> goto sender
	:: pc == UPCALL -> goto upcall_start
	:: pc == UPCALL_PORTS -> goto upcall_ports
	:: pc == UPCALL_UNMASK -> goto upcall_unmask
	:: pc == UPCALL_IRET -> goto upcall_iret
	fi;

	/* KVM_RUN was interrupted (vmm/cpu_enter.c: run_once, cpu_enter). The processor
	 * has made its stores visible. */
kicked:
	drain_stores();
	sig[me] = 0;
#ifdef SCENARIO_spin
	if
	:: !queued ->
		/* Something that KVM has to deliver goes first (must_go_on), but what handles
		 * it comes out (leave_soon). */
		queued = 1;
#ifdef WRONG_QUEUED
		goto go_on
#endif
	:: true -> skip
	fi;
#endif
	in_guest[me] = 0;
	kick[me] = 0;
	goto loop;

	/* vmm/resident/guest/entry.c: an interrupt, which makes stores visible, too. */
rung:
	drain_stores();
	bell[me] = 0;
	if
	:: blocked[me] -> goto kicked /* RES_DONE */
	:: else -> skip
	fi;
	if
	:: atomic { EVENT_FOR(me) -> masked[me] = 1; interrupted = pc; pc = UPCALL }
	:: else -> skip
	fi;
	goto go_on;

	/* KVM_RUN returned for a hypercall. */
leave:
	drain_stores();
	sig[me] = 0;
	in_guest[me] = 0;
	if
	:: call == BLOCK -> block()
	:: call == POLL -> op_poll(arg)
	:: call == SEND -> evtchn_send(arg)
	:: call == UNMASK -> evtchn_unmask(arg)
	:: call == IRET -> interrupted = NONE; masked[me] = 0 /* pvabi/iret.c */
	:: call == VERSION -> skip
	fi;
	goto loop;

	/* vmm/vcpu.c: wait_runnable. */
wait:
	if
	:: !blocked[me] -> goto loop
	:: else -> skip
	fi;
	if
#ifndef WRONG_BLOCK
	:: EVENT_FOR(me) || nmi_pending[me] -> vcpu_unblock(me); goto wait
#endif
	:: else -> skip
	fi;
	/* pvabi/timers.c: vcpu_next_deadline. */
	j = blocked[me] && poll_timer[me];
	if
	:: j -> run_poll() /* the time has come */
	:: true -> cpu_sleep(j)
	fi;
	goto wait;

	/* ---- From here on the guest. ---- */

	/* Linux: __xen_evtchn_do_upcall, evtchn_2l_handle_events. */
upcall_start:
	MAY_LEAVE(UPCALL);
	upcall[me] = 0;
	test_and_clear(sel[me], k);
	port = (k -> 0 : NR_PORTS - 1);
upcall_ports:
	port++;
	if
	:: port == NR_PORTS -> goto upcall_iret
	:: port < NR_PORTS ->
		if
		:: notify_vcpu[port] == me && pending[port] && !mask[port] -> skip
		:: else -> goto upcall_ports
		fi
	fi;
	mask[port] = 1;
	pending[port] = 0;
	taken[port] = posted[port];
	MAY_LEAVE(UPCALL_UNMASK);
	/* evtchn_2l_unmask: by itself, or as on a vcpu that is not the port's. */
upcall_unmask:
	if
	:: HYPERCALL(UNMASK, port, UPCALL_PORTS)
	:: mask[port] = 0
	fi;
	if
	:: pending[port] ->
		test_and_set(sel[me], k);
		if
		:: !k -> upcall[me] = 1
		:: else -> skip
		fi
	:: else -> skip
	fi;
	goto upcall_ports;
	/* xen_iret: Xen unmasks. */
upcall_iret:
	if
	:: upcall[me] -> goto upcall_start
	:: else -> HYPERCALL(IRET, 0, interrupted)
	fi;

	/* Sleeps until all is taken (default_idle, xen_safe_halt). */
idle:
	masked[me] = 1;
	if
	:: ALL_TAKEN -> goto done
	:: else -> HYPERCALL(BLOCK, 0, IDLE)
	fi;

	/* Waits for its turn and passes it on (xen_qlock_wait, xen_qlock_kick). */
waiter:
	MAY_LEAVE(WAITER);
	pending[PORT_OF(me)] = 0;
	if
	:: turn == me ->
		turn = 1 - me;
		HYPERCALL(SEND, PORT_OF(1 - me), GIVEN)
	:: else ->
		any_poll();
		HYPERCALL(POLL, PORT_OF(me), WAITER)
	fi;
given:
	rounds--;
	if
	:: rounds -> goto waiter
	:: else -> goto done
	fi;

	/* Polls for a time; who sends meanwhile may end it early. */
sleeper:
	if
	:: rounds == 0 -> goto done
	:: else ->
		rounds--;
		timed = 1;
		any_poll();
		HYPERCALL(POLL, PORT_OF(me), SLEEPER)
	fi;

	/* Takes its events with upcalls unmasked, never calling Xen (xen_irq_disable_direct,
	 * xen_irq_enable_direct). */
spinner:
	masked[me] = 1;
	had = taken[PORT_OF(me)];
	MAY_LEAVE(SPINNER);
	mask_store[me] = 1;
	if
	:: drain_stores()
	:: true -> skip
	fi;
sti_test:
	MAY_LEAVE(STI_TEST);
	seen = upcall[me];
	drain_stores();
	if
	:: seen -> HYPERCALL(VERSION, 0, SPIN)
	:: else -> skip
	fi;
spin:
	if
	:: sig[me] -> pc = SPIN; goto kicked
	:: bell[me] -> pc = SPIN; goto rung
	:: ALL_TAKEN -> goto done
	:: taken[PORT_OF(me)] != had -> goto spinner
	fi;

	/* Sends `rounds` times to the other. */
sender:
	if
	:: rounds == 0 -> goto done
	:: else ->
		rounds--;
		post(PORT_OF(1 - me));
		HYPERCALL(SEND, PORT_OF(1 - me), SENDER)
	fi;

done:
	in_guest[me] = 0
}
