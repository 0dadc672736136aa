/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM planes: the privilege levels of a VM, inside KVM.
 *
 * Every plane of a vCPU is a struct kvm_vcpu of its own, with registers, local
 * APIC, MMU and requests; the planes of one vCPU ("siblings") share plane 0's
 * thread, mutex and run page. Plane 0's vCPUs are the ones in kvm->vcpu_array:
 * code that knows nothing of planes sees plane 0.
 */
#ifndef __KVM_PLANE_H
#define __KVM_PLANE_H

#include <linux/kvm_planes.h>
#include <linux/kvm_plane_bpf.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct kvm;
struct kvm_enable_cap;
struct kvm_memory_attributes;
struct kvm_msi;
struct kvm_plane;
struct kvm_plane_policy;
struct kvm_vcpu;
struct module;

/**
 * struct kvm_plane_vm - what struct kvm holds for planes
 * @plane: planes 1 to 3; set under kvm->lock, never unset
 * @created: there is one
 * @split_fpu: each plane has an FPU of its own; fixed once there is one
 * @policy: switches planes in the kernel; RCU; set under kvm->lock, unset by cmpxchg
 * @eject: the last ejection, complete once kind is set
 * @hypercall_first: first hypercall number that exits to userspace
 * @hypercall_last: the last one
 * @hypercall_exits: whether any does
 * @id: identifies the VM to policies
 * @mem_restricted: planes that have ever had memory attributes; set under
 *	kvm->slots_lock before they are, never unset
 * @mem_attr: by plane and gfn, what is forbidden; valid if anything is set in
 *	@mem_restricted, changed under kvm->slots_lock
 */
struct kvm_plane_vm {
	struct kvm_plane *plane[KVM_MAX_PLANES];
	bool created;
	bool split_fpu;
	bool hypercall_exits;
	u64 hypercall_first;
	u64 hypercall_last;
	struct kvm_plane_policy __rcu *policy;
	struct {
		u32 kind;
		s64 code;
		const char *message;
	} eject;
	u64 id;
	u8 mem_restricted;
	struct xarray mem_attr[KVM_MAX_PLANES];
};

/**
 * struct kvm_plane_vcpu - what struct kvm_vcpu holds for planes
 * @vcpu0: plane 0's vCPU; in plane 0, itself
 * @switch_to: the sibling to run next in place of this one
 * @hypercall_rip: where the hypercall was that userspace is to answer
 * @hypercall_passed: KVM is to handle the hypercall at RIP by itself
 * @mem_exempt: KVM makes an access that the plane has made already
 * @mem_fault: the access that KVM did not make for the plane, as it may not;
 *	none if flags is 0
 * @id: the plane
 * @sibling: the planes of this vCPU, plane 0 included; set under
 *	kvm_plane_vcpu_lock with release semantics, never unset
 * @running: the sibling that ran last
 * @suspended: KVM's copy of kvm_run_planes.suspended_planes
 * @req_exit: KVM's copy of kvm_run_planes.req_exit_planes
 * @nr_switches: how often KVM switched planes
 *
 * From @sibling on, valid in plane 0's vCPU only; its mutex protects the rest.
 */
struct kvm_plane_vcpu {
	struct kvm_vcpu *vcpu0;
	struct kvm_vcpu *switch_to;
	unsigned long hypercall_rip;
	bool hypercall_passed;
	u8 id;
	bool mem_exempt;
	struct {
		gpa_t gpa;
		u64 flags;
	} mem_fault;

	u16 suspended;
	u16 req_exit;
	struct kvm_vcpu *sibling[KVM_MAX_PLANES];
	struct kvm_vcpu *running;
	u64 nr_switches;
};

extern struct mutex kvm_plane_vcpu_lock;

#ifdef CONFIG_X86
void kvm_plane_init(struct module *module);
void kvm_plane_vcpu_init(struct kvm_vcpu *vcpu);
void kvm_plane_vm_destroy(struct kvm *kvm);
int kvm_plane_check_extension(struct kvm *kvm, long ext);
int kvm_plane_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap);
int kvm_plane_create(struct kvm *kvm, unsigned long id);
int __kvm_plane_run(struct kvm_vcpu *vcpu0);
int kvm_plane_emulate_skip(struct kvm_vcpu *vcpu, int emul_type);
u64 kvm_plane_mem_supported(struct kvm *kvm, u8 plane);
int kvm_plane_set_mem_attributes(struct kvm *kvm, u8 plane,
				 struct kvm_memory_attributes *attrs);
#else
static inline void kvm_plane_init(struct module *module) { }
static inline void kvm_plane_vcpu_init(struct kvm_vcpu *vcpu) { }
static inline void kvm_plane_vm_destroy(struct kvm *kvm) { }
static inline int kvm_plane_check_extension(struct kvm *kvm, long ext) { return 0; }
static inline int kvm_plane_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	return -EINVAL;
}

static inline int kvm_plane_create(struct kvm *kvm, unsigned long id) { return -EINVAL; }
static inline int __kvm_plane_run(struct kvm_vcpu *vcpu0) { return -EINVAL; }
static inline u64 kvm_plane_mem_supported(struct kvm *kvm, u8 plane) { return 0; }
static inline int kvm_plane_set_mem_attributes(struct kvm *kvm, u8 plane,
					       struct kvm_memory_attributes *attrs)
{
	return -ENOTTY;
}
#endif

struct kvm_vcpu *__kvm_plane_switch(struct kvm_vcpu *vcpu);
void __kvm_plane_kick(struct kvm_vcpu *vcpu);
bool __kvm_plane_event(struct kvm_vcpu *vcpu, int *r);
u16 kvm_plane_pending(struct kvm_vcpu *vcpu);
void kvm_plane_switch_later(struct kvm_vcpu *vcpu, u8 id, u16 suspended);
u16 kvm_plane_mask(struct kvm_vcpu *vcpu);
u16 kvm_plane_runnable(struct kvm_vcpu *vcpu);

/* Memory attributes; kernel-doc is in plane_mem.c. */
u64 kvm_plane_mem_attrs(struct kvm *kvm, u8 plane, gfn_t gfn);
bool kvm_plane_mem_uniform(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end, u64 attrs);
void kvm_plane_mem_prepare_exit(struct kvm_vcpu *vcpu, gpa_t gpa, u64 flags);
bool kvm_plane_mem_exit(struct kvm_vcpu *vcpu, int *r);
void kvm_plane_mem_destroy(struct kvm *kvm);

/**
 * enum kvm_plane_handled - what became of a plane-relevant exit
 * @KVM_PLANE_NOT_HANDLED: nothing; KVM goes on with it
 * @KVM_PLANE_HANDLED: it is done, with KVM's usual return value in *r
 * @KVM_PLANE_TO_USER: it is to go to userspace
 */
enum kvm_plane_handled {
	KVM_PLANE_NOT_HANDLED,
	KVM_PLANE_HANDLED,
	KVM_PLANE_TO_USER,
};

#if IS_ENABLED(CONFIG_BPF_JIT)
void kvm_plane_bpf_init(void);
bool kvm_plane_bpf_usable(void);
int kvm_plane_policy_attach(struct kvm *kvm, int fd);
int kvm_plane_policy_detach(struct kvm *kvm);
const char *kvm_plane_policy_name(struct kvm *kvm);
enum kvm_plane_handled kvm_plane_policy_hypercall(struct kvm_vcpu *vcpu, u8 abi, int *r);
#else
static inline void kvm_plane_bpf_init(void) { }
static inline bool kvm_plane_bpf_usable(void) { return false; }
static inline int kvm_plane_policy_attach(struct kvm *kvm, int fd) { return -EOPNOTSUPP; }
static inline int kvm_plane_policy_detach(struct kvm *kvm) { return -ENOENT; }
static inline const char *kvm_plane_policy_name(struct kvm *kvm) { return NULL; }
static inline enum kvm_plane_handled
kvm_plane_policy_hypercall(struct kvm_vcpu *vcpu, u8 abi, int *r)
{
	return KVM_PLANE_NOT_HANDLED;
}
#endif

/* What an architecture with planes implements; kernel-doc is there. */
bool kvm_arch_has_planes(struct kvm *kvm);
void kvm_arch_plane_create(struct kvm *kvm);
bool kvm_arch_plane_ioctl(unsigned int ioctl);
int kvm_arch_plane_vcpu_create(struct kvm_vcpu *vcpu);
void kvm_arch_plane_vcpu_predestroy(struct kvm_vcpu *vcpu);
bool kvm_arch_plane_completes_io(struct kvm_vcpu *vcpu);
void kvm_arch_plane_switch_fpu(struct kvm_vcpu *from, struct kvm_vcpu *to);
bool kvm_arch_plane_runnable(struct kvm_vcpu *vcpu);
bool kvm_arch_plane_has_event(struct kvm_vcpu *vcpu);
int kvm_arch_plane_signal_msi(struct kvm *kvm, u8 plane, struct kvm_msi *msi);
void kvm_arch_plane_mode(struct kvm_vcpu *vcpu, u8 *cpl, u8 *mode);
bool kvm_arch_plane_reg_shared(u32 reg);
u64 kvm_arch_plane_read_reg(struct kvm_vcpu *vcpu, u32 reg);
void kvm_arch_plane_write_reg(struct kvm_vcpu *vcpu, u32 reg, u64 value);
bool kvm_arch_plane_can_inject(u32 vector);
void kvm_arch_plane_inject(struct kvm_vcpu *vcpu, u32 vector);
bool kvm_arch_plane_skip_insn(struct kvm_vcpu *vcpu, int *r);
void kvm_arch_plane_carry(struct kvm_vcpu *from, struct kvm_vcpu *to, u32 state);
bool kvm_arch_plane_mem_valid(u64 attrs);
void kvm_arch_plane_mem_zap_tables(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end);
bool kvm_arch_plane_assist_gpa(struct kvm_vcpu *vcpu, gpa_t *gpa);

#endif /* __KVM_PLANE_H */
