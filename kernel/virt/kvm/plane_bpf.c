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
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/ctype.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

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
	u32 vcpu_id;
	u64 vm_id;
};

/**
 * struct kvm_plane_ops - a policy
 * @hypercall: the running plane executed VMCALL or VMMCALL; returns enum
 *	kvm_plane_verdict; runs under RCU, cannot sleep
 * @abi: KVM_PLANE_ABI
 * @name: names the policy; no two that are loaded have the same
 */
struct kvm_plane_ops {
	int (*hypercall)(struct kvm_plane_ctx *ctx);
	u32 abi;
	char name[KVM_PLANE_NAME_LEN];
};

/**
 * struct kvm_plane_policy - a policy that is loaded
 * @ops: NULL once it was removed; RCU
 * @link: the BPF link it came with; an identity, not a reference
 * @users: the list while it is loaded, and each VM
 * @node: in kvm_plane_policies
 * @rcu: to free it
 * @name: as in the ops; outlives them
 */
struct kvm_plane_policy {
	struct kvm_plane_ops __rcu *ops;
	struct bpf_link *link;
	refcount_t users;
	struct list_head node;
	struct rcu_head rcu;
	char name[KVM_PLANE_NAME_LEN];
};

static LIST_HEAD(kvm_plane_policies);
static DEFINE_MUTEX(kvm_plane_policies_lock);

/**
 * struct kvm_plane_call - one call of an op, and what it asked for
 * @ctx: what BPF sees
 * @vcpu: the vCPU that runs
 * @eject_kind: set when a rule was broken, the first one counts
 * @eject_code: see enum kvm_plane_eject_kind
 * @eject_message: what it was
 * @target: the plane to switch to, -1 if none was chosen
 * @state: the groups of state to carry there
 * @vector: the exception to raise, -1 if none
 * @skip: the instruction is to be skipped
 * @regs_written: the registers in @regs, a bit each
 * @suspended: the planes that are suspended afterwards
 * @regs: values to write
 */
struct kvm_plane_call {
	struct kvm_plane_ctx ctx;
	struct kvm_vcpu *vcpu;
	u32 eject_kind;
	s64 eject_code;
	const char *eject_message;
	int target;
	u32 state;
	int vector;
	bool skip;
	u16 suspended;
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

	if (!kvm_arch_plane_reg_shared(reg)) {
		kvm_plane_break(call, KVM_PLANE_EJECT_REG, reg, "read of a private register");
		return 0;
	}
	if (call->regs_written & BIT(reg))
		return call->regs[reg];
	return kvm_arch_plane_read_reg(call->vcpu, reg);
}

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

	if (!kvm_arch_plane_reg_shared(reg))
		return kvm_plane_break(call, KVM_PLANE_EJECT_REG, reg,
				       "write to a private register");
	call->regs[reg] = value;
	call->regs_written |= BIT(reg);
	return 0;
}

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

	if (planes & ~ctx->planes)
		return kvm_plane_break(call, KVM_PLANE_EJECT_SUSPEND, planes,
				       "suspended planes that are not there");
	call->suspended = planes;
	return 0;
}

/**
 * bpf_kvm_plane_inject - raise an exception in the running plane
 * @ctx: the exit
 * @vector: 6 (#UD) or, with error code 0, 13 (#GP); another is a broken rule
 *
 * Takes effect with the verdict KVM_PLANE_RESUME, at the instruction that exited,
 * which is not skipped then.
 *
 * Return: 0, or -EINVAL.
 */
__bpf_kfunc int bpf_kvm_plane_inject(struct kvm_plane_ctx *ctx, u32 vector)
{
	struct kvm_plane_call *call = to_call(ctx);

	if (!kvm_arch_plane_can_inject(vector))
		return kvm_plane_break(call, KVM_PLANE_EJECT_EXCEPTION, vector,
				       "exception that a policy cannot raise");
	call->vector = vector;
	return 0;
}

/**
 * bpf_kvm_plane_skip_insn - skip the instruction that exited
 * @ctx: the exit
 *
 * In the plane that executed it, whatever its length, and once however often
 * this is called. Takes effect with KVM_PLANE_RESUME and KVM_PLANE_SWITCH.
 *
 * Return: 0.
 */
__bpf_kfunc int bpf_kvm_plane_skip_insn(struct kvm_plane_ctx *ctx)
{
	to_call(ctx)->skip = true;
	return 0;
}

/* The assist page of @plane, if @size bytes at @offset are within it. */
static struct kvm_vcpu *kvm_plane_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					 u32 size, gpa_t *gpa)
{
	struct kvm_vcpu *vcpu;

	if (plane >= KVM_MAX_PLANES || offset > PAGE_SIZE || size > PAGE_SIZE - offset)
		return ERR_PTR(-EINVAL);

	vcpu = kvm_vcpu_sibling(to_call(ctx)->vcpu, plane);
	if (!vcpu)
		return ERR_PTR(-EINVAL);
	if (!kvm_arch_plane_assist_gpa(vcpu, gpa))
		return ERR_PTR(-ENOENT);

	*gpa += offset;
	return vcpu;
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
 * not enabled; -EFAULT: it is not in memory, and userspace may bring it in.
 */
__bpf_kfunc int bpf_kvm_plane_read_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					  void *data, u32 data__sz)
{
	struct kvm_vcpu *vcpu;
	gpa_t gpa;
	int r;

	vcpu = kvm_plane_assist(ctx, plane, offset, data__sz, &gpa);
	r = IS_ERR(vcpu) ? PTR_ERR(vcpu) : kvm_vcpu_read_guest_atomic(vcpu, gpa, data, data__sz);
	if (r)
		memset(data, 0, data__sz);
	return r;
}

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
 * Return: as bpf_kvm_plane_read_assist().
 */
__bpf_kfunc int bpf_kvm_plane_write_assist(struct kvm_plane_ctx *ctx, u32 plane, u32 offset,
					   const void *data, u32 data__sz)
{
	struct kvm_memory_slot *slot;
	struct kvm_vcpu *vcpu;
	unsigned long hva;
	gpa_t gpa;
	int r;

	vcpu = kvm_plane_assist(ctx, plane, offset, data__sz, &gpa);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);

	slot = kvm_vcpu_gfn_to_memslot(vcpu, gpa_to_gfn(gpa));
	hva = gfn_to_hva_memslot(slot, gpa_to_gfn(gpa));
	if (kvm_is_error_hva(hva))
		return -EFAULT;

	pagefault_disable();
	r = __copy_to_user_inatomic((void __user *)hva + offset_in_page(gpa), data, data__sz);
	pagefault_enable();
	if (r)
		return -EFAULT;

	mark_page_dirty_in_slot(vcpu->kvm, slot, gpa_to_gfn(gpa));
	return 0;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kvm_plane_kfuncs)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_reg, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_reg, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_switch, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_suspend, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_inject, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_skip_insn, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_read_assist, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_kvm_plane_write_assist, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(kvm_plane_kfuncs)

static const struct btf_kfunc_id_set kvm_plane_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &kvm_plane_kfuncs,
};

/* What BPF calls in place of an op; struct_ops wants one for each. */
static int kvm_plane_hypercall_stub(struct kvm_plane_ctx *ctx)
{
	return KVM_PLANE_PASS;
}

static struct kvm_plane_ops kvm_plane_ops_stubs = {
	.hypercall = kvm_plane_hypercall_stub,
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

/* Return: 1 for a member that is not an op, and was taken over. */
static int kvm_plane_ops_init_member(const struct btf_type *t, const struct btf_member *member,
				     void *kdata, const void *udata)
{
	const struct kvm_plane_ops *from = udata;
	struct kvm_plane_ops *to = kdata;

	switch (__btf_member_bit_offset(t, member) / 8) {
	case offsetof(struct kvm_plane_ops, abi):
		if (from->abi != KVM_PLANE_ABI)
			return -EPROTO;
		to->abi = from->abi;
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
	return prog->sleepable ? -EINVAL : 0;
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

/* A policy is loaded: -EOPNOTSUPP without a link, -EEXIST if its name is taken. */
static int kvm_plane_ops_reg(void *kdata, struct bpf_link *link)
{
	struct kvm_plane_ops *ops = kdata;
	struct kvm_plane_policy *policy;

	if (!link)
		return -EOPNOTSUPP;

	policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);
	if (!policy)
		return -ENOMEM;

	RCU_INIT_POINTER(policy->ops, ops);
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

/* It is removed; VMs that have it switch in userspace from their next exit on. */
static void kvm_plane_ops_unreg(void *kdata, struct bpf_link *link)
{
	struct kvm_plane_policy *policy;

	guard(mutex)(&kvm_plane_policies_lock);
	policy = kvm_plane_find_policy(link);
	if (WARN_ON_ONCE(!policy))
		return;

	list_del(&policy->node);
	RCU_INIT_POINTER(policy->ops, NULL);
	kvm_plane_put_policy(policy);
}

/* It is replaced, by one of the same name; every exit sees the one or the other. */
static int kvm_plane_ops_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	struct kvm_plane_ops *ops = kdata;
	struct kvm_plane_policy *policy;

	guard(mutex)(&kvm_plane_policies_lock);
	policy = kvm_plane_find_policy(link);
	if (!policy || strcmp(policy->name, ops->name))
		return -EINVAL;

	rcu_assign_pointer(policy->ops, ops);
	return 0;
}

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

static struct kvm_plane_policy *kvm_plane_get_policy(int fd)
{
	struct kvm_plane_policy *policy;
	struct bpf_link *link;

	link = bpf_link_get_from_fd(fd);
	if (IS_ERR(link))
		return ERR_CAST(link);

	mutex_lock(&kvm_plane_policies_lock);
	policy = kvm_plane_find_policy(link);
	if (policy)
		refcount_inc(&policy->users);
	mutex_unlock(&kvm_plane_policies_lock);

	bpf_link_put(link);
	return policy ?: ERR_PTR(-EINVAL);
}

/**
 * kvm_plane_policy_attach - opt a VM in to a policy
 * @kvm: the VM, its lock held
 * @fd: of the policy's BPF link
 *
 * A policy that was removed does not count as one.
 *
 * Return: 0; -EBADF: not an fd; -EINVAL: not of a policy; -EBUSY: the VM has one.
 */
int kvm_plane_policy_attach(struct kvm *kvm, int fd)
{
	struct kvm_plane_policy *policy, *old;

	lockdep_assert_held(&kvm->lock);

	policy = kvm_plane_get_policy(fd);
	if (IS_ERR(policy))
		return PTR_ERR(policy);

	old = rcu_dereference_protected(kvm->planes.policy, lockdep_is_held(&kvm->lock));
	if (old && rcu_access_pointer(old->ops)) {
		kvm_plane_put_policy(policy);
		return -EBUSY;
	}

	/* @old may be ejected meanwhile; whoever unsets the pointer puts it. */
	old = unrcu_pointer(xchg(&kvm->planes.policy, RCU_INITIALIZER(policy)));
	if (old)
		kvm_plane_put_policy(old);
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
	struct kvm_plane_policy *policy;

	policy = unrcu_pointer(xchg(&kvm->planes.policy, NULL));
	if (!policy)
		return -ENOENT;
	kvm_plane_put_policy(policy);
	return 0;
}

/* A rule was broken: @policy goes from the VM, under RCU. The first vCPU to see it tells. */
static void kvm_plane_eject(struct kvm_plane_call *call, struct kvm_plane_policy *policy)
{
	struct kvm *kvm = call->vcpu->kvm;
	struct kvm_plane_policy *old;

	old = unrcu_pointer(cmpxchg(&kvm->planes.policy, RCU_INITIALIZER(policy), NULL));
	if (old != policy)
		return;

	kvm->planes.eject.code = call->eject_code;
	kvm->planes.eject.message = call->eject_message;
	/* Pairs with smp_load_acquire() in kvm_plane_policy_show(). */
	smp_store_release(&kvm->planes.eject.kind, call->eject_kind);

	pr_info_ratelimited("plane policy %s ejected from VM %llu, vCPU %d: %s (%lld)\n",
			    policy->name, kvm->planes.id, call->vcpu->vcpu_id,
			    call->eject_message, call->eject_code);
	kvm_plane_put_policy(policy);
}

static void kvm_plane_call_init(struct kvm_plane_call *call, struct kvm_vcpu *vcpu)
{
	struct kvm_plane_ctx *ctx = &call->ctx;

	ctx->plane = vcpu->plane.id;
	ctx->runnable = kvm_plane_runnable(vcpu);
	ctx->planes = kvm_plane_mask(vcpu);
	ctx->suspended = vcpu->plane.vcpu0->plane.suspended & ctx->planes;
	ctx->vcpu_id = vcpu->vcpu_id;
	ctx->vm_id = vcpu->kvm->planes.id;
	kvm_arch_plane_mode(vcpu, &ctx->cpl, &ctx->mode);

	call->vcpu = vcpu;
	call->eject_kind = KVM_PLANE_EJECT_NONE;
	call->target = -1;
	call->vector = -1;
	call->skip = false;
	call->suspended = ctx->suspended;
	call->regs_written = 0;
}

/* Whether the verdict is one and can be carried out. */
static void kvm_plane_check(struct kvm_plane_call *call, int verdict)
{
	switch (verdict) {
	case KVM_PLANE_PASS:
	case KVM_PLANE_RESUME:
	case KVM_PLANE_USER:
		break;
	case KVM_PLANE_SWITCH:
		if (call->target < 0)
			kvm_plane_break(call, KVM_PLANE_EJECT_TARGET, -1,
					"switch to no plane");
		break;
	default:
		kvm_plane_break(call, KVM_PLANE_EJECT_VERDICT, verdict,
				"return value that is no verdict");
	}
}

/* Return: the verdict, if there is one to carry out, else KVM_PLANE_PASS. */
static int kvm_plane_call_hypercall(struct kvm_plane_call *call, u8 abi)
{
	struct kvm_plane_policy *policy;
	struct kvm_plane_ops *ops;
	int verdict;

	guard(rcu)();
	policy = rcu_dereference(call->vcpu->kvm->planes.policy);
	if (!policy)
		return KVM_PLANE_PASS;
	ops = rcu_dereference(policy->ops);
	if (!ops || !ops->hypercall)
		return KVM_PLANE_PASS;

	kvm_plane_call_init(call, call->vcpu);
	call->ctx.abi = abi;
	verdict = ops->hypercall(&call->ctx);
	kvm_plane_check(call, verdict);
	if (unlikely(call->eject_kind)) {
		kvm_plane_eject(call, policy);
		return KVM_PLANE_PASS;
	}
	return verdict;
}

static void kvm_plane_write_regs(struct kvm_plane_call *call)
{
	unsigned long written = call->regs_written;
	unsigned int reg;

	for_each_set_bit(reg, &written, KVM_PLANE_NR_REGS)
		kvm_arch_plane_write_reg(call->vcpu, reg, call->regs[reg]);
}

/*
 * Skip the instruction, if that was asked for, and write the registers.
 *
 * Return: false if the instruction cannot be skipped; nothing was done then, and
 * *@r is what the exit handler returns. Also true with *@r 0: userspace steps
 * through the guest, and is told.
 */
static bool kvm_plane_finish_insn(struct kvm_plane_call *call, int *r)
{
	*r = 1;
	if (call->skip && !kvm_arch_plane_skip_insn(call->vcpu, r))
		return false;

	kvm_plane_write_regs(call);
	return true;
}

/* Return: as an exit handler's. */
static int kvm_plane_resume(struct kvm_plane_call *call)
{
	int r = 1;

	if (call->vector < 0) {
		kvm_plane_finish_insn(call, &r);
		return r;
	}

	kvm_plane_write_regs(call);
	kvm_arch_plane_inject(call->vcpu, call->vector);
	return r;
}

/* Return: as an exit handler's; the switch is made before userspace runs. */
static int kvm_plane_do_switch(struct kvm_plane_call *call)
{
	struct kvm_vcpu *vcpu = call->vcpu;
	int r;

	if (!kvm_plane_finish_insn(call, &r))
		return r;

	kvm_arch_plane_carry(vcpu, kvm_vcpu_sibling(vcpu, call->target), call->state);
	kvm_plane_switch_later(vcpu, call->target, call->suspended);
	return r;
}

/**
 * kvm_plane_policy_hypercall - let the VM's policy decide on a hypercall
 * @vcpu: the vCPU that made it, in the run loop
 * @abi: enum kvm_plane_hypercall_abi
 * @r: the exit handler's return value, if it was handled
 */
enum kvm_plane_handled kvm_plane_policy_hypercall(struct kvm_vcpu *vcpu, u8 abi, int *r)
{
	struct kvm_plane_call call;

	call.vcpu = vcpu;
	switch (kvm_plane_call_hypercall(&call, abi)) {
	case KVM_PLANE_RESUME:
		*r = kvm_plane_resume(&call);
		return KVM_PLANE_HANDLED;
	case KVM_PLANE_SWITCH:
		*r = kvm_plane_do_switch(&call);
		return KVM_PLANE_HANDLED;
	case KVM_PLANE_USER:
		return KVM_PLANE_TO_USER;
	default:
		return KVM_PLANE_NOT_HANDLED;
	}
}

MODULE_IMPORT_NS(BPF_INTERNAL);
