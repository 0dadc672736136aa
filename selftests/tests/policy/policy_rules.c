// SPDX-License-Identifier: GPL-2.0
/*
 * The rules for what an op asks for, in every op: a policy that breaks one is ejected, with the
 * kind, code and message that say why; of what it asked for, nothing is done; and the VM goes on
 * as if it had never had a policy. What policy_careless has is not repeated here.
 */
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mem_test.h"
#include "puppet_test.h"

#define VECTOR		0x50
#define OTHER_VECTOR	0x60

static struct puppet_test t;
static __u64 data[512] __attribute__((aligned(4096)));

/* What makes KVM call each op, and what plane 0 sees of it if there is no policy */

static void cause_hypercall(void)
{
	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
}

static void after_hypercall(void)
{
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(puppet_out[0].gpr[RAX], -1000ULL);	/* KVM_ENOSYS */
}

static void cause_wrmsr(void)
{
	puppet_let(0, puppet_wrmsr, 0, PUPPET_MSR, 0, 0);
}

static void cause_rdmsr(void)
{
	puppet_let(0, puppet_rdmsr, 0, PUPPET_MSR, 0, 0);
}

static void after_msr(void)
{
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);
	ASSERT_EQ(puppet_out[0].gpr[RAX], 0);
}

static void cause_memory_fault(void)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)data,
		.size = sizeof(data),
		.attributes = NW,
	};

	vm_ioctl(t.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	puppet_let(0, puppet_write, 1, 0, 0, (unsigned long)data);
}

static void after_memory_fault(void)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)data,
		.size = sizeof(data),
	};

	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_MEMORY_FAULT);
	vm_ioctl(t.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(data[0], 1);
}

static void cause_event(void)
{
	puppet_send(&t, 1, VECTOR);
	puppet_let(0, puppet_hlt + 1, 0, 0, 0, 0);
}

static void after_event(void)
{
	struct kvm_plane_event *event;

	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT(puppet_pending(&t, 1, VECTOR));
	kvm_run_planes(t.vm->run)->req_exit_planes = 2;
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_INTERRUPT);
	ASSERT_EQ(event->pending_event_planes, 2);
	kvm_run_planes(t.vm->run)->req_exit_planes = 0;
}

static void cause_halt(void)
{
	puppet_let(0, puppet_hlt, 0, 0, 0, 0);
}

static void *send_when_ejected(void *planes)
{
	struct policy_status status;
	int plane;

	do {
		usleep(1000);
		ASSERT(policy_read_status(t.vm, &status));
	} while (strcmp(status.policy, "none"));
	for (plane = 0; plane < 2; plane++)
		if ((unsigned long)planes & 1U << plane)
			puppet_send(&t, plane, VECTOR);
	return NULL;
}

/* It waits, which an interrupt of another plane lets userspace see. Returns who waits. */
static int expect_waiting(unsigned long planes)
{
	pthread_t thread;

	kvm_run_planes(t.vm->run)->req_exit_planes = planes;
	pthread_create(&thread, NULL, send_when_ejected, (void *)planes);
	vm_run(t.vm);
	pthread_join(thread, NULL);
	ASSERT_EXIT(t.vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(kvm_run_plane_event(t.vm->run)->cause, KVM_PLANE_EVENT_INTERRUPT);
	kvm_run_planes(t.vm->run)->req_exit_planes = 0;
	return kvm_run_planes(t.vm->run)->plane;
}

static void after_halt(void)
{
	struct kvm_mp_state state;

	ASSERT_EQ(expect_waiting(1U << 1), 0);
	vm_ioctl(t.vm->vcpu[0], KVM_GET_MP_STATE, &state);
	ASSERT_EQ(state.mp_state, KVM_MP_STATE_HALTED);
}

static __u32 taken;

static void on_irq(__u8 vector, const __u64 *gpr)
{
	taken++;
}

static void cause_injection(void)
{
	guest_irq_handler = on_irq;
	taken = 0;
	puppet_send(&t, 0, VECTOR);
	puppet_let(0, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_in[0].rflags |= X86_RFLAGS_IF;
}

static void after_injection(void)
{
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(taken, 1);
}

static const struct {
	const char *name;
	void (*cause)(void);
	void (*after)(void);
} ops[] = {
	[PUPPET_HYPERCALL] = { "hypercall", cause_hypercall, after_hypercall },
	[PUPPET_WRMSR] = { "wrmsr", cause_wrmsr, after_msr },
	[PUPPET_RDMSR] = { "rdmsr", cause_rdmsr, after_msr },
	[PUPPET_MEMORY_FAULT] = { "memory_fault", cause_memory_fault, after_memory_fault },
	[PUPPET_EVENT] = { "event", cause_event, after_event },
	[PUPPET_HALT] = { "halt", cause_halt, after_halt },
	[PUPPET_INJECTION] = { "inject", cause_injection, after_injection },
};

static void expect_ejected(int kind, long long code, const char *message)
{
	struct policy_status status;

	ASSERT(policy_read_status(t.vm, &status));
	if (strcmp(status.policy, "none"))
		fail("it was not ejected");
	ASSERT_EQ(status.eject_kind, kind);
	ASSERT_EQ(status.eject_code, code);
	if (strcmp(status.eject_message, message))
		fail("the message is \"%s\"", status.eject_message);
	ASSERT_EQ(t.puppet->exit.calls, 1);
	ASSERT_EQ(t.puppet->exit.kind, kind);
	ASSERT_EQ(t.puppet->exit.code, code);
}

/*
 * @op does what @rule says. Besides, it asks for all that can be asked for here, first, and of
 * which nothing may be seen afterwards.
 */
static void break_in(enum puppet_op_nr nr, const struct puppet_op *rule, int kind, long long code,
		     const char *message)
{
	struct puppet_op *op;

	note("in the op %s", ops[nr].name);
	puppet_start(&t, 2);
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	op = &t.puppet->op[nr];
	*op = *rule;
	op->asks |= PUPPET_WRITE_REGS;
	op->rax = 0xbad;
	op->rdx = 0xbad;
	if (!(op->asks & PUPPET_RAISE_IRQ)) {
		op->asks |= PUPPET_RAISE_IRQ;
		op->irq_plane = 1;
		op->vector = OTHER_VECTOR;
	}
	if (!(op->asks & PUPPET_SUSPEND)) {
		op->asks |= PUPPET_SUSPEND;
		op->suspend = 3;
	}

	ops[nr].cause();
	ops[nr].after();
	ASSERT_EQ(op->calls, 1);
	expect_ejected(kind, code, message);
	ASSERT(!puppet_pending(&t, 1, OTHER_VECTOR));
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 0);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, 0);
	ASSERT_EQ(puppet_stat(&t, "plane_refused"), 0);

	/* Planes are switched by userspace. */
	puppet_turn(&t, 1);
	puppet_expect_no_fault(1);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

static void break_from(enum puppet_op_nr first, enum puppet_op_nr last,
		       const struct puppet_op *rule, int kind, long long code, const char *message)
{
	enum puppet_op_nr nr;

	for (nr = first; nr <= last; nr++)
		break_in(nr, rule, kind, code, message);
}

static void break_everywhere(const struct puppet_op *rule, int kind, long long code,
			     const char *message)
{
	break_from(0, PUPPET_NR_OPS - 1, rule, kind, code, message);
}

static void verdict(enum test_how how)
{
	const struct puppet_op rule = { .verdict = 4, .asks = 0 };

	break_everywhere(&rule, KVM_PLANE_EJECT_VERDICT, 4, "return value that is no verdict");
}

static void no_target(enum test_how how)
{
	const struct puppet_op rule = { .verdict = KVM_PLANE_SWITCH };

	break_everywhere(&rule, KVM_PLANE_EJECT_TARGET, -1, "switch to no plane");
}

static void target(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_SWITCH, .asks = PUPPET_SWITCH, .target = 2,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_TARGET, 2, "switch to a plane that cannot run");
}

/* The rule is broken, though the verdict would not have the plane switched. */
static void target_resume(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_RESUME, .asks = PUPPET_SWITCH, .target = 0,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_TARGET, 0, "switch to a plane that cannot run");
}

static void state(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_SWITCH, .asks = PUPPET_SWITCH, .target = 1, .state = 1U << 31,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_STATE, 1U << 31,
			 "switch that carries unknown state");
}

static void suspend(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_RESUME, .asks = PUPPET_SUSPEND, .suspend = 4,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_SUSPEND, 4, "suspended planes that are not there");
}

static void irq_plane(enum test_how how)
{
	struct puppet_op rule = {
		.verdict = KVM_PLANE_RESUME, .asks = PUPPET_RAISE_IRQ, .vector = OTHER_VECTOR,
		.irq_plane = 2,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_IRQ, 2, "interrupt for a plane that is not there");
	rule.irq_plane = 1U << 31;
	break_in(PUPPET_HYPERCALL, &rule, KVM_PLANE_EJECT_IRQ, 1U << 31,
		 "interrupt for a plane that is not there");
}

static void irq_vector(enum test_how how)
{
	struct puppet_op rule = {
		.verdict = KVM_PLANE_RESUME, .asks = PUPPET_RAISE_IRQ, .vector = 15, .irq_plane = 1,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_IRQ, 15, "interrupt with an invalid vector");
	rule.vector = 256;
	break_in(PUPPET_HYPERCALL, &rule, KVM_PLANE_EJECT_IRQ, 256,
		 "interrupt with an invalid vector");
}

static void exception(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_RESUME, .asks = PUPPET_INJECT, .exception = X86_PF,
	};

	break_from(0, PUPPET_MEMORY_FAULT, &rule, KVM_PLANE_EJECT_EXCEPTION, X86_PF,
		   "exception that a policy cannot raise");
	break_in(PUPPET_INJECTION, &rule, KVM_PLANE_EJECT_EXCEPTION, X86_PF,
		 "exception that a policy cannot raise");
}

static void inject(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_RESUME, .asks = PUPPET_INJECT, .exception = X86_UD,
	};

	break_from(PUPPET_EVENT, PUPPET_HALT, &rule, KVM_PLANE_EJECT_INSN, X86_UD,
		   "exception without an instruction");
}

static void skip_insn(enum test_how how)
{
	const struct puppet_op rule = { .verdict = KVM_PLANE_RESUME, .asks = PUPPET_SKIP };

	break_from(PUPPET_MEMORY_FAULT, PUPPET_INJECTION, &rule, KVM_PLANE_EJECT_INSN, -1,
		   "skip without an instruction to skip");
}

static void take(enum test_how how)
{
	const struct puppet_op rule = { .verdict = KVM_PLANE_RESUME, .asks = PUPPET_TAKE };

	break_from(0, PUPPET_HALT, &rule, KVM_PLANE_EJECT_TAKE, 0, "event taken that cannot be");
}

static void latch(enum test_how how)
{
	struct puppet_op rule = {
		.verdict = KVM_PLANE_RESUME, .asks = PUPPET_READ_LATCH, .latch = PUPPET_MSR,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_MSR, PUPPET_MSR, "MSR that is no latch");
	rule.asks = PUPPET_WRITE_LATCH;
	break_in(PUPPET_HYPERCALL, &rule, KVM_PLANE_EJECT_MSR, PUPPET_MSR, "MSR that is no latch");
}

static void injection_switched(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_SWITCH, .asks = PUPPET_SWITCH, .target = 1,
	};

	break_in(PUPPET_INJECTION, &rule, KVM_PLANE_EJECT_VERDICT, KVM_PLANE_SWITCH,
		 "switch while an event is injected");
}

/* A rule is broken when the op asks, whatever it returns then. */
static void passed_on(enum test_how how)
{
	const struct puppet_op rule = {
		.verdict = KVM_PLANE_PASS, .asks = PUPPET_SUSPEND, .suspend = 0x8000,
	};

	break_everywhere(&rule, KVM_PLANE_EJECT_SUSPEND, 0x8000,
			 "suspended planes that are not there");
}

static struct puppet_op *switch_always(enum puppet_op_nr nr)
{
	struct puppet_op *op;

	puppet_start(&t, 2);
	op = &t.puppet->op[nr];
	op->verdict = KVM_PLANE_SWITCH;
	op->asks = PUPPET_SWITCH;
	op->target = PUPPET_TO_OTHER;
	return op;
}

/* Both have an event that neither takes, as interrupts are disabled. */
static void event_loop(enum test_how how)
{
	struct puppet_op *op = switch_always(PUPPET_EVENT);

	puppet_let(0, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_send(&t, 0, VECTOR);
	puppet_send(&t, 1, VECTOR);
	kvm_run_planes(t.vm->run)->plane = 0;
	puppet_run(&t);
	expect_ejected(KVM_PLANE_EJECT_LOOP, op->seen.plane ^ 1,
		       "switches between planes that do not run");
	ASSERT(op->calls <= 20);
	ASSERT(puppet_pending(&t, 0, VECTOR));
	ASSERT(puppet_pending(&t, 1, VECTOR));
	puppet_turn(&t, 0);
	puppet_turn(&t, 1);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

static void halt_loop(enum test_how how)
{
	struct puppet_op *op = switch_always(PUPPET_HALT);
	int plane;

	puppet_let(0, puppet_hlt, 0, 0, 0, 0);
	puppet_let(1, puppet_hlt, 0, 0, 0, 0);
	kvm_run_planes(t.vm->run)->plane = 0;
	plane = expect_waiting(3);
	expect_ejected(KVM_PLANE_EJECT_LOOP, plane ^ 1, "switches between planes that do not run");
	ASSERT(op->calls <= 20);
	vm_free(t.vm);
	policy_unload(&t.policy);
}

const struct test tests[] = {
	TEST("a verdict that is none is a broken rule in every op", verdict),
	TEST("so is a switch to no plane", no_target),
	TEST("so is a switch to a plane that is not there", target),
	TEST("so is a plane chosen that runs already, if the verdict is another one, too",
	     target_resume),
	TEST("so is a switch that carries unknown state", state),
	TEST("so are planes suspended that are not there", suspend),
	TEST("so is an interrupt for a plane that is not there", irq_plane),
	TEST("so is an interrupt with a vector that none can have", irq_vector),
	TEST("so is an exception that a policy cannot raise", exception),
	TEST("so is an exception where there is no instruction", inject),
	TEST("so is to skip an instruction where there is none to skip", skip_insn),
	TEST("so is to take an event where there is none to take", take),
	TEST("so is to name an MSR that is no latch", latch),
	TEST("so is a switch in place of an interrupt that is to be injected", injection_switched),
	TEST("so is any of it, if the exit is passed on, too", passed_on),
	TEST("planes that take turns for events, and do not run, end with an ejection", event_loop),
	TEST("so do planes that take turns because they halt", halt_loop),
	{ }
};
