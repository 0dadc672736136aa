// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: which plane of a vCPU runs.
 *
 * KVM_RUN asks for one; a policy may have the run loop go on with another. All run
 * on plane 0's thread and under its mutex, one at a time: the one in
 * kvm_plane_vcpu.running.
 *
 * What arrives for a plane that does not run may concern the one that does. Who
 * makes it known and who switches planes agree like this, with a full barrier
 * between the two steps of each, so that one of them sees the other:
 *
 *	kvm_plane_kick()		__kvm_plane_switch()
 *	  event made pending		  running = to
 *	  running read			  events of the plane that was left looked at
 *	  kicked set			  running = to
 *	  running read again		  kicked read
 */

#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>

#define CREATE_TRACE_POINTS
#include "plane_trace.h"

/*
 * Finish what userspace was to complete for the plane that ran last, before
 * another one uses the run page. The registers and CR8 in the run page are meant
 * for the plane that is to run.
 *
 * Return: -EINTR if that is done, else what KVM_RUN is to return.
 */
static int kvm_plane_complete_io(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 valid_regs, dirty_regs, cr8 = run->cr8;
	int r;

	if (!kvm_arch_plane_completes_io(vcpu))
		return -EINTR;

	valid_regs = run->kvm_valid_regs;
	dirty_regs = run->kvm_dirty_regs;
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = 0;

	vcpu->wants_to_run = false;
	r = kvm_arch_vcpu_ioctl_run(vcpu);

	run->kvm_valid_regs = valid_regs;
	run->kvm_dirty_regs = dirty_regs;
	run->cr8 = cr8;
	return r;
}

/* The planes of @vcpu whose events somebody wants to know of while another one runs. */
static u16 kvm_plane_watched(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;

	if (READ_ONCE(vcpu->kvm->planes.watched))
		return READ_ONCE(plane0->present);
	return READ_ONCE(plane0->req_exit);
}

/* See kvm_plane_kick(). */
void __kvm_plane_kick(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;
	struct kvm_vcpu *running;

	/* The sibling that runs is not freed meanwhile; see kvm_plane_forget_running(). */
	guard(rcu)();

	/* Pairs with the one in kvm_plane_set_running(). */
	smp_mb();
	if (READ_ONCE(plane0->running) == vcpu)
		return;

	set_bit(vcpu->plane.id, &plane0->kicked);
	/* Pairs with the one in kvm_plane_set_running(). */
	smp_mb__after_atomic();
	running = READ_ONCE(plane0->running);
	if (running == vcpu || !(kvm_plane_watched(vcpu) & BIT(vcpu->plane.id)))
		return;

	/* A vCPU that is halted has to look, but is not runnable itself. */
	kvm_make_request(KVM_REQ_PLANE, running);
	kvm_make_request(KVM_REQ_UNBLOCK, running);
	kvm_vcpu_kick(running);
}

/**
 * kvm_plane_watch - let a VM's vCPUs look for what nobody wanted to know before, and at
 *	what the policy held
 * @kvm: the VM, whose policy changed
 */
void kvm_plane_watch(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu0, *vcpu;
	unsigned long i;

	WRITE_ONCE(kvm->planes.watched, true);
	kvm_for_each_vcpu(i, vcpu0, kvm) {
		set_mask_bits(&vcpu0->plane.kicked, 0, READ_ONCE(vcpu0->plane.present));
		/* Pairs with the one in kvm_plane_set_running(). */
		smp_mb__after_atomic();
		vcpu = READ_ONCE(vcpu0->plane.running);
		kvm_make_request(KVM_REQ_PLANE, vcpu);
		kvm_make_request(KVM_REQ_UNBLOCK, vcpu);
		kvm_vcpu_kick(vcpu);
	}
}

/* From here on @vcpu is the plane that runs: what arrives for another one is sent to it. */
static __always_inline void kvm_plane_set_running(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;

	if (test_bit(vcpu->plane.id, &plane0->kicked))
		clear_bit(vcpu->plane.id, &plane0->kicked);
	WRITE_ONCE(plane0->running, vcpu);
	/* Pairs with both in __kvm_plane_kick(). */
	smp_mb();
}

/* As kvm_plane_pending(), but does not sleep: some timers may have expired unseen. */
u16 __kvm_plane_pending(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *sibling;
	unsigned int id;
	u16 planes = 0;

	kvm_for_each_sibling(id, sibling, vcpu) {
		if (kvm_arch_plane_has_event(sibling))
			planes |= BIT(id);
	}
	return planes;
}

/* The planes, other than @vcpu's own, that have a pending interrupt. */
u16 kvm_plane_pending(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *sibling;
	unsigned int id;

	kvm_for_each_sibling(id, sibling, vcpu)
		kvm_arch_plane_run_timers(sibling);
	return __kvm_plane_pending(vcpu);
}

/* The same, of those that were kicked; the others have none. */
static u16 kvm_plane_pending_kicked(struct kvm_vcpu *vcpu)
{
	unsigned long *kicked = &vcpu->plane.vcpu0->plane.kicked;
	unsigned long mask = READ_ONCE(*kicked) & ~BIT(vcpu->plane.id);
	struct kvm_vcpu *sibling;
	unsigned int id;
	u16 planes = 0;

	for_each_set_bit(id, &mask, KVM_MAX_PLANES) {
		sibling = kvm_vcpu_sibling(vcpu, id);
		clear_bit(id, kicked);
		/* What is not seen from here on sets the bit again. */
		smp_mb__after_atomic();
		kvm_arch_plane_run_timers(sibling);
		if (!kvm_arch_plane_has_event(sibling))
			continue;
		/* It stays pending, and is looked at again after the next switch. */
		set_bit(id, kicked);
		planes |= BIT(id);
	}
	return planes;
}

/* As vcpu_put() and vcpu_load(), on a CPU and a thread that stay the same; preemption is off. */
static __always_inline void kvm_plane_load(struct kvm_vcpu *from, struct kvm_vcpu *to,
					   const bool reenter)
{
	if (!reenter)
		kvm_arch_vcpu_put(from);
	preempt_notifier_unregister(&from->preempt_notifier);
	__this_cpu_write(*kvm_get_running_vcpus(), to);
	preempt_notifier_register(&to->preempt_notifier);
	if (reenter)
		kvm_arch_plane_reload(from, to);
	else
		kvm_arch_plane_load(to, smp_processor_id());
}

/* The ring is one for all planes: none runs before userspace has emptied it. */
static __always_inline void kvm_plane_carry_ring_full(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	if (unlikely(kvm_test_request(KVM_REQ_DIRTY_RING_SOFT_FULL, from)))
		kvm_make_request(KVM_REQ_DIRTY_RING_SOFT_FULL, to);
}

/*
 * What a switch is, but for what depends on where it is done. @reenter: @to is entered in the
 * inner run loop.
 */
static __always_inline void kvm_plane_change(struct kvm_vcpu *from, struct kvm_vcpu *to,
					     const bool reenter)
{
	from->plane.switch_to = NULL;
	from->plane.stat.switches[from->plane.switch_cause]++;
	trace_kvm_plane_switch(from, to);

	to->wants_to_run = from->wants_to_run;
	from->wants_to_run = false;
	to->plane.entered_at = to->stat.exits;
	/* Not of what it does now, but of when it was left, or of KVM_TRANSLATE. */
	to->plane.mem_fault.flags = 0;
	kvm_plane_carry_ring_full(from, to);

	kvm_arch_plane_carry(from, to, from->plane.switch_state);
	kvm_plane_load(from, to, reenter);
	kvm_plane_set_running(to);
}

/* Have @to look at the events of planes that do not run, if there are any. */
static __always_inline void kvm_plane_look(struct kvm_vcpu *from, struct kvm_vcpu *to)
{
	struct kvm_plane_vcpu *plane0 = &to->plane.vcpu0->plane;
	u16 watched = kvm_plane_watched(to);

	if (!watched)
		return;
	if (!kvm_arch_plane_quiet(from))
		set_bit(from->plane.id, &plane0->kicked);
	if (READ_ONCE(plane0->kicked) & watched & ~BIT(to->plane.id))
		kvm_make_request(KVM_REQ_PLANE, to);
}

/**
 * __kvm_plane_switch - carry out a switch of planes that was decided on
 * @vcpu: the vCPU that runs, loaded, in an SRCU read section
 *
 * Return: the vCPU to go on with, in the same state; a request is made of it if
 * there are events to look at.
 */
struct kvm_vcpu *__kvm_plane_switch(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *to = vcpu->plane.switch_to;

	kvm_vcpu_srcu_read_unlock(vcpu);
	kvm_arch_plane_leave(vcpu);
	kvm_arch_plane_leave_pmu(vcpu);
	kvm_arch_plane_switch_fpu(vcpu, to);
	preempt_disable();
	kvm_plane_change(vcpu, to, false);
	preempt_enable();
	kvm_arch_plane_switch_timer(vcpu, to);
	kvm_vcpu_srcu_read_lock(to);

	kvm_plane_look(vcpu, to);
	return to;
}

/**
 * __kvm_plane_reenter - carry out a switch of planes without leaving the inner run loop
 * @vcpu: the vCPU whose exit was dealt with in the fast path, interrupts off
 *
 * Where entering the other plane takes more than entering a plane takes that has
 * just exited, the outer run loop does it, for which a request is made.
 *
 * Return: the vCPU to enter, its requests not looked at yet.
 */
struct kvm_vcpu *__kvm_plane_reenter(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu *to = vcpu->plane.switch_to;

	if (to->plane.held || !kvm_arch_plane_can_reenter(vcpu, to)) {
		kvm_make_request(KVM_REQ_PLANE, vcpu);
		return vcpu;
	}

	vcpu->mode = OUTSIDE_GUEST_MODE;
	kvm_plane_change(vcpu, to, true);
	WRITE_ONCE(to->mode, IN_GUEST_MODE);
	/* Set the mode before requests are looked at; see kvm_vcpu_exiting_guest_mode(). */
	smp_mb();
	kvm_plane_look(vcpu, to);
	return to;
}

/* KVM_EXIT_PLANE_EVENT. Return: as a run loop's, that KVM_RUN is to return. */
int kvm_plane_exit_to_user(struct kvm_vcpu *vcpu, struct kvm_plane_event event)
{
	vcpu->run->exit_reason = KVM_EXIT_PLANE_EVENT;
	*kvm_run_plane_event(vcpu->run) = event;
	return 0;
}

static int kvm_plane_exit_event(struct kvm_vcpu *vcpu, u16 pending, u16 wanted)
{
	return kvm_plane_exit_to_user(vcpu, (struct kvm_plane_event) {
		.pending_event_planes = pending,
		.cause = KVM_PLANE_EVENT_INTERRUPT,
		.target = __ffs(wanted),
	});
}

/* What is pending for planes that do not run. Return: as a run loop's. */
static int kvm_plane_events(struct kvm_vcpu *vcpu)
{
	u16 pending = kvm_plane_pending_kicked(vcpu);
	u16 wanted;

	if (!pending)
		return 1;

	switch (kvm_plane_policy_event(vcpu, pending)) {
	case KVM_PLANE_HANDLED:
		if (vcpu->plane.switch_to)
			__kvm_plane_switch(vcpu);
		return 1;
	case KVM_PLANE_TO_USER:
		wanted = pending & vcpu->plane.vcpu0->plane.req_exit;
		return kvm_plane_exit_event(vcpu, pending, wanted ?: pending);
	default:
		wanted = pending & vcpu->plane.vcpu0->plane.req_exit;
		return wanted ? kvm_plane_exit_event(vcpu, pending, wanted) : 1;
	}
}

/* See kvm_plane_holds_events(). */
bool __kvm_plane_holds_events(struct kvm_vcpu *vcpu)
{
	switch (kvm_plane_policy_inject(vcpu)) {
	case KVM_PLANE_HANDLED:
		vcpu->plane.held = KVM_PLANE_HOLD_EVENT;
		/* The run loop without planes would never ask again. */
		if (!vcpu->plane.vcpu0->plane.looping)
			kvm_make_request(KVM_REQ_PLANE, vcpu);
		return true;
	case KVM_PLANE_TO_USER:
		vcpu->plane.held = KVM_PLANE_HOLD_USER;
		/* The plane is not entered. */
		kvm_make_request(KVM_REQ_PLANE, vcpu);
		return true;
	default:
		return false;
	}
}

/* An event was not injected: ask the policy again, or userspace. Return: as a run loop's. */
static int kvm_plane_unhold(struct kvm_vcpu *vcpu)
{
	u8 held = vcpu->plane.held;

	vcpu->plane.held = KVM_PLANE_HOLD_NONE;
	kvm_arch_plane_recheck(vcpu);
	if (held != KVM_PLANE_HOLD_USER)
		return 1;

	return kvm_plane_exit_to_user(vcpu, (struct kvm_plane_event) {
		.pending_event_planes = kvm_plane_pending(vcpu),
		.cause = KVM_PLANE_EVENT_INJECT,
		.target = vcpu->plane.id,
	});
}

/* One turn of kvm_plane_attend(), which may leave a request for the next one. */
static int kvm_plane_attend_once(struct kvm_vcpu *vcpu)
{
	kvm_clear_request(KVM_REQ_PLANE, vcpu);
	/* What is not seen from here on makes the request again. */
	smp_mb__after_atomic();

	if (vcpu->plane.switch_to) {
		vcpu = __kvm_plane_switch(vcpu);
		if (!kvm_check_request(KVM_REQ_PLANE, vcpu))
			return 1;
	}

	if (vcpu->plane.held && !kvm_plane_unhold(vcpu))
		return 0;

	if (vcpu->plane.mem_fault.flags) {
		/* For the events, of which nothing is known yet. */
		kvm_make_request(KVM_REQ_PLANE, vcpu);
		return kvm_plane_mem_fault(vcpu);
	}
	return kvm_plane_events(vcpu);
}

/**
 * kvm_plane_attend - do what kvm_plane_attention() saw
 * @vcpu: the vCPU that runs, before it is entered or blocks
 *
 * Switches to the plane that was decided on, if any; sees to an event of the plane that
 * runs which a policy held, and to an access that KVM did not make for it; and to events
 * of the planes that do not run.
 *
 * A policy that always finds something to do here is ejected at last, but a signal and other
 * tasks do not wait for that.
 *
 * Return: as a run loop's: 1 to go on with kvm_plane_running(), else what KVM_RUN
 * returns.
 */
int kvm_plane_attend(struct kvm_vcpu *vcpu)
{
	int r;

	/* The plane that an event switched to may be halted: it would wait for no other event. */
	do {
		r = kvm_plane_attend_once(vcpu);
		vcpu = kvm_plane_running(vcpu);
		if (r <= 0 || !kvm_plane_attention(vcpu))
			return r;
	} while (!__xfer_to_guest_mode_work_pending());

	/* The plane is neither entered nor waits, and the run loop comes back after that work. */
	kvm_make_request(KVM_REQ_PLANE, vcpu);
	kvm_make_request(KVM_REQ_UNBLOCK, vcpu);
	return 1;
}

/**
 * __kvm_plane_halt - see whether a vCPU is to do something better than to block
 * @vcpu: the vCPU that runs, not to be entered
 *
 * Return: as a run loop's, or KVM_PLANE_BLOCK.
 */
int __kvm_plane_halt(struct kvm_vcpu *vcpu)
{
	if (!kvm_arch_plane_halted(vcpu))
		return KVM_PLANE_BLOCK;

	switch (kvm_plane_policy_halt(vcpu)) {
	case KVM_PLANE_HANDLED:
		if (vcpu->plane.switch_to)
			__kvm_plane_switch(vcpu);
		else
			kvm_arch_plane_wake(vcpu);
		return 1;
	case KVM_PLANE_TO_USER:
		return kvm_plane_exit_to_user(vcpu, (struct kvm_plane_event) {
			.pending_event_planes = kvm_plane_pending(vcpu),
			.cause = KVM_PLANE_EVENT_HALT,
		});
	default:
		return KVM_PLANE_BLOCK;
	}
}

/* Tell userspace which plane ran last. */
static void kvm_plane_update_run(struct kvm_vcpu *vcpu0)
{
	struct kvm_run_planes *run = kvm_run_planes(vcpu0->run);

	run->plane = vcpu0->plane.running->plane.id;
	run->suspended_planes = vcpu0->plane.suspended;
}

/* Run the plane that userspace asks for. */
static int kvm_plane_run_asked(struct kvm_vcpu *vcpu0)
{
	struct kvm_run_planes *run = kvm_run_planes(vcpu0->run);
	u16 suspended = READ_ONCE(run->suspended_planes);
	u8 id = READ_ONCE(run->plane);
	struct kvm_vcpu *vcpu, *last = vcpu0->plane.running;
	bool wants_to_run;
	int r;

	if (id >= KVM_MAX_PLANES)
		return -EINVAL;
	vcpu = vcpu0->plane.sibling[array_index_nospec(id, KVM_MAX_PLANES)];
	if (!vcpu)
		return -ENOENT;

	/* Userspace is told of it again, whatever comes first. */
	vcpu0->plane.suspended = suspended;

	wants_to_run = vcpu0->wants_to_run;
	if (vcpu != last) {
		r = kvm_plane_complete_io(last);
		if (r != -EINTR) {
			kvm_plane_update_run(vcpu0);
			return r;
		}
		kvm_plane_carry_ring_full(last, vcpu);
		kvm_arch_plane_leave_pmu(last);
		last->plane.stat.switches[KVM_PLANE_CAUSE_USER]++;
		kvm_arch_plane_switch_timer(last, vcpu);
	}

	vcpu->plane.mem_fault.flags = 0;
	vcpu0->plane.cached = 0;
	WRITE_ONCE(vcpu0->plane.req_exit, READ_ONCE(run->req_exit_planes));
	kvm_plane_set_running(vcpu);
	/* Userspace may have set anything since the planes ran. */
	if (kvm_plane_watched(vcpu))
		set_mask_bits(&vcpu0->plane.kicked, 0, vcpu0->plane.present);
	kvm_make_request(KVM_REQ_PLANE, vcpu);
	vcpu0->wants_to_run = false;

	vcpu->wants_to_run = wants_to_run;
	r = kvm_arch_vcpu_ioctl_run(vcpu);
	vcpu0->plane.running->wants_to_run = false;

	kvm_plane_update_run(vcpu0);
	return r;
}

/* See kvm_plane_run(). */
int __kvm_plane_run(struct kvm_vcpu *vcpu)
{
	/* Not the guest's: what another ioctl translated. */
	vcpu->plane.mem_fault.flags = 0;
	if (!kvm_vcpu_has_planes(vcpu))
		return kvm_arch_vcpu_ioctl_run(vcpu);
	return kvm_plane_run_asked(vcpu);
}
