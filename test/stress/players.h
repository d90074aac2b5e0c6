/*
 * The guest of events_tsan.c: vcpus that play rounds.
 */
#ifndef TEST_STRESS_PLAYERS_H
#define TEST_STRESS_PLAYERS_H

#include "test/stress/stress_cpu.h"

#define VCPUS	   4
#define MAX_UNMASK 8

/* What a round may be. */
enum play {
	ASK_BLOCK,  /* ask the backend; wait in SCHEDOP_block */
	ASK_POLL,   /* ... in SCHEDOP_poll on a masked port, alone or with another */
	ASK_SPIN,   /* ... in the guest, upcalls unmasked by a plain store */
	IPI,	    /* send to another vcpu, which takes it in its upcall */
	IPI_MASKED, /* the same with the port masked, and EVTCHNOP_unmask */
	LOCK,	    /* a ticket lock whose waiters poll */
	TIMER,	    /* wait for VIRQ_TIMER in SCHEDOP_block */
	TIMEOUT,    /* poll until the timeout */
	NR_PLAYS
};

/* A vcpu starts here. */
#define FIRST_STEP 1

/* Of one vcpu. Plain members: its thread's, or handed over with an event. */
struct player {
	unsigned id, seed, rounds_left;
	_Atomic unsigned played[NR_PLAYS];
	evtchn_port_t answer, poll_answer, ipi, lock, quiet, timer;
	bool by_poll;	   /* how the answer is to come */
	unsigned asked;	   /* to the backend */
	unsigned reply;	   /* its answer */
	unsigned answered; /* seen by the upcall */
	_Atomic unsigned ipi_posted, ipi_taken;
	unsigned ipi_target, ipi_number;
	_Atomic unsigned waits_for; /* its ticket, while it waits for the lock */
	_Atomic unsigned ticks;
	unsigned ticks_before;
	evtchn_port_t unmask[MAX_UNMASK]; /* by hypercall, when the upcall is through */
	unsigned nr_unmask;
	_Atomic unsigned requests; /* by the backend's notify function */
};

extern struct player players[VCPUS];
extern enum play plays[NR_PLAYS]; /* which of them there are */
extern unsigned nr_plays;
extern _Atomic unsigned running; /* players */
/* The guest's lock: tickets. */
extern _Atomic unsigned next_ticket, serving;

#endif
