/*
 * events.pml: what threads share, and pvabi's and the VMM's part.
 */

#define NR_VCPUS 2
#define NR_PORTS 3 /* 1 and 2; 0 is none */
#define NOBODY 2   /* no vcpu's thread */

/* Shared with the guest. One word of ports, so one selector bit a vcpu. */
bit pending[NR_PORTS], mask[NR_PORTS];              /* shared_info.evtchn_* */
bit sel[NR_VCPUS], upcall[NR_VCPUS], masked[NR_VCPUS]; /* vcpu_info.evtchn_* */
/* Ours. */
byte notify_vcpu[NR_PORTS];                         /* struct evtchn */
bit evtchn_lock;
bit blocked[NR_VCPUS];                              /* pause_flags & VPF_BLOCKED */
short poll_evtchn[NR_VCPUS];
bit poll_mask[NR_VCPUS];
bit poll_timer[NR_VCPUS];                           /* timer[TIMER_POLL] is armed */
bit nmi_pending[NR_VCPUS];
bit kick[NR_VCPUS], in_guest[NR_VCPUS], sleep_word[NR_VCPUS]; /* struct cpu */
bit asleep[NR_VCPUS];                               /* the kernel's: in futex_wait */
bit sig[NR_VCPUS];                                  /* run->immediate_exit, by on_kick */
bit bell[NR_VCPUS];                                 /* its APIC has one for it (vmm/bell.h) */
bit mask_store[NR_VCPUS]; /* a store of 0 to evtchn_upcall_mask that is still in the
			   * processor's store buffer: x86 may load before it is seen */

/* What the guests are about. A sender posts work and then sends; who gets the event
 * takes all that is there. */
byte posted[NR_PORTS], taken[NR_PORTS];
byte to_come; /* what is still to be posted */
byte turn;    /* the lock that pollers hand over: whose it is */

#ifdef WRONG_BELL
bit rings; /* evtchn_lock */
#endif

/* For the properties only. */
byte wakers;                        /* threads amid a wake-up */
bit in_poll[NR_VCPUS];              /* op_poll() left v blocked */

/* The port that vcpu v polls. */
#define PORT_OF(v) ((v) + 1)

#define EVENT_FOR(v) (upcall[v] && !masked[v])

/* While nobody is amid a wake-up: who sleeps is blocked, has nothing to wake for, and
 * when in SCHEDOP_poll can be found by evtchn_check_pollers(). */
#define INVARIANT(v)                                                                  \
	(wakers > 0 || !asleep[v] ||                                                  \
	 (blocked[v] && !EVENT_FOR(v) && !nmi_pending[v] && !kick[v] &&               \
	  (!in_poll[v] || (poll_mask[v] && poll_evtchn[v] != 0 && !pending[PORT_OF(v)]))))

inline check_invariant()
{
	assert(INVARIANT(0) && INVARIANT(1))
}

inline test_and_set(b, old)
{
	atomic { old = b; b = 1 }
}

inline test_and_clear(b, old)
{
	atomic { old = b; b = 0 }
}

/* vmm/host_ops.c: op_vcpu_kick; vmm/cpu.c: cpu_kick. With BELLS vmm/resident/guest/ops.c:
 * vcpu_kick, which does not kick twice. */
inline vcpu_kick(v)
{
	if
	:: v == me -> skip
#ifdef BELLS
	:: v != me && kick[v] -> skip
#endif
	:: else ->
		kick[v] = 1;
		test_and_clear(sleep_word[v], k);
		if
		:: k -> asleep[v] = 0 /* futex_wake */
		:: else -> skip
		fi;
		if
		:: in_guest[v] -> sig[v] = 1 /* tgkill */
		:: else -> skip
		fi
	fi
}

/* vmm/resident/guest/ops.c: vcpu_notify; vmm/host_ops.c: op_vcpu_notify. */
inline vcpu_notify(v)
{
#ifdef BELLS
	if
	:: v != me && in_guest[v] -> bell[v] = 1
	:: else -> vcpu_kick(v)
	fi
#else
	vcpu_kick(v)
#endif
}

/* pvabi/unblock.c: vcpu_unblock; k: it was blocked. */
inline vcpu_unblock(v)
{
	test_and_clear(blocked[v], k);
	if
	:: !k -> skip
	:: else ->
		if
		:: poll_evtchn[v] != 0 ->
			poll_evtchn[v] = 0;
			test_and_clear(poll_mask[v], k);
#ifndef WRONG_UNBLOCK
			if
			:: k -> blocked[v] = 0
			:: else -> skip
			fi
#endif
		:: else -> skip
		fi;
		vcpu_kick(v);
		k = 1
	fi
}

/* pvabi/evtchn.c: vcpu_mark_events_pending. */
inline vcpu_mark_events_pending(v)
{
#ifdef WRONG_BELL
	rings = in_guest[v];
#endif
	test_and_set(upcall[v], k);
	if
	:: k -> skip
#ifdef WRONG_BELL
	:: !k && rings && v != me -> bell[v] = 1
#endif
	:: else ->
		vcpu_unblock(v);
		if
		:: k -> skip
#ifdef WRONG_KICK
		/* No kick for a vcpu that has upcalls masked. */
		:: !k && masked[v] -> skip
		:: !k && !masked[v] -> vcpu_notify(v)
#else
		:: else -> vcpu_notify(v)
#endif
		fi
	fi
}

/* pvabi/evtchn_2l.c: select_word. */
inline select_word(v)
{
#ifdef WRONG_SELECT
	vcpu_mark_events_pending(v);
	test_and_set(sel[v], k)
#else
	test_and_set(sel[v], k);
	if
	:: k -> skip
	:: else -> vcpu_mark_events_pending(v)
	fi
#endif
}

/* pvabi/evtchn.c: evtchn_check_pollers, for one vcpu of poll_mask as it was read. */
inline check_poller(v, port)
{
	if
	:: !(pollers & (1 << v)) -> skip
	:: else ->
		atomic { waits_for = poll_evtchn[v] };
		if
		:: waits_for > 0 && waits_for != port -> skip
		:: else ->
			test_and_clear(poll_mask[v], k);
			if
			:: !k -> skip
			:: else ->
				poll_evtchn[v] = 0;
				vcpu_unblock(v)
			fi
		fi
	fi
}

inline evtchn_check_pollers(port)
{
	atomic { pollers = poll_mask[0] + 2 * poll_mask[1] };
	check_poller(0, port);
	check_poller(1, port);
	atomic { pollers = 0; waits_for = 0 }
}

/* pvabi/evtchn_2l.c: set_pending. */
inline set_pending(port)
{
#ifdef WRONG_PENDING
	if
	:: mask[port] -> skip
	:: else -> select_word(notify_vcpu[port])
	fi;
	test_and_set(pending[port], k);
	if
	:: k -> skip
	:: else -> evtchn_check_pollers(port)
	fi
#else
	test_and_set(pending[port], k);
	if
	:: k -> skip
	:: else ->
		if
		:: mask[port] -> skip
		:: else -> select_word(notify_vcpu[port])
		fi;
		evtchn_check_pollers(port)
	fi
#endif
}

/* pvabi/evtchn.h: evtchn_lock, evtchn_unlock, around what may wake somebody. */
inline waker_lock()
{
	atomic { !evtchn_lock -> evtchn_lock = 1; wakers++ }
}

inline waker_unlock()
{
	atomic { evtchn_lock = 0; k = 0; wakers--; check_invariant() }
}

/* pvabi/evtchn_backend.c: evtchn_backend_send; event_channel.c: op_send. */
inline evtchn_send(port)
{
	waker_lock();
	set_pending(port);
	waker_unlock()
}

/* pvabi/event_channel.c: op_unmask; evtchn_2l.c: unmask. */
inline evtchn_unmask(port)
{
	waker_lock();
	test_and_clear(mask[port], k);
	if
	:: k && pending[port] -> select_word(notify_vcpu[port])
	:: else -> skip
	fi;
	waker_unlock()
}

/* pvabi/sched.c: poll_tidy. */
inline poll_tidy()
{
	atomic { poll_timer[me] = 0; poll_evtchn[me] = 0 };
	if
	:: poll_mask[me] -> poll_mask[me] = 0
	:: else -> skip
	fi
}

/* pvabi/sched.c: block. */
inline block()
{
	poll_tidy();
	masked[me] = 0;
#ifdef WRONG_BLOCK
	j = EVENT_FOR(me);
	blocked[me] = !j
#else
	blocked[me] = 1;
	if
	:: EVENT_FOR(me) -> blocked[me] = 0
	:: else -> skip
	fi
#endif
}

/* pvabi/evtchn.c: evtchn_port_poll; one step, as it wakes nobody with the lock held. */
inline port_poll(port)
{
	atomic { !evtchn_lock -> j = pending[port] }
}

/* pvabi/sched.c: op_poll; of both ports when the guest chose so. */
inline op_poll(want)
{
	poll_tidy();
	blocked[me] = 1;
	poll_evtchn[me] = -1;
#ifndef WRONG_POLL
	poll_mask[me] = 1;
#endif
	/* poll_marks_stand */
#ifdef WRONG_MARKS
	j = 0;
#else
	j = poll_evtchn[me] == 0;
#ifndef WRONG_POLL
	if
	:: !poll_mask[me] -> j = 1
	:: else -> skip
	fi;
#endif
	if
	:: !blocked[me] -> j = 1
	:: else -> skip
	fi;
#endif
	if
	:: !j -> j = EVENT_FOR(me)
	:: else -> skip
	fi;
	if
	:: !j -> port_poll(want)
	:: else -> skip
	fi;
	if
	:: !j && both -> port_poll(3 - want)
	:: else -> skip
	fi;
#ifdef WRONG_POLL
	poll_mask[me] = 1;
#endif
	if
	:: j -> /* poll_end */
		poll_tidy();
		blocked[me] = 0
	:: else ->
		if
		:: !both ->
			atomic {
				if
				:: poll_evtchn[me] == -1 -> poll_evtchn[me] = want
				:: else -> skip
				fi
			}
		:: else -> skip
		fi;
		atomic { poll_timer[me] = timed; in_poll[me] = 1 }
	fi
}

/* pvabi/timers.c: run_poll. */
inline run_poll()
{
	atomic { poll_timer[me] = 0; k = poll_mask[me]; poll_mask[me] = 0 };
	if
	:: k -> vcpu_unblock(me)
	:: else -> skip
	fi
}

/* vmm/cpu.c: cpu_sleep. */
inline cpu_sleep(deadline)
{
#ifdef WRONG_SLEEP
	test_and_clear(kick[me], k);
	sleep_word[me] = 1;
#else
	sleep_word[me] = 1;
	test_and_clear(kick[me], k);
#endif
	if
	:: k -> skip
	:: else ->
		atomic { /* futex_wait */
			if
			:: sleep_word[me] -> asleep[me] = 1; check_invariant()
			:: else -> skip
			fi
		};
		if
		:: !asleep[me] -> skip
		:: deadline -> asleep[me] = 0
		fi
	fi;
	sleep_word[me] = 0
}
