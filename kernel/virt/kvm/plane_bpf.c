// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM planes: what BPF has to know of policies.
 *
 * A policy is a struct_ops map of the type kvm_plane_ops. BPF verifies its programs, and asks here
 * which members a policy may set, and to what.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/ctype.h>
#include <linux/kvm_host.h>

#include "plane_call.h"
#include "plane_policy.h"

/*
 * BPF wants a stub of the right type for each op, and never calls it. An op that a policy does not
 * have is NULL.
 */
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

static const struct bpf_verifier_ops kvm_plane_verifier_ops = {
	.get_func_proto	 = bpf_base_func_proto,
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

static int kvm_plane_ops_reg(void *kdata, struct bpf_link *link)
{
	return kvm_plane_policy_load(kdata, link);
}

static void kvm_plane_ops_unreg(void *kdata, struct bpf_link *link)
{
	kvm_plane_policy_unload(kdata, link);
}

static int kvm_plane_ops_update(void *kdata, void *old_kdata, struct bpf_link *link)
{
	return kvm_plane_policy_replace(kdata, old_kdata, link);
}

static struct bpf_struct_ops bpf_kvm_plane_ops = {
	.verifier_ops	= &kvm_plane_verifier_ops,
	.init		= kvm_plane_ops_init,
	.init_member	= kvm_plane_ops_init_member,
	.check_member	= kvm_plane_ops_check_member,
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

	r = kvm_plane_kfuncs_register();
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

MODULE_IMPORT_NS(BPF_INTERNAL);
