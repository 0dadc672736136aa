// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plane-switch policies: BPF struct_ops programs that KVM asks, on the exits that
 * may mean "switch planes", what to do.
 *
 * An op cannot change anything itself. Its kfuncs note in a struct
 * kvm_plane_call what is to be done; when it returns, KVM checks its verdict and
 * carries the whole out, or nothing. A policy that breaks a rule is ejected
 * from the VM, which goes on as if it had never had one.
 *
 * Locks: kvm_plane_policies_lock protects the list of loaded policies. A VM
 * points to a policy under kvm->lock and holds a reference; the policy points to
 * its ops. Both pointers are read under RCU, in which the ops run: when BPF takes
 * the ops away it clears the second one, and frees them a grace period later.
 *
 * Who may do what: a policy is put in force, replaced and removed through its BPF link. Whoever
 * has an fd of the link can detach it, which asks for no capability, and so it is for root alone.
 * A VM opts in with another fd, that of the struct_ops map which the link has now: the token. All
 * that the bpf system call lets the holder of a token do besides is to read it (the ids of the
 * programs, the MSRs, ABI and name), to pin it in a BPF file system that he may write to, and to
 * keep it. Kept, it keeps the programs in memory and a reference to kvm.ko, but not the policy in
 * force, nor its name taken. The map cannot be changed, emptied, frozen or mapped, and no program
 * and no map of maps can use it; to make another link of it takes CAP_SYS_ADMIN, which reg() asks
 * for. An fd that was opened for reading only says as much as one for writing.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>

#include "plane_trace.h"

/**
 * struct kvm_plane_ctx - the exit that an op is called for
 *
 * All that BPF sees of it, read-only. See include/kvm_planes.bpf.h for the fields.
 */
struct kvm_plane_ctx {
	u8 plane;
	u8 cpl;
	u8 mode;
	u8 abi;
	u16 planes;
	u16 runnable;
	u16 suspended;
	u16 pending;
	u16 ready;
	u8 vmgexit;
	u8 injection;
	u8 vector;
	u32 vcpu_id;
	u64 vm_id;
	u64 cached;
	u32 msr;
	u32 access;
	u64 value;
	u64 gpa;
	u64 regs[4];
};

/**
 * struct kvm_plane_vm_ctx - the VM that an op is called for
 *
 * As struct kvm_plane_ctx.
 */
struct kvm_plane_vm_ctx {
	u64 vm_id;
	u8 split_fpu;
	u32 kind;
	s64 code;
};

/**
 * struct kvm_plane_ops - a policy
 * @hypercall: the running plane executed VMCALL or VMMCALL
 * @wrmsr: it wrote to an MSR in @msrs
 * @rdmsr: it read one
 * @memory_fault: it made an access that its plane may not make
 * @event: another plane has a pending interrupt, NMI or SMI
 * @halt: it is about to block
 * @inject: it has an interrupt or NMI that could be injected
 * @attach: a VM opts in; may sleep, and refuse with an errno
 * @detach: a VM opts out, or is gone; may sleep
 * @exit: the policy was ejected from a VM, or removed
 * @msrs: the MSRs that @wrmsr and @rdmsr are for, up to the first 0
 * @latches: MSRs that each plane keeps a value of, up to the first 0
 * @flags: KVM_PLANE_OPS_*
 * @abi: KVM_PLANE_ABI
 * @name: names the policy; no two that are loaded have the same
 * @serial: KVM's; no two that were ever loaded have the same
 *
 * The ops before @attach are those of an exit, in the order of enum kvm_plane_op.
 * They return enum kvm_plane_verdict, run under RCU and cannot sleep; @hypercall
 * may run with interrupts off, unless @flags has KVM_PLANE_OPS_LONG.
 */
struct kvm_plane_ops {
	int (*hypercall)(struct kvm_plane_ctx *ctx);
	int (*wrmsr)(struct kvm_plane_ctx *ctx);
	int (*rdmsr)(struct kvm_plane_ctx *ctx);
	int (*memory_fault)(struct kvm_plane_ctx *ctx);
	int (*event)(struct kvm_plane_ctx *ctx);
	int (*halt)(struct kvm_plane_ctx *ctx);
	int (*inject)(struct kvm_plane_ctx *ctx);
	int (*attach)(struct kvm_plane_vm_ctx *ctx);
	void (*detach)(struct kvm_plane_vm_ctx *ctx);
	void (*exit)(struct kvm_plane_vm_ctx *ctx);
	u32 msrs[KVM_PLANE_NR_MSRS];
	u32 latches[KVM_PLANE_NR_LATCHES];
	u32 flags;
	u32 abi;
	char name[KVM_PLANE_NAME_LEN];
	u64 serial;
};

typedef int (*kvm_plane_op_t)(struct kvm_plane_ctx *ctx);

/* The ops of an exit: which one, and so where it is in struct kvm_plane_ops. */
enum kvm_plane_op {
	KVM_PLANE_OP_HYPERCALL,
	KVM_PLANE_OP_WRMSR,
	KVM_PLANE_OP_RDMSR,
	KVM_PLANE_OP_MEMORY_FAULT,
	KVM_PLANE_OP_EVENT,
	KVM_PLANE_OP_HALT,
	KVM_PLANE_OP_INJECT,
};

static_assert(offsetof(struct kvm_plane_ops, inject) ==
	      KVM_PLANE_OP_INJECT * sizeof(kvm_plane_op_t));

/* What a switch that each of them decides on is counted as */
static const u8 kvm_plane_op_cause[] = {
	[KVM_PLANE_OP_HYPERCALL]	= KVM_PLANE_CAUSE_HYPERCALL,
	[KVM_PLANE_OP_WRMSR]		= KVM_PLANE_CAUSE_MSR,
	[KVM_PLANE_OP_RDMSR]		= KVM_PLANE_CAUSE_MSR,
	[KVM_PLANE_OP_MEMORY_FAULT]	= KVM_PLANE_CAUSE_MEMORY_FAULT,
	[KVM_PLANE_OP_EVENT]		= KVM_PLANE_CAUSE_EVENT,
	[KVM_PLANE_OP_HALT]		= KVM_PLANE_CAUSE_HALT,
};

/* Switches in a row, for events, between planes that did not run in between */
#define KVM_PLANE_MAX_IDLE_SWITCHES	16

/* Verdicts in a row that were carried out for events, while no plane was entered */
#define KVM_PLANE_MAX_IDLE_VERDICTS	4096

/* Verdicts in a row after which each plane was still at the instruction that it exited at */
#define KVM_PLANE_MAX_RETRIES		4096

/* In place of a verdict: the op is not for the exit fast path */
#define KVM_PLANE_ASK_LATER		(-1)

/**
 * struct kvm_plane_policy - a policy that is loaded
 * @ops: NULL once it was removed; RCU
 * @programs: the ops that came with @link, for kvm_plane_native_set()
 * @link: the BPF link it came with; an identity, not a reference
 * @users: the list while it is loaded, and each VM
 * @node: in kvm_plane_policies
 * @rcu: to free it
 * @name: as in the ops; outlives them
 */
struct kvm_plane_policy {
	struct kvm_plane_ops __rcu *ops;
	struct kvm_plane_ops *programs;
	struct bpf_link *link;
	refcount_t users;
	struct list_head node;
	struct rcu_head rcu;
	char name[KVM_PLANE_NAME_LEN];
};

static LIST_HEAD(kvm_plane_policies);
static DEFINE_MUTEX(kvm_plane_policies_lock);
static atomic64_t kvm_plane_serials = ATOMIC64_INIT(0);

/**
 * struct kvm_plane_call - one call of an op, and what it asked for
 * @ctx: what BPF sees
 * @vcpu: the vCPU that runs
 * @op: the op
 * @serial: of the policy that is called
 * @calls_left: how many kfuncs the op may still call
 * @writes_left: how many of them may write to guest memory
 * @eject_kind: set when a rule was broken, the first one counts
 * @eject_code: see enum kvm_plane_eject_kind
 * @eject_message: what it was
 * @target: the plane to switch to, -1 if none was chosen
 * @state: the groups of state to carry there
 * @vector: the exception to raise, -1 if none
 * @skip: the instruction is to be skipped
 * @take: the event that could be injected counts as injected
 * @regs_written: the registers in @regs, a bit each
 * @suspended: the planes that are suspended afterwards
 * @irqs: the planes to raise an interrupt in, a bit each
 * @irq: its vector, by plane
 * @latches_written: the MSRs in @latches, a bit each, by their place in kvm_plane_vm.latches
 * @latches: values to write to them
 * @regs: values to write
 */
struct kvm_plane_call {
	struct kvm_plane_ctx ctx;
	struct kvm_vcpu *vcpu;
	enum kvm_plane_op op;
	u64 serial;
	u32 calls_left;
	u32 writes_left;
	u32 eject_kind;
	s64 eject_code;
	const char *eject_message;
	int target;
	u32 state;
	int vector;
	bool skip;
	bool take;
	u16 suspended;
	u16 irqs;
	u8 irq[KVM_MAX_PLANES];
	u8 latches_written;
	u64 latches[KVM_PLANE_NR_LATCHES];
	u32 regs_written;
	u64 regs[KVM_PLANE_NR_REGS];
};

static struct kvm_plane_call *to_call(struct kvm_plane_ctx *ctx)
{
	return container_of(ctx, struct kvm_plane_call, ctx);
}

/* Note that a rule was broken; the policy goes when the op returns. */
static int kvm_plane_break(struct kvm_plane_call *call, u32 kind, s64 code, const char *message)
{
	if (!call->eject_kind) {
		call->eject_kind = kind;
		call->eject_code = code;
		call->eject_message = message;
	}
	return -EINVAL;
}

static noinline bool kvm_plane_over_budget(struct kvm_plane_call *call)
{
	kvm_plane_break(call, KVM_PLANE_EJECT_BUDGET, call->op,
			"too many calls of kfuncs in an op");
	return false;
}

/* Whether the op may call one more kfunc. Every kfunc asks first. */
static __always_inline bool kvm_plane_charge(struct kvm_plane_call *call)
{
	if (unlikely(!call->calls_left))
		return kvm_plane_over_budget(call);
	call->calls_left--;
	return true;
}

/*
 * Whether the dirty ring has no room for what a policy writes. Userspace is to empty the ring once
 * it is soft-full, but may ask for KVM_RUN before it does; what an op that began earlier may
 * write then takes a quarter of the entries that are reserved.
 */
static bool kvm_plane_dirty_ring_full(struct kvm_vcpu *vcpu)
{
	struct kvm_dirty_ring *ring = &vcpu->plane.vcpu0->dirty_ring;

	BUILD_BUG_ON(KVM_PLANE_MAX_WRITES * 4 > KVM_DIRTY_RING_RSVD_ENTRIES);

	return vcpu->kvm->dirty_ring_size &&
	       READ_ONCE(ring->dirty_index) - READ_ONCE(ring->reset_index) >=
	       ring->soft_limit + KVM_PLANE_MAX_WRITES;
}

/* The same as kvm_plane_charge(), for a kfunc that writes to guest memory. Return: 0 or -errno. */
static int kvm_plane_charge_write(struct kvm_plane_call *call)
{
	if (!call->writes_left)
		return kvm_plane_break(call, KVM_PLANE_EJECT_BUDGET, call->op,
				       "too many writes to guest memory in an op");
	call->writes_left--;
	return kvm_plane_dirty_ring_full(call->vcpu) ? -EAGAIN : 0;
}

/* Whether the exit is for an instruction that has not been executed yet. */
static bool kvm_plane_at_insn(const struct kvm_plane_call *call)
{
	return call->op < KVM_PLANE_OP_EVENT;
}

/* The vCPU of @plane; NULL if there is none. */
static struct kvm_vcpu *kvm_plane_vcpu(struct kvm_plane_ctx *ctx, u32 plane)
{
	if (plane >= KVM_MAX_PLANES)
		return NULL;
	return kvm_vcpu_sibling(to_call(ctx)->vcpu, array_index_nospec(plane, KVM_MAX_PLANES));
}

__bpf_kfunc_start_defs();

/**
 * bpf_kvm_plane_read_reg - read a general register of the running plane
 * @ctx: the exit
 * @reg: enum kvm_plane_reg; another is a broken rule
 *
 * Return: its value, as written by this op if it was.
 */
__bpf_kfunc u64 bpf_kvm_plane_read_reg(struct kvm_plane_ctx *ctx, u32 reg)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return 0;
	if (!kvm_arch_plane_reg_shared(reg)) {
		kvm_plane_break(call, KVM_PLANE_EJECT_REG, reg, "read of a private register");
		return 0;
	}
	if (call->regs_written & BIT(reg))
		return call->regs[reg];
	return kvm_arch_plane_read_reg(call->vcpu, array_index_nospec(reg, KVM_PLANE_NR_REGS));
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_reg);

/**
 * bpf_kvm_plane_write_reg - write a general register of the running plane
 * @ctx: the exit
 * @reg: enum kvm_plane_reg; another is a broken rule
 * @value: the value
 *
 * With a switch that carries KVM_PLANE_STATE_GPRS, the plane entered has it too.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_write_reg(struct kvm_plane_ctx *ctx, u32 reg, u64 value)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (!kvm_arch_plane_reg_shared(reg))
		return kvm_plane_break(call, KVM_PLANE_EJECT_REG, reg,
				       "write to a private register");
	call->regs[reg] = value;
	call->regs_written |= BIT(reg);
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_reg);

/**
 * bpf_kvm_plane_switch - choose the plane to run next
 * @ctx: the exit
 * @plane: a plane in @ctx->runnable; another is a broken rule
 * @state: KVM_PLANE_STATE_*, the groups to carry to it; others are a broken rule
 *
 * Takes effect with the verdict KVM_PLANE_SWITCH. The last call counts.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_switch(struct kvm_plane_ctx *ctx, u32 plane, u32 state)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (plane >= KVM_MAX_PLANES || !(ctx->runnable & BIT(plane)))
		return kvm_plane_break(call, KVM_PLANE_EJECT_TARGET, plane,
				       "switch to a plane that cannot run");
	if (state & ~KVM_PLANE_STATE_ALL)
		return kvm_plane_break(call, KVM_PLANE_EJECT_STATE, state,
				       "switch that carries unknown state");
	call->target = plane;
	call->state = state;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_switch);

/**
 * bpf_kvm_plane_suspend - set which planes are suspended
 * @ctx: the exit
 * @planes: a mask, within @ctx->planes; other bits are a broken rule
 *
 * Takes effect with the verdict KVM_PLANE_SWITCH. Migrates with the VM, in
 * kvm_run_planes.suspended_planes.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_suspend(struct kvm_plane_ctx *ctx, u32 planes)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (planes & ~ctx->planes)
		return kvm_plane_break(call, KVM_PLANE_EJECT_SUSPEND, planes,
				       "suspended planes that are not there");
	call->suspended = planes;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_suspend);

/* Whether an exception can be raised, by the op of @call. */
static bool kvm_plane_can_inject(const struct kvm_plane_call *call, u32 vector)
{
	return call->op == KVM_PLANE_OP_INJECT ? kvm_arch_plane_can_signal(vector) :
						 kvm_arch_plane_can_inject(vector);
}

/**
 * bpf_kvm_plane_inject - raise an exception in the running plane
 * @ctx: the exit
 * @vector: 6 (#UD) or, with error code 0, 13 (#GP); in the op inject 28 (#HV); another is
 *	a broken rule
 *
 * Takes effect with the verdict KVM_PLANE_RESUME, at the instruction that exited,
 * which is not skipped then; in the op inject, before the next one. In the ops event and
 * halt, a broken rule.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_inject(struct kvm_plane_ctx *ctx, u32 vector)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (!kvm_plane_at_insn(call) && call->op != KVM_PLANE_OP_INJECT)
		return kvm_plane_break(call, KVM_PLANE_EJECT_INSN, vector,
				       "exception without an instruction");
	if (!kvm_plane_can_inject(call, vector))
		return kvm_plane_break(call, KVM_PLANE_EJECT_EXCEPTION, vector,
				       "exception that a policy cannot raise");
	call->vector = vector;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_inject);

/**
 * bpf_kvm_plane_skip_insn - skip the instruction that exited
 * @ctx: the exit
 *
 * In the plane that executed it, whatever its length, and once however often
 * this is called. Takes effect with KVM_PLANE_RESUME and KVM_PLANE_SWITCH. In the
 * ops memory_fault, event, halt and inject, a broken rule.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_skip_insn(struct kvm_plane_ctx *ctx)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (call->op > KVM_PLANE_OP_RDMSR)
		return kvm_plane_break(call, KVM_PLANE_EJECT_INSN, -1,
				       "skip without an instruction to skip");
	call->skip = true;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_skip_insn);

/**
 * bpf_kvm_plane_pending - see which planes have a pending interrupt
 * @ctx: the exit
 *
 * An interrupt that the plane's APIC priority lets through, an NMI or an SMI,
 * whatever its RFLAGS.IF. A synthetic timer of Hyper-V that has just expired may be
 * seen later, by the op event. There, @ctx->pending says the same for less.
 *
 * Return: a mask of planes other than the one that runs.
 */
__bpf_kfunc u32 bpf_kvm_plane_pending(struct kvm_plane_ctx *ctx)
{
	struct kvm_plane_call *call = to_call(ctx);

	return kvm_plane_charge(call) ? __kvm_plane_pending(call->vcpu) : 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_pending);

/**
 * bpf_kvm_plane_raise_irq - raise an interrupt in a plane
 * @ctx: the exit
 * @plane: a plane in @ctx->planes; another is a broken rule
 * @vector: 16 to 255; another is a broken rule
 *
 * Fixed and edge-triggered, in the local APIC that the plane's vCPU has. Takes effect
 * with KVM_PLANE_RESUME and KVM_PLANE_SWITCH; of two in one plane, the second.
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP: the local APIC is userspace's.
 */
__bpf_kfunc int bpf_kvm_plane_raise_irq(struct kvm_plane_ctx *ctx, u32 plane, u32 vector)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (plane >= KVM_MAX_PLANES || !(ctx->planes & BIT(plane)))
		return kvm_plane_break(call, KVM_PLANE_EJECT_IRQ, plane,
				       "interrupt for a plane that is not there");
	if (vector < 16 || vector > 255)
		return kvm_plane_break(call, KVM_PLANE_EJECT_IRQ, vector,
				       "interrupt with an invalid vector");
	if (!kvm_arch_irqchip_in_kernel(call->vcpu->kvm))
		return -EOPNOTSUPP;

	call->irqs |= BIT(plane);
	call->irq[plane] = vector;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_raise_irq);

/**
 * bpf_kvm_plane_take - have the event that KVM would inject count as injected
 * @ctx: the exit, of the op inject; in others, a broken rule
 *
 * An interrupt of the local APIC is in service until its EOI, an NMI is over; the plane
 * knows of it only what the policy tells it. Takes effect with KVM_PLANE_RESUME. What the
 * PIC or userspace has pending cannot be taken: a broken rule.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_take(struct kvm_plane_ctx *ctx)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (ctx->injection != KVM_PLANE_INJECT_IRQ && ctx->injection != KVM_PLANE_INJECT_NMI)
		return kvm_plane_break(call, KVM_PLANE_EJECT_TAKE, ctx->injection,
				       "event taken that cannot be");
	call->take = true;
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_take);

/* Where in kvm_plane_vm.latches @msr is; -EINVAL, and a broken rule, if nowhere. */
static int kvm_plane_find_latch(struct kvm_plane_call *call, u32 msr)
{
	int i = kvm_plane_find_msr(call->vcpu->kvm->planes.latches, KVM_PLANE_NR_LATCHES, msr);

	if (!kvm_plane_charge(call))
		return -EINVAL;
	if (i < 0)
		return kvm_plane_break(call, KVM_PLANE_EJECT_MSR, msr, "MSR that is no latch");
	return i;
}

/**
 * bpf_kvm_plane_read_latch - read an MSR that a plane has because of the policy
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @msr: one in kvm_plane_ops.latches, of this policy or one that the VM had before; another is
 *	a broken rule
 *
 * Return: what the plane has there, not what this op has written; 0 if there is no such
 * plane.
 */
__bpf_kfunc u64 bpf_kvm_plane_read_latch(struct kvm_plane_ctx *ctx, u32 plane, u32 msr)
{
	int i = kvm_plane_find_latch(to_call(ctx), msr);
	struct kvm_vcpu *vcpu = kvm_plane_vcpu(ctx, plane);

	return i >= 0 && vcpu ? READ_ONCE(vcpu->plane.latched[i]) : 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_latch);

/**
 * bpf_kvm_plane_write_latch - write an MSR that a plane has because of the policy
 * @ctx: the exit
 * @msr: one in kvm_plane_ops.latches, of this policy or one that the VM had before; another is
 *	a broken rule
 * @value: what the running plane, which a switch leaves, is to have there
 *
 * Takes effect with KVM_PLANE_RESUME and KVM_PLANE_SWITCH.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_write_latch(struct kvm_plane_ctx *ctx, u32 msr, u64 value)
{
	struct kvm_plane_call *call = to_call(ctx);
	int i = kvm_plane_find_latch(call, msr);

	if (i < 0)
		return i;
	call->latches[i] = value;
	call->latches_written |= BIT(i);
	return 0;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_latch);

/**
 * bpf_kvm_plane_count - count something
 * @ctx: the exit
 * @counter: 0 to 3; another is ignored
 *
 * In the vCPU's binary statistics, as plane_policy_0 and so on; what it means is the
 * policy's. Takes effect at once, whatever the verdict.
 */
__bpf_kfunc void bpf_kvm_plane_count(struct kvm_plane_ctx *ctx, u32 counter)
{
	struct kvm_plane_call *call = to_call(ctx);
	struct kvm_plane_stat *stat = &call->vcpu->plane.stat;

	if (kvm_plane_charge(call) && counter < ARRAY_SIZE(stat->policy))
		stat->policy[array_index_nospec(counter, ARRAY_SIZE(stat->policy))]++;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_count);

/**
 * bpf_kvm_plane_cache - remember something of this vCPU until KVM_RUN returns
 * @ctx: the exit
 * @value: what later ops have in @ctx->cached, which is 0 until then
 *
 * For what userspace has chosen, in MSRs of the planes for one, and is slow to look up. Takes
 * effect at once, whatever the verdict. It is forgotten, too, when the policy is replaced.
 */
__bpf_kfunc void bpf_kvm_plane_cache(struct kvm_plane_ctx *ctx, u64 value)
{
	struct kvm_plane_call *call = to_call(ctx);
	struct kvm_plane_vcpu *plane0 = &call->vcpu->plane.vcpu0->plane;

	if (!kvm_plane_charge(call))
		return;
	plane0->cached = value;
	plane0->cached_by = call->serial;
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_cache);

/* Where @gpa is in userspace; NULL if it is not in a memory slot, or not to be written */
static void __user *kvm_plane_hva(struct kvm_vcpu *vcpu, gpa_t gpa, bool write,
				  struct kvm_memory_slot **slot)
{
	unsigned long hva;

	*slot = kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));
	hva = write ? gfn_to_hva_memslot(*slot, gpa_to_gfn(gpa)) :
		      gfn_to_hva_memslot_prot(*slot, gpa_to_gfn(gpa), NULL);
	return kvm_is_error_hva(hva) ? NULL : (void __user *)hva + offset_in_page(gpa);
}

/*
 * The page of @gpa, remembered in @page for as long as the memory slots are what they were, which
 * includes whether they are read-only, and whether they log what is written.
 */
static __always_inline void kvm_plane_find_page(struct kvm_vcpu *vcpu, struct kvm_plane_page *page,
						gpa_t gpa)
{
	u64 generation = kvm_vcpu_memslots(vcpu)->generation;

	gpa &= PAGE_MASK;
	if (page->gpa == gpa && page->generation == generation)
		return;

	page->hva = kvm_plane_hva(vcpu, gpa, true, &page->slot);
	page->gpa = gpa;
	page->generation = generation;
}

/*
 * What policies read as a plane, and below what they write: all of it comes here, where the
 * plane's attributes are looked at. BPF knows that @data has @size bytes, which do not cross a
 * page, so that nobody else has to find out.
 */
static int kvm_plane_read(struct kvm_vcpu *vcpu, struct kvm_plane_page *page, gpa_t gpa,
			  void *data, u32 size)
{
	struct kvm_memory_slot *slot;
	void __user *hva;
	int r = -EFAULT;

	if (kvm_plane_refuses(vcpu, gpa, 1, KVM_MEMORY_ATTRIBUTE_NR)) {
		memset(data, 0, size);
		return -EPERM;
	}

	kvm_plane_find_page(vcpu, page, gpa);
	/* It may be readable nevertheless. */
	hva = page->hva ? page->hva + offset_in_page(gpa) : kvm_plane_hva(vcpu, gpa, false, &slot);
	if (hva) {
		pagefault_disable();
		r = raw_copy_from_user(data, hva, size) ? -EFAULT : 0;
		pagefault_enable();
	}
	if (r)
		memset(data, 0, size);
	return r;
}

static int kvm_plane_write(struct kvm_vcpu *vcpu, struct kvm_plane_page *page, gpa_t gpa,
			   const void *data, u32 size)
{
	void __user *hva;
	int r;

	if (kvm_plane_refuses(vcpu, gpa, 1, KVM_MEMORY_ATTRIBUTE_NW))
		return -EPERM;

	kvm_plane_find_page(vcpu, page, gpa);
	if (!page->hva)
		return -EFAULT;
	hva = page->hva + offset_in_page(gpa);

	pagefault_disable();
	if (size == sizeof(u32))
		r = __put_user(get_unaligned((u32 *)data), (u32 __user *)hva);
	else
		r = raw_copy_to_user(hva, data, size);
	pagefault_enable();
	if (r)
		return -EFAULT;

	if (kvm_slot_dirty_track_enabled(page->slot))
		mark_page_dirty_in_slot(vcpu->kvm, page->slot, gpa_to_gfn(gpa));
	return 0;
}

/* The vCPU of @plane, or an error pointer if @size bytes at @gpa cross a page. */
static struct kvm_vcpu *kvm_plane_mem(struct kvm_plane_ctx *ctx, u32 plane, u64 gpa, u32 size)
{
	struct kvm_vcpu *vcpu = kvm_plane_vcpu(ctx, plane);

	if (!kvm_plane_charge(to_call(ctx)))
		return ERR_PTR(-EINVAL);
	return vcpu && size <= PAGE_SIZE - offset_in_page(gpa) ? vcpu : ERR_PTR(-EINVAL);
}

/**
 * bpf_kvm_plane_read_mem - read guest memory, as a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @gpa: the guest physical address
 * @data: where to
 * @data__sz: how many bytes; they do not cross a page
 *
 * Nothing is faulted in. A policy that finds a page not there returns
 * KVM_PLANE_USER, and userspace, which can wait for the page, does the rest.
 *
 * Return: 0; -EINVAL: no such plane, or more than one page; -EPERM: the plane may not
 * read there; -EFAULT: it is not in memory. Then @data is zeroed.
 */
__bpf_kfunc int bpf_kvm_plane_read_mem(struct kvm_plane_ctx *ctx, u32 plane, u64 gpa,
				       void *data, u32 data__sz)
{
	struct kvm_vcpu *vcpu = kvm_plane_mem(ctx, plane, gpa, data__sz);

	if (IS_ERR(vcpu)) {
		memset(data, 0, data__sz);
		return PTR_ERR(vcpu);
	}
	return kvm_plane_read(vcpu, &vcpu->plane.mem, gpa, data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_mem);

/**
 * bpf_kvm_plane_write_mem - write guest memory, as a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @gpa: the guest physical address
 * @data: what
 * @data__sz: how many bytes; they do not cross a page
 *
 * Takes effect at once, whatever the verdict. Nothing is faulted in.
 *
 * Return: as bpf_kvm_plane_read_mem(); -EFAULT also for memory that is read-only; -EAGAIN:
 * userspace has to empty the dirty ring before.
 */
__bpf_kfunc int bpf_kvm_plane_write_mem(struct kvm_plane_ctx *ctx, u32 plane, u64 gpa,
					const void *data, u32 data__sz)
{
	struct kvm_vcpu *vcpu = kvm_plane_mem(ctx, plane, gpa, data__sz);
	int r = kvm_plane_charge_write(to_call(ctx));

	if (r)
		return r;
	return IS_ERR(vcpu) ? PTR_ERR(vcpu) :
			      kvm_plane_write(vcpu, &vcpu->plane.mem, gpa, data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_mem);

/* The assist page of @plane, if @size bytes at @offset are within it. */
static struct kvm_vcpu *kvm_plane_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					 u32 size, gpa_t *gpa)
{
	struct kvm_vcpu *vcpu = kvm_plane_vcpu(ctx, plane);

	if (!kvm_plane_charge(to_call(ctx)))
		return ERR_PTR(-EINVAL);
	if (!vcpu || offset > PAGE_SIZE || size > PAGE_SIZE - offset)
		return ERR_PTR(-EINVAL);
	return kvm_arch_plane_assist_gpa(vcpu, gpa) ? vcpu : ERR_PTR(-ENOENT);
}

/**
 * bpf_kvm_plane_read_assist - read from the VP assist page of a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @offset: where in the page, in bytes
 * @data: where to
 * @data__sz: how many bytes
 *
 * The page is the one that the plane's HV_X64_MSR_VP_ASSIST_PAGE names.
 *
 * Return: 0; -EINVAL: no such plane, or not within the page; -ENOENT: the page is
 * not enabled; -EPERM: the plane may not read it; -EFAULT: it is not in memory, and
 * userspace may bring it in. Then @data is zeroed.
 */
__bpf_kfunc int bpf_kvm_plane_read_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					  void *data, u32 data__sz)
{
	struct kvm_vcpu *vcpu;
	gpa_t gpa;

	vcpu = kvm_plane_assist(ctx, plane, offset, data__sz, &gpa);
	if (IS_ERR(vcpu)) {
		memset(data, 0, data__sz);
		return PTR_ERR(vcpu);
	}
	return kvm_plane_read(vcpu, &vcpu->plane.assist, gpa + offset, data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_read_assist);

/**
 * bpf_kvm_plane_write_assist - write to the VP assist page of a plane
 * @ctx: the exit
 * @plane: any plane of this vCPU
 * @offset: where in the page, in bytes
 * @data: what
 * @data__sz: how many bytes
 *
 * Takes effect at once, whatever the verdict.
 *
 * Return: as bpf_kvm_plane_read_assist(); -EAGAIN: userspace has to empty the dirty ring before.
 */
__bpf_kfunc int bpf_kvm_plane_write_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					   const void *data, u32 data__sz)
{
	int r = kvm_plane_charge_write(to_call(ctx));
	struct kvm_vcpu *vcpu;
	gpa_t gpa;

	if (r)
		return r;
	vcpu = kvm_plane_assist(ctx, plane, offset, data__sz, &gpa);
	return IS_ERR(vcpu) ? PTR_ERR(vcpu) :
			      kvm_plane_write(vcpu, &vcpu->plane.assist, gpa + offset,
					      data, data__sz);
}
EXPORT_SYMBOL_GPL(bpf_kvm_plane_write_assist);

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kvm_plane_kfuncs)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_reg, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_reg, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_switch, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_suspend, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_inject, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_skip_insn, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_pending, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_raise_irq, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_take, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_latch, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_latch, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_count, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_cache, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_mem, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_mem, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_assist, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_assist, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(kvm_plane_kfuncs)

static const struct btf_kfunc_id_set kvm_plane_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &kvm_plane_kfuncs,
};

/* What BPF calls in place of an op; struct_ops wants one for each. */
static int kvm_plane_op_stub(struct kvm_plane_ctx *ctx)
{
	return KVM_PLANE_PASS;
}

static int kvm_plane_attach_stub(struct kvm_plane_vm_ctx *ctx)
{
	return 0;
}

static void kvm_plane_vm_stub(struct kvm_plane_vm_ctx *ctx)
{
}

static struct kvm_plane_ops kvm_plane_ops_stubs = {
	.hypercall	= kvm_plane_op_stub,
	.wrmsr		= kvm_plane_op_stub,
	.rdmsr		= kvm_plane_op_stub,
	.memory_fault	= kvm_plane_op_stub,
	.event		= kvm_plane_op_stub,
	.halt		= kvm_plane_op_stub,
	.inject		= kvm_plane_op_stub,
	.attach		= kvm_plane_attach_stub,
	.detach		= kvm_plane_vm_stub,
	.exit		= kvm_plane_vm_stub,
};

static const struct bpf_func_proto *kvm_plane_get_func_proto(enum bpf_func_id id,
							     const struct bpf_prog *prog)
{
	return bpf_base_func_proto(id, prog);
}

static const struct bpf_verifier_ops kvm_plane_verifier_ops = {
	.get_func_proto	 = kvm_plane_get_func_proto,
	.is_valid_access = bpf_tracing_btf_ctx_access,
};

static bool kvm_plane_usable;

/* Called once the module's BTF was found good; without it registration does nothing. */
static int kvm_plane_ops_init(struct btf *btf)
{
	kvm_plane_usable = true;
	return 0;
}

static bool kvm_plane_name_valid(const char *name)
{
	size_t len = strnlen(name, KVM_PLANE_NAME_LEN);
	size_t i;

	if (!len || len == KVM_PLANE_NAME_LEN)
		return false;
	for (i = 0; i < len; i++)
		if (!isalnum(name[i]) && !strchr("_-.", name[i]))
			return false;
	return true;
}

static bool kvm_plane_msrs_valid(const u32 *msrs)
{
	unsigned int i;

	for (i = 0; i < KVM_PLANE_NR_MSRS && msrs[i]; i++)
		if (!kvm_arch_plane_can_claim_msr(msrs[i]))
			return false;
	return true;
}

/* Return: 1 for a member that is not an op, and was taken over. */
static int kvm_plane_ops_init_member(const struct btf_type *t, const struct btf_member *member,
				     void *kdata, const void *udata)
{
	const struct kvm_plane_ops *from = udata;
	struct kvm_plane_ops *to = kdata;

	switch (__btf_member_bit_offset(t, member) / 8) {
	case offsetof(struct kvm_plane_ops, msrs):
		if (!kvm_plane_msrs_valid(from->msrs))
			return -EINVAL;
		memcpy(to->msrs, from->msrs, sizeof(to->msrs));
		return 1;
	case offsetof(struct kvm_plane_ops, latches):
		memcpy(to->latches, from->latches, sizeof(to->latches));
		return 1;
	case offsetof(struct kvm_plane_ops, abi):
		if (from->abi != KVM_PLANE_ABI)
			return -EPROTO;
		to->abi = from->abi;
		return 1;
	case offsetof(struct kvm_plane_ops, flags):
		if (from->flags & ~KVM_PLANE_OPS_FLAGS)
			return -EINVAL;
		to->flags = from->flags;
		return 1;
	case offsetof(struct kvm_plane_ops, name):
		if (!kvm_plane_name_valid(from->name))
			return -EINVAL;
		strscpy(to->name, from->name, sizeof(to->name));
		return 1;
	default:
		return 0;
	}
}

static int kvm_plane_ops_check_member(const struct btf_type *t, const struct btf_member *member,
				      const struct bpf_prog *prog)
{
	switch (__btf_member_bit_offset(t, member) / 8) {
	case offsetof(struct kvm_plane_ops, attach):
	case offsetof(struct kvm_plane_ops, detach):
		return 0;
	default:
		return prog->sleepable ? -EINVAL : 0;
	}
}

static struct kvm_plane_policy *kvm_plane_find_policy(const struct bpf_link *link)
{
	struct kvm_plane_policy *policy;

	lockdep_assert_held(&kvm_plane_policies_lock);

	list_for_each_entry(policy, &kvm_plane_policies, node)
		if (policy->link == link)
			return policy;
	return NULL;
}

/* The policy whose link has the struct_ops map @id now; a link has none inside reg(). */
static struct kvm_plane_policy *kvm_plane_find_policy_map(u32 id)
{
	struct kvm_plane_policy *policy;

	lockdep_assert_held(&kvm_plane_policies_lock);

	list_for_each_entry(policy, &kvm_plane_policies, node) {
		struct bpf_link_info info = { };

		policy->link->ops->fill_link_info(policy->link, &info);
		if (info.struct_ops.map_id == id)
			return policy;
	}
	return NULL;
}

static struct kvm_plane_policy *kvm_plane_find_policy_name(const char *name)
{
	struct kvm_plane_policy *policy;

	lockdep_assert_held(&kvm_plane_policies_lock);

	list_for_each_entry(policy, &kvm_plane_policies, node)
		if (!strcmp(policy->name, name))
			return policy;
	return NULL;
}

static void kvm_plane_put_policy(struct kvm_plane_policy *policy)
{
	if (refcount_dec_and_test(&policy->users))
		kfree_rcu(policy, rcu);
}

/*
 * A policy is loaded. BPF_LINK_CREATE itself asks for nothing but an fd of the map, which every
 * VMM may have.
 *
 * Return: 0; -EPERM: the caller has no CAP_SYS_ADMIN; -EOPNOTSUPP: there is no link; -EEXIST: the
 * name is taken.
 */
static int kvm_plane_ops_reg(void *kdata, struct bpf_link *link)
{
	struct kvm_plane_ops *ops = kdata;
	struct kvm_plane_policy *policy;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!link)
		return -EOPNOTSUPP;

	policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);
	if (!policy)
		return -ENOMEM;

	ops->serial = atomic64_inc_return(&kvm_plane_serials);
	RCU_INIT_POINTER(policy->ops, ops);
	policy->programs = ops;
	policy->link = link;
	refcount_set(&policy->users, 1);
	strscpy(policy->name, ops->name, sizeof(policy->name));

	guard(mutex)(&kvm_plane_policies_lock);
	if (kvm_plane_find_policy_name(policy->name)) {
		kfree(policy);
		return -EEXIST;
	}
	list_add(&policy->node, &kvm_plane_policies);
	return 0;
}

/* VMs that have @policy look at all that is pending once more. */
static void kvm_plane_look_all(struct kvm_plane_policy *policy)
{
	struct kvm *kvm;

	guard(mutex)(&kvm_lock);
	list_for_each_entry(kvm, &vm_list, vm_list)
		if (rcu_access_pointer(kvm->planes.policy) == policy)
			kvm_plane_watch(kvm);
}

/* It is removed; VMs that have it switch in userspace from their next exit on. */
static void kvm_plane_ops_unreg(void *kdata, struct bpf_link *link)
{
	struct kvm_plane_vm_ctx ctx = { .kind = KVM_PLANE_EJECT_REMOVED };
	struct kvm_plane_ops *ops = kdata;
	struct kvm_plane_policy *policy;

	guard(mutex)(&kvm_plane_policies_lock);
	policy = kvm_plane_find_policy(link);
	if (WARN_ON_ONCE(!policy))
		return;

	list_del(&policy->node);
	RCU_INIT_POINTER(policy->ops, NULL);
	/* Nobody holds their events any more. */
	if (ops->inject)
		kvm_plane_look_all(policy);
	if (ops->exit) {
		guard(rcu)();
		ops->exit(&ctx);
	}
	kvm_plane_put_policy(policy);
}

/*
 * It is replaced, by one of the same name, and with the same latches, which VMs have already;
 * every exit sees the one or the other.
 */
static int kvm_plane_ops_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	struct kvm_plane_ops *ops = kdata, *old = old_kdata;
	struct kvm_plane_policy *policy;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (memcmp(ops->latches, old->latches, sizeof(ops->latches)))
		return -EINVAL;

	scoped_guard(mutex, &kvm_plane_policies_lock) {
		policy = kvm_plane_find_policy(link);
		if (!policy || strcmp(policy->name, ops->name))
			return -EINVAL;
		policy->programs = ops;
		ops->serial = atomic64_inc_return(&kvm_plane_serials);
		rcu_assign_pointer(policy->ops, ops);
	}
	/* It may want to know of events that the old one did not, or not hold what that held. */
	if (ops->event || old->inject)
		kvm_plane_look_all(policy);
	return 0;
}

/**
 * kvm_plane_native_set - have functions of a module stand in for a policy's programs
 * @name: of the policy, which is loaded
 * @ops: the functions; NULL: the programs again
 *
 * To measure what BPF costs, and for nothing else. When this returns, whatever
 * it returns, no ops that were set before are running.
 *
 * Return: 0; -ENOENT: there is no such policy.
 */
int kvm_plane_native_set(const char *name, struct kvm_plane_ops *ops)
{
	struct kvm_plane_policy *policy;

	mutex_lock(&kvm_plane_policies_lock);
	policy = kvm_plane_find_policy_name(name);
	if (policy)
		rcu_assign_pointer(policy->ops, ops ?: policy->programs);
	mutex_unlock(&kvm_plane_policies_lock);

	synchronize_rcu();
	return policy ? 0 : -ENOENT;
}
EXPORT_SYMBOL_GPL(kvm_plane_native_set);

static int kvm_plane_ops_validate(void *kdata)
{
	return 0;
}

static struct bpf_struct_ops bpf_kvm_plane_ops = {
	.verifier_ops	= &kvm_plane_verifier_ops,
	.init		= kvm_plane_ops_init,
	.init_member	= kvm_plane_ops_init_member,
	.check_member	= kvm_plane_ops_check_member,
	.validate	= kvm_plane_ops_validate,
	.reg		= kvm_plane_ops_reg,
	.unreg		= kvm_plane_ops_unreg,
	.update		= kvm_plane_ops_update,
	.cfi_stubs	= &kvm_plane_ops_stubs,
	.name		= "kvm_plane_ops",
	.owner		= THIS_MODULE,
};

/* When kvm.ko is loaded. A failure leaves KVM without policies, and says so. */
void __init kvm_plane_bpf_init(void)
{
	int r;

	r = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &kvm_plane_kfunc_set);
	if (!r)
		r = register_bpf_struct_ops(&bpf_kvm_plane_ops, kvm_plane_ops);
	if (r) {
		kvm_plane_usable = false;
		pr_warn("no plane-switch policies, BPF registration failed: %d\n", r);
	}
}

bool kvm_plane_bpf_usable(void)
{
	return kvm_plane_usable;
}

/* The name of the policy that switches the planes of @kvm; NULL if none. RCU. */
const char *kvm_plane_policy_name(struct kvm *kvm)
{
	struct kvm_plane_policy *policy = rcu_dereference(kvm->planes.policy);

	return policy && rcu_access_pointer(policy->ops) ? policy->name : NULL;
}

/* The ops of the policy that @kvm has; NULL if none. RCU. */
static struct kvm_plane_ops *kvm_plane_vm_ops(struct kvm *kvm)
{
	struct kvm_plane_policy *policy = rcu_dereference(kvm->planes.policy);

	return policy ? rcu_dereference(policy->ops) : NULL;
}

static bool kvm_plane_policy_claims_msr(struct kvm *kvm, u32 msr)
{
	struct kvm_plane_ops *ops;

	guard(rcu)();
	ops = kvm_plane_vm_ops(kvm);
	return ops && kvm_plane_find_msr(ops->msrs, KVM_PLANE_NR_MSRS, msr) >= 0;
}

/* The policy that the token @fd is of, with a reference. The map has its id while it is held. */
static struct kvm_plane_policy *kvm_plane_get_policy(int fd)
{
	struct kvm_plane_policy *policy;
	struct bpf_map *map;

	map = bpf_map_get(fd);
	if (IS_ERR(map))
		return ERR_CAST(map);

	mutex_lock(&kvm_plane_policies_lock);
	policy = kvm_plane_find_policy_map(map->id);
	if (policy)
		refcount_inc(&policy->users);
	mutex_unlock(&kvm_plane_policies_lock);

	bpf_map_put(map);
	return policy ?: ERR_PTR(-EINVAL);
}

/*
 * The MSRs of the planes of @kvm, and those of @ops that they do not have yet. Those that they
 * have stay where they are, as do their values.
 */
static int kvm_plane_merge_latches(const struct kvm *kvm, const struct kvm_plane_ops *ops,
				   u32 *latches)
{
	unsigned int i, used = 0;

	memcpy(latches, kvm->planes.latches, sizeof(kvm->planes.latches));
	while (used < KVM_PLANE_NR_LATCHES && latches[used])
		used++;

	for (i = 0; i < KVM_PLANE_NR_LATCHES && ops->latches[i]; i++) {
		if (kvm_plane_find_msr(latches, used, ops->latches[i]) >= 0)
			continue;
		if (used == KVM_PLANE_NR_LATCHES)
			return -ENOSPC;
		latches[used++] = ops->latches[i];
	}
	return 0;
}

static void kvm_plane_set_latches(struct kvm *kvm, const u32 *latches)
{
	unsigned int i;

	for (i = 0; i < KVM_PLANE_NR_LATCHES; i++)
		WRITE_ONCE(kvm->planes.latches[i], latches[i]);
}

/*
 * Opt in: the policy has its say before the VM has it. *@events: it wants to know of them.
 *
 * One that replaces it meanwhile either is asked itself, or finds that the VM has it.
 */
static int kvm_plane_set_policy(struct kvm *kvm, struct kvm_plane_policy *policy, bool *events)
{
	struct kvm_plane_vm_ctx ctx = {
		.vm_id = kvm->planes.id,
		.split_fpu = kvm->planes.split_fpu,
	};
	struct kvm_plane_policy *old;
	struct kvm_plane_ops *ops;
	u32 latches[KVM_PLANE_NR_LATCHES];
	int r;

	ops = rcu_dereference_protected(policy->ops, lockdep_is_held(&kvm_plane_policies_lock));
	/* Removed since it was found */
	if (!ops)
		return -EINVAL;
	r = kvm_plane_merge_latches(kvm, ops, latches);
	if (r)
		return r;
	if (ops->attach) {
		r = ops->attach(&ctx);
		if (r < 0)
			return r >= -MAX_ERRNO ? r : -EINVAL;
	}

	*events = ops->event;
	kvm_plane_set_latches(kvm, latches);
	/* The old one may be ejected meanwhile; whoever unsets the pointer puts it. */
	old = unrcu_pointer(xchg(&kvm->planes.policy, RCU_INITIALIZER(policy)));
	if (old)
		kvm_plane_put_policy(old);
	return 0;
}

/**
 * kvm_plane_policy_attach - opt a VM in to a policy
 * @kvm: the VM, its lock held
 * @fd: the token of the policy, an fd of its struct_ops map
 *
 * A policy that was removed does not count as one.
 *
 * Return: 0; -EBADF: not an fd; -EINVAL: not the token of a policy, of its link for instance, or
 * the token of a policy that was removed or replaced; -EBUSY: the VM has one; or what the policy's
 * op attach returned.
 */
int kvm_plane_policy_attach(struct kvm *kvm, int fd)
{
	struct kvm_plane_policy *policy, *old;
	bool events;
	int r;

	lockdep_assert_held(&kvm->lock);

	policy = kvm_plane_get_policy(fd);
	if (IS_ERR(policy))
		return PTR_ERR(policy);

	old = rcu_dereference_protected(kvm->planes.policy, lockdep_is_held(&kvm->lock));
	if (old && rcu_access_pointer(old->ops)) {
		kvm_plane_put_policy(policy);
		return -EBUSY;
	}

	/* The ops stay while the lock is held, even if they sleep. */
	scoped_guard(mutex, &kvm_plane_policies_lock)
		r = kvm_plane_set_policy(kvm, policy, &events);
	if (r) {
		kvm_plane_put_policy(policy);
		return r;
	}

	if (events)
		kvm_plane_watch(kvm);
	return 0;
}

/**
 * kvm_plane_policy_detach - opt a VM out again
 * @kvm: the VM
 *
 * Return: 0; -ENOENT: it has no policy.
 */
int kvm_plane_policy_detach(struct kvm *kvm)
{
	struct kvm_plane_vm_ctx ctx = {
		.vm_id = kvm->planes.id,
		.split_fpu = kvm->planes.split_fpu,
	};
	struct kvm_plane_policy *policy;
	struct kvm_plane_ops *ops;

	policy = unrcu_pointer(xchg(&kvm->planes.policy, NULL));
	if (!policy)
		return -ENOENT;

	scoped_guard(mutex, &kvm_plane_policies_lock) {
		ops = rcu_dereference_protected(policy->ops,
						lockdep_is_held(&kvm_plane_policies_lock));
		if (ops && ops->detach) {
			/* It is the last to be called for the VM: the ops that run are to end. */
			synchronize_rcu_expedited();
			ops->detach(&ctx);
		}
		if (ops && ops->inject)
			kvm_plane_watch(kvm);
	}
	kvm_plane_put_policy(policy);
	return 0;
}

/**
 * kvm_plane_policy_ejected - tell a policy that it was ejected from a VM
 * @vcpu: a vCPU whose kvm_plane_vcpu.ejected is set; interrupts are on, as the op exit may take
 *	its time
 */
void kvm_plane_policy_ejected(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;
	struct kvm_plane_policy *policy = plane0->ejected;
	struct kvm_plane_vm_ctx ctx = {
		.vm_id = vcpu->kvm->planes.id,
		.split_fpu = vcpu->kvm->planes.split_fpu,
		.kind = plane0->ejected_kind,
		.code = plane0->ejected_code,
	};
	struct kvm_plane_ops *ops;

	plane0->ejected = NULL;
	scoped_guard(rcu) {
		ops = rcu_dereference(policy->ops);
		if (ops && ops->exit)
			ops->exit(&ctx);
	}
	kvm_plane_put_policy(policy);
}

/* A rule was broken: @policy goes from the VM, under RCU. The first vCPU to see it tells. */
static void kvm_plane_eject(struct kvm_plane_call *call, struct kvm_plane_policy *policy,
			    struct kvm_plane_ops *ops)
{
	struct kvm_plane_vcpu *plane0 = &call->vcpu->plane.vcpu0->plane;
	struct kvm *kvm = call->vcpu->kvm;
	struct kvm_plane_policy *old;

	old = unrcu_pointer(cmpxchg(&kvm->planes.policy, RCU_INITIALIZER(policy), NULL));
	if (old != policy)
		return;

	kvm->planes.eject.code = call->eject_code;
	kvm->planes.eject.message = call->eject_message;
	/* Pairs with smp_load_acquire() in kvm_plane_policy_show(). */
	smp_store_release(&kvm->planes.eject.kind, call->eject_kind);

	trace_kvm_plane_eject(kvm->planes.id, call->vcpu->vcpu_id, policy->name,
			      call->eject_kind, call->eject_code, call->eject_message);
	pr_info_ratelimited("plane policy %s ejected from VM %llu, vCPU %d: %s (%lld)\n",
			    policy->name, kvm->planes.id, call->vcpu->vcpu_id,
			    call->eject_message, call->eject_code);
	if (ops->inject)
		kvm_plane_watch(kvm);

	/* The reference goes along. The exit handler is next, if this is the exit fast path. */
	plane0->ejected = policy;
	plane0->ejected_kind = call->eject_kind;
	plane0->ejected_code = call->eject_code;
	if (!irqs_disabled())
		kvm_plane_policy_ejected(call->vcpu);
}

/* Of @planes those, other than @vcpu's, that can run in its place. */
static u16 kvm_plane_runnable(struct kvm_vcpu *vcpu, u16 planes)
{
	u16 left = planes & ~BIT(vcpu->plane.id);
	u16 runnable = 0;
	unsigned int id;

	for (; left; left &= left - 1) {
		id = __ffs(left);
		if (kvm_arch_plane_runnable(kvm_vcpu_sibling(vcpu, id)))
			runnable |= BIT(id);
	}
	return runnable;
}

/* Of @planes, which have a pending interrupt, those that would take one at once. */
static u16 kvm_plane_ready(struct kvm_vcpu *vcpu, unsigned long planes)
{
	u16 ready = 0;
	unsigned int id;

	for_each_set_bit(id, &planes, KVM_MAX_PLANES)
		if (kvm_arch_plane_ready(kvm_vcpu_sibling(vcpu, id)))
			ready |= BIT(id);
	return ready;
}

/*
 * A call of @op, without arguments and with nothing asked for yet. Every field of the
 * context is set; of the rest, @call is not initialized where that says nothing.
 */
static inline void kvm_plane_call_init(struct kvm_plane_call *call, struct kvm_vcpu *vcpu,
				       enum kvm_plane_op op, u8 mode)
{
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;
	u16 planes = READ_ONCE(plane0->present);
	u16 suspended = plane0->suspended & planes;
	struct kvm_plane_ctx *ctx = &call->ctx;

	ctx->plane = vcpu->plane.id;
	ctx->cpl = kvm_arch_plane_cpl(vcpu);
	ctx->mode = mode;
	ctx->abi = 0;
	ctx->planes = planes;
	ctx->runnable = kvm_plane_runnable(vcpu, planes);
	ctx->suspended = suspended;
	ctx->pending = 0;
	ctx->ready = 0;
	ctx->vmgexit = 0;
	ctx->injection = 0;
	ctx->vector = 0;
	ctx->vcpu_id = vcpu->vcpu_id;
	ctx->vm_id = vcpu->kvm->planes.id;
	ctx->msr = 0;
	ctx->access = 0;
	ctx->value = 0;
	ctx->gpa = 0;
	ctx->regs[0] = kvm_arch_plane_read_reg(vcpu, 0);
	ctx->regs[1] = kvm_arch_plane_read_reg(vcpu, 1);
	ctx->regs[2] = kvm_arch_plane_read_reg(vcpu, 2);
	ctx->regs[3] = kvm_arch_plane_read_reg(vcpu, 3);

	call->vcpu = vcpu;
	call->op = op;
	call->eject_kind = KVM_PLANE_EJECT_NONE;
	call->target = -1;
	call->vector = -1;
	call->skip = false;
	call->take = false;
	call->suspended = suspended;
	call->irqs = 0;
	call->latches_written = 0;
	call->regs_written = 0;
}

/* An event may neither have planes take turns for ever, nor keep the one that runs from it. */
static void kvm_plane_check_idle(struct kvm_plane_call *call, int verdict)
{
	struct kvm_vcpu *vcpu = call->vcpu;
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;

	if (vcpu->stat.exits != vcpu->plane.entered_at) {
		vcpu->plane.entered_at = vcpu->stat.exits;
		plane0->idle_switches = 0;
		plane0->idle_verdicts = 0;
	} else if (verdict == KVM_PLANE_SWITCH &&
		   ++plane0->idle_switches > KVM_PLANE_MAX_IDLE_SWITCHES) {
		kvm_plane_break(call, KVM_PLANE_EJECT_LOOP, call->target,
				"switches between planes that do not run");
	} else if (++plane0->idle_verdicts > KVM_PLANE_MAX_IDLE_VERDICTS) {
		kvm_plane_break(call, KVM_PLANE_EJECT_LOOP, -1,
				"events that keep a plane from running");
	}
}

/* The plane is to execute the instruction that exited again: that may not go on for ever. */
static void kvm_plane_check_retry(struct kvm_plane_call *call)
{
	struct kvm_plane_vcpu *plane = &call->vcpu->plane;
	unsigned long rip = kvm_arch_plane_rip(call->vcpu);

	if (plane->retried.rip != rip || plane->retried.gpa != call->ctx.gpa) {
		plane->retried.rip = rip;
		plane->retried.gpa = call->ctx.gpa;
		plane->vcpu0->plane.retries = 0;
	} else if (++plane->vcpu0->plane.retries > KVM_PLANE_MAX_RETRIES) {
		kvm_plane_break(call, KVM_PLANE_EJECT_LOOP, -1,
				"instruction that its plane does not get past");
	}
}

/* Whether a verdict that is to be carried out gets the vCPU any further. */
static __always_inline void kvm_plane_check_progress(struct kvm_plane_call *call, int verdict)
{
	if (!kvm_plane_at_insn(call))
		kvm_plane_check_idle(call, verdict);
	else if (call->skip || (verdict == KVM_PLANE_RESUME && call->vector >= 0))
		call->vcpu->plane.vcpu0->plane.retries = 0;
	else
		kvm_plane_check_retry(call);
}

/* Whether the verdict is one and can be carried out. */
static __always_inline void kvm_plane_check(struct kvm_plane_call *call, int verdict)
{
	switch (verdict) {
	case KVM_PLANE_PASS:
	case KVM_PLANE_USER:
		break;
	case KVM_PLANE_RESUME:
		kvm_plane_check_progress(call, verdict);
		break;
	case KVM_PLANE_SWITCH:
		if (call->target < 0)
			kvm_plane_break(call, KVM_PLANE_EJECT_TARGET, -1,
					"switch to no plane");
		else if (call->op == KVM_PLANE_OP_INJECT)
			kvm_plane_break(call, KVM_PLANE_EJECT_VERDICT, verdict,
					"switch while an event is injected");
		else
			kvm_plane_check_progress(call, verdict);
		break;
	default:
		kvm_plane_break(call, KVM_PLANE_EJECT_VERDICT, verdict,
				"return value that is no verdict");
	}
}

static kvm_plane_op_t kvm_plane_op(struct kvm_plane_ops *ops, enum kvm_plane_op op)
{
	return ((kvm_plane_op_t *)ops)[op];
}

/* What an op may do, and what the same policy remembered of this vCPU, if anything. */
static void kvm_plane_recall(struct kvm_plane_call *call, const struct kvm_plane_ops *ops)
{
	const struct kvm_plane_vcpu *plane0 = &call->vcpu->plane.vcpu0->plane;
	bool is_long = ops->flags & KVM_PLANE_OPS_LONG;

	call->calls_left = is_long ? KVM_PLANE_MAX_CALLS_LONG : KVM_PLANE_MAX_CALLS;
	call->writes_left = is_long ? KVM_PLANE_MAX_WRITES_LONG : KVM_PLANE_MAX_WRITES;
	call->serial = ops->serial;
	call->ctx.cached = plane0->cached_by == ops->serial ? plane0->cached : 0;
}

/* Call the op, if there is one. RCU. Return: the verdict, if there is one to carry out. */
static __always_inline int __kvm_plane_ask(struct kvm_plane_call *call, const bool fast)
{
	struct kvm_plane_policy *policy;
	struct kvm_plane_ops *ops;
	kvm_plane_op_t op;
	int verdict;

	policy = rcu_dereference_check(call->vcpu->kvm->planes.policy, rcu_read_lock_any_held());
	if (!policy)
		return KVM_PLANE_PASS;
	ops = rcu_dereference_check(policy->ops, rcu_read_lock_any_held());
	if (!ops)
		return KVM_PLANE_PASS;
	op = kvm_plane_op(ops, call->op);
	if (!op)
		return KVM_PLANE_PASS;
	if (fast && unlikely(ops->flags & KVM_PLANE_OPS_LONG))
		return KVM_PLANE_ASK_LATER;

	kvm_plane_recall(call, ops);
	verdict = op(&call->ctx);
	kvm_plane_check(call, verdict);
	if (unlikely(call->eject_kind)) {
		kvm_plane_eject(call, policy, ops);
		return KVM_PLANE_PASS;
	}
	return verdict;
}

/*
 * The same. In the exit fast path preemption off, which it is anyway, is an RCU read section that
 * costs next to nothing; elsewhere an op may be preempted. Programs have a read section of their
 * own besides.
 */
static __always_inline int kvm_plane_ask(struct kvm_plane_call *call, const bool fast)
{
	if (fast) {
		guard(preempt)();
		return __kvm_plane_ask(call, true);
	}

	guard(rcu)();
	return __kvm_plane_ask(call, false);
}

static void kvm_plane_write_regs(struct kvm_plane_call *call)
{
	unsigned int reg;
	u32 left;

	for (left = call->regs_written; left; left &= left - 1) {
		reg = __ffs(left);
		kvm_arch_plane_write_reg(call->vcpu, reg, call->regs[reg]);
	}
}

static void kvm_plane_raise_irqs(struct kvm_plane_call *call)
{
	unsigned int id;
	u16 left;

	for (left = call->irqs; left; left &= left - 1) {
		id = __ffs(left);
		kvm_arch_plane_raise_irq(kvm_vcpu_sibling(call->vcpu, id), call->irq[id]);
	}
}

static void kvm_plane_write_latches(struct kvm_plane_call *call)
{
	unsigned int i;
	u8 left;

	for (left = call->latches_written; left; left &= left - 1) {
		i = __ffs(left);
		call->vcpu->plane.latched[i] = call->latches[i];
	}
}

/*
 * Skip the instruction, if that was asked for, and do what goes with any verdict.
 *
 * Return: false if the instruction cannot be skipped; nothing was done then, and
 * *@r is what the exit handler returns. Also true with *@r 0: userspace steps
 * through the guest, and is told.
 */
static __always_inline bool kvm_plane_finish_insn(struct kvm_plane_call *call, int *r)
{
	*r = 1;
	if (call->skip && call->vector < 0 && !kvm_arch_plane_skip_insn(call->vcpu, r))
		return false;

	kvm_plane_write_regs(call);
	kvm_plane_write_latches(call);
	/* Of an interrupt that is raised, too, another one is left. */
	if (call->take)
		kvm_arch_plane_take(call->vcpu, call->ctx.injection, call->ctx.vector);
	if (call->irqs)
		kvm_plane_raise_irqs(call);
	return true;
}

/* Return: as an exit handler's. */
static __always_inline int kvm_plane_resume(struct kvm_plane_call *call)
{
	int r;

	if (!kvm_plane_finish_insn(call, &r) || call->vector < 0)
		return r;

	if (kvm_plane_at_insn(call))
		call->vcpu->plane.stat.refused++;
	kvm_arch_plane_inject(call->vcpu, call->vector);
	return r;
}

/* Return: as an exit handler's; the switch is made before userspace runs. */
static __always_inline int kvm_plane_do_switch(struct kvm_plane_call *call)
{
	struct kvm_vcpu *vcpu = call->vcpu;
	int r;

	call->vector = -1;
	if (!kvm_plane_finish_insn(call, &r))
		return r;

	vcpu->plane.vcpu0->plane.suspended = call->suspended;
	kvm_plane_switch_later(vcpu, call->target, call->state, kvm_plane_op_cause[call->op]);
	return r;
}

/* Call the op and carry its verdict out; *@r is what an exit handler returns. */
static __always_inline enum kvm_plane_handled __kvm_plane_decide(struct kvm_plane_call *call,
								 int *r, const bool fast)
{
	switch (kvm_plane_ask(call, fast)) {
	case KVM_PLANE_RESUME:
		*r = kvm_plane_resume(call);
		return KVM_PLANE_HANDLED;
	case KVM_PLANE_SWITCH:
		*r = kvm_plane_do_switch(call);
		return KVM_PLANE_HANDLED;
	case KVM_PLANE_USER:
		return KVM_PLANE_TO_USER;
	case KVM_PLANE_ASK_LATER:
		return KVM_PLANE_NOT_ASKED;
	default:
		return KVM_PLANE_NOT_HANDLED;
	}
}

/* The same, for exits that are not the fast path's. */
static enum kvm_plane_handled kvm_plane_decide(struct kvm_plane_call *call, int *r)
{
	return __kvm_plane_decide(call, r, false);
}

/* A call of the op hypercall; see kvm_plane_policy_hypercall(). */
static __always_inline void kvm_plane_call_init_hypercall(struct kvm_plane_call *call,
							  struct kvm_vcpu *vcpu, u8 abi, u8 mode)
{
	kvm_plane_call_init(call, vcpu, KVM_PLANE_OP_HYPERCALL, mode);
	call->ctx.abi = abi;
	call->ctx.vmgexit = vcpu->plane.vmgexit;
}

/**
 * kvm_plane_policy_hypercall - let the VM's policy decide on a hypercall
 * @vcpu: the vCPU that made it, in an SRCU read section
 * @abi: enum kvm_plane_hypercall_abi
 * @mode: enum kvm_plane_mode
 * @r: the exit handler's return value, if it was handled
 */
enum kvm_plane_handled kvm_plane_policy_hypercall(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r)
{
	struct kvm_plane_call call __uninitialized;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init_hypercall(&call, vcpu, abi, mode);
	return kvm_plane_decide(&call, r);
}

/**
 * kvm_plane_policy_fastpath - the same, in the exit fast path
 * @vcpu: the vCPU that made it, in an SRCU read section; interrupts are off, and the
 *	instruction is known to be skipped without sleeping
 * @abi: enum kvm_plane_hypercall_abi
 * @mode: enum kvm_plane_mode
 * @r: the exit handler's return value, if it was handled
 *
 * After KVM_PLANE_NOT_ASKED, kvm_plane_policy_hypercall() is to be called with interrupts on; after
 * KVM_PLANE_NOT_HANDLED, kvm_plane_policy_ejected() if kvm_plane_vcpu.ejected is set.
 */
enum kvm_plane_handled kvm_plane_policy_fastpath(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r)
{
	struct kvm_plane_call call __uninitialized;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init_hypercall(&call, vcpu, abi, mode);
	return __kvm_plane_decide(&call, r, true);
}

/**
 * kvm_plane_policy_msr - let the VM's policy decide on an access to an MSR
 * @vcpu: the vCPU that makes it, in the run loop
 * @msr: the MSR
 * @write: it is a write
 * @value: the value written
 * @r: the exit handler's return value, if it was handled
 */
enum kvm_plane_handled kvm_plane_policy_msr(struct kvm_vcpu *vcpu, u32 msr, bool write, u64 value,
					    int *r)
{
	enum kvm_plane_op op = write ? KVM_PLANE_OP_WRMSR : KVM_PLANE_OP_RDMSR;
	struct kvm_plane_call call __uninitialized;

	if (!kvm_plane_policy_claims_msr(vcpu->kvm, msr))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, op, kvm_arch_plane_mode(vcpu));
	call.ctx.msr = msr;
	call.ctx.value = value;
	return kvm_plane_decide(&call, r);
}

/**
 * kvm_plane_policy_memory_fault - let the VM's policy decide on a forbidden access
 * @vcpu: the vCPU that is to make it, in the run loop
 * @gpa: the address, or its page
 * @access: KVM_MEMORY_EXIT_FLAG_*
 */
enum kvm_plane_handled kvm_plane_policy_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access)
{
	struct kvm_plane_call call __uninitialized;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_MEMORY_FAULT, kvm_arch_plane_mode(vcpu));
	call.ctx.gpa = gpa;
	call.ctx.access = access;
	return kvm_plane_decide(&call, &r);
}

/**
 * kvm_plane_policy_event - let the VM's policy decide on events of planes that do not run
 * @vcpu: the vCPU that runs, in the run loop
 * @pending: the planes that have one
 */
enum kvm_plane_handled kvm_plane_policy_event(struct kvm_vcpu *vcpu, u16 pending)
{
	struct kvm_plane_call call __uninitialized;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_EVENT, kvm_arch_plane_mode(vcpu));
	call.ctx.pending = pending;
	call.ctx.ready = kvm_plane_ready(vcpu, pending);
	return kvm_plane_decide(&call, &r);
}

/**
 * kvm_plane_policy_halt - let the VM's policy decide on a vCPU that is about to block
 * @vcpu: the vCPU that runs, in the run loop
 */
enum kvm_plane_handled kvm_plane_policy_halt(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_call call __uninitialized;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_HALT, kvm_arch_plane_mode(vcpu));
	return kvm_plane_decide(&call, &r);
}

static bool kvm_plane_policy_injects(struct kvm *kvm)
{
	struct kvm_plane_ops *ops;

	guard(rcu)();
	ops = kvm_plane_vm_ops(kvm);
	return ops && ops->inject;
}

/**
 * kvm_plane_policy_inject - let the VM's policy decide on what is about to be injected
 * @vcpu: the vCPU that runs, about to be entered
 */
enum kvm_plane_handled kvm_plane_policy_inject(struct kvm_vcpu *vcpu)
{
	struct kvm_plane_call call __uninitialized;
	u8 injection, vector = 0;
	int r;

	if (!kvm_plane_has_policy(vcpu->kvm) || !kvm_plane_policy_injects(vcpu->kvm))
		return KVM_PLANE_NOT_HANDLED;

	injection = kvm_arch_plane_injection(vcpu, &vector);
	if (!injection)
		return KVM_PLANE_NOT_HANDLED;

	kvm_plane_call_init(&call, vcpu, KVM_PLANE_OP_INJECT, kvm_arch_plane_mode(vcpu));
	call.ctx.injection = injection;
	call.ctx.vector = vector;
	return kvm_plane_decide(&call, &r);
}

MODULE_IMPORT_NS(BPF_INTERNAL);
