// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: the policies that are loaded, and the VMs that have one.
 *
 * Root loads a policy, replaces and removes it. A VM opts in to it, and out again; a policy that
 * breaks a rule is ejected from the VM, which goes on as if it had never had one.
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
#include <linux/capability.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "plane_policy.h"
#include "plane_trace.h"

static LIST_HEAD(kvm_plane_policies);
static DEFINE_MUTEX(kvm_plane_policies_lock);
static atomic64_t kvm_plane_serials = ATOMIC64_INIT(0);

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
int kvm_plane_policy_load(struct kvm_plane_ops *ops, struct bpf_link *link)
{
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
void kvm_plane_policy_unload(struct kvm_plane_ops *ops, struct bpf_link *link)
{
	struct kvm_plane_vm_ctx ctx = { .kind = KVM_PLANE_EJECT_REMOVED };
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
int kvm_plane_policy_replace(struct kvm_plane_ops *ops, struct kvm_plane_ops *old,
			     struct bpf_link *link)
{
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

/* The name of the policy that switches the planes of @kvm; NULL if none. RCU. */
const char *kvm_plane_policy_name(struct kvm *kvm)
{
	struct kvm_plane_policy *policy = rcu_dereference(kvm->planes.policy);

	return policy && rcu_access_pointer(policy->ops) ? policy->name : NULL;
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

/**
 * kvm_plane_policy_eject - take a policy that broke a rule away from a VM
 * @vcpu: the vCPU whose op broke it
 * @policy: the policy; the caller is in an RCU read section
 * @ops: its ops that were called
 * @breach: the rule
 *
 * Does nothing if the VM does not have the policy any more. The vCPU that takes it away tells it.
 */
void kvm_plane_policy_eject(struct kvm_vcpu *vcpu, struct kvm_plane_policy *policy,
			    struct kvm_plane_ops *ops, const struct kvm_plane_breach *breach)
{
	struct kvm_plane_vcpu *plane0 = &vcpu->plane.vcpu0->plane;
	struct kvm *kvm = vcpu->kvm;
	struct kvm_plane_policy *old;

	old = unrcu_pointer(cmpxchg(&kvm->planes.policy, RCU_INITIALIZER(policy), NULL));
	if (old != policy)
		return;

	kvm->planes.eject.code = breach->code;
	kvm->planes.eject.message = breach->message;
	/* Pairs with smp_load_acquire() in kvm_plane_policy_show(). */
	smp_store_release(&kvm->planes.eject.kind, breach->kind);

	trace_kvm_plane_eject(kvm->planes.id, vcpu->vcpu_id, policy->name,
			      breach->kind, breach->code, breach->message);
	pr_info_ratelimited("plane policy %s ejected from VM %llu, vCPU %d: %s (%lld)\n",
			    policy->name, kvm->planes.id, vcpu->vcpu_id,
			    breach->message, breach->code);
	if (ops->inject)
		kvm_plane_watch(kvm);

	/* The reference goes along. The exit handler is next, if this is the exit fast path. */
	plane0->ejected = policy;
	plane0->ejected_kind = breach->kind;
	plane0->ejected_code = breach->code;
	if (!irqs_disabled())
		kvm_plane_policy_ejected(vcpu);
}
