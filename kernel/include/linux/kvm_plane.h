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
#include <linux/jump_label_ratelimit.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct kvm;
struct kvm_enable_cap;
struct kvm_hv;
struct kvm_memory_attributes;
struct kvm_memory_slot;
struct kvm_msi;
struct kvm_plane;
struct kvm_plane_ops;
struct kvm_plane_policy;
struct kvm_vcpu;
struct module;

/**
 * struct kvm_plane_vm - what struct kvm holds for planes
 * @plane: planes 1 to 3; set under kvm->lock, never unset
 * @hyperv: the state of Hyper-V's interface that is private to a plane; set under kvm->lock before
 *	@plane is, never unset
 * @used: counted in kvm_planes_used
 * @created: there is one
 * @forbidden: there cannot be one; set under kvm->lock, and @created is not set then
 * @split_fpu: each plane has an FPU of its own; fixed once there is one
 * @policy: switches planes in the kernel; RCU; set under kvm->lock, unset by cmpxchg
 * @eject: the last ejection, complete once kind is set
 * @hypercall_first: first hypercall number that exits to userspace
 * @hypercall_last: the last one
 * @hypercall_exits: whether any does
 * @vmgexit_exits: whether VMGEXIT does
 * @drop_init: only the highest plane of a vCPU gets INIT and SIPI
 * @latches: MSRs that each plane has because of a policy, up to the first 0; added to under
 *	kvm->lock, never removed
 * @watched: a policy wants, or wanted, to know of events of planes that do not run
 * @id: identifies the VM to policies
 * @mem_restricted: planes that have ever had memory attributes; set under
 *	kvm->slots_lock before they are, never unset
 * @mem_attr: by plane and gfn, what is forbidden; valid if anything is set in
 *	@mem_restricted, changed under kvm->slots_lock
 */
struct kvm_plane_vm {
	struct kvm_plane *plane[KVM_MAX_PLANES];
	struct kvm_hv *hyperv[KVM_MAX_PLANES];
	bool used;
	bool created;
	bool forbidden;
	bool split_fpu;
	bool hypercall_exits;
	bool vmgexit_exits;
	bool drop_init;
	bool watched;
	u32 latches[KVM_PLANE_NR_LATCHES];
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
 * enum kvm_plane_cause - why KVM switched planes, or was to
 * @KVM_PLANE_CAUSE_HYPERCALL: the plane made a hypercall
 * @KVM_PLANE_CAUSE_MSR: it accessed an MSR
 * @KVM_PLANE_CAUSE_MEMORY_FAULT: it accessed memory that it may not access
 * @KVM_PLANE_CAUSE_EVENT: another one had an interrupt
 * @KVM_PLANE_CAUSE_HALT: it was about to block
 * @KVM_PLANE_CAUSE_USER: userspace asked KVM_RUN for another plane
 */
enum kvm_plane_cause {
	KVM_PLANE_CAUSE_HYPERCALL,
	KVM_PLANE_CAUSE_MSR,
	KVM_PLANE_CAUSE_MEMORY_FAULT,
	KVM_PLANE_CAUSE_EVENT,
	KVM_PLANE_CAUSE_HALT,
	KVM_PLANE_CAUSE_USER,
	KVM_PLANE_NR_CAUSES,
};

/**
 * struct kvm_plane_stat - statistics of the vCPU of a plane
 * @switches: from this plane to another, by enum kvm_plane_cause
 * @refused: exits at which a policy raised an exception
 * @policy: what a policy counts
 *
 * Binary statistics have them after those of struct kvm_vcpu_stat.
 */
struct kvm_plane_stat {
	u64 switches[KVM_PLANE_NR_CAUSES];
	u64 refused;
	u64 policy[4];
};

/**
 * enum kvm_plane_hold - an event of the plane that runs that KVM did not inject
 * @KVM_PLANE_HOLD_NONE: there is none
 * @KVM_PLANE_HOLD_EVENT: the policy is asked again after the next exit
 * @KVM_PLANE_HOLD_USER: userspace is told first
 */
enum kvm_plane_hold {
	KVM_PLANE_HOLD_NONE,
	KVM_PLANE_HOLD_EVENT,
	KVM_PLANE_HOLD_USER,
};

/**
 * struct kvm_plane_page - where a page of guest memory is in userspace, if it can be written
 * @gpa: the page
 * @generation: of the memory slots that the rest is of
 * @slot: the one it is in
 * @hva: where it is; NULL if it is not, or is read-only
 */
struct kvm_plane_page {
	gpa_t gpa;
	u64 generation;
	struct kvm_memory_slot *slot;
	void __user *hva;
};

/**
 * struct kvm_plane_vcpu - what struct kvm_vcpu holds for planes
 * @vcpu0: plane 0's vCPU; in plane 0, itself
 * @hyperv: kvm_plane_vm.hyperv of the plane
 * @switch_to: the sibling to run next in place of this one
 * @switch_state: what the switch is to carry there, KVM_PLANE_STATE_*
 * @switch_cause: what it is counted as
 * @entered_at: stat.exits when a switch last came here, or an event was last seen to
 * @hypercall_rip: where the hypercall was that userspace is to answer
 * @next_rip: the address after the hypercall that the exit fast path decides on, which
 *	nobody steps over; 0 anywhere else
 * @hypercall: what the exit fast path left to do for the hypercall at RIP
 * @vmgexit: it is a VMGEXIT
 * @held: an event of this plane was not injected, or is userspace's to see to
 *	(enum kvm_plane_hold)
 * @mem_exempt: the thread that has loaded this vCPU makes an access for userspace, or one that
 *	the plane has made already
 * @mem_fault: the access that KVM did not make for the plane, as it may not;
 *	none if flags is 0
 * @id: the plane
 * @tsc: whose value its TSC has; what that means is the architecture's
 * @insn: where a hypercall instruction was found last, for CPUs that do not tell
 * @latched: the values of kvm_plane_vm.latches
 * @assist: its VP assist page, when a policy accessed that last
 * @mem: the page of this plane that a policy accessed last
 * @stat: of this plane; read with those of the others
 * @retried: where an instruction exited last that the policy had the plane execute again, and
 *	what memory it was about
 * @present: the planes that this vCPU has
 * @sibling: the same as @present, by plane; set under @cpuid_lock with release semantics
 *	before @present is, never unset while the VM has a reference
 * @running: the sibling that ran last; RCU, see kvm_plane_forget_running()
 * @suspended: KVM's copy of kvm_run_planes.suspended_planes
 * @req_exit: KVM's copy of kvm_run_planes.req_exit_planes
 * @looping: in the run loop with planes
 * @idle_switches: switches in a row between planes that did not run in between
 * @idle_verdicts: verdicts in a row that were carried out while no plane was entered
 * @retries: verdicts in a row after which the plane was to execute the same instruction again
 * @ejected: a policy that was ejected, and is not told yet; a reference
 * @ejected_kind: enum kvm_plane_eject_kind
 * @ejected_code: what that is about
 * @cached: what the policy remembers of the vCPU
 * @cached_by: kvm_plane_ops.serial of that policy
 * @kicked: planes for which something arrived while they did not run, and that
 *	nobody has looked at since
 * @cpuid_lock: held while a sibling is added, and while CPUID is set; nests inside the
 *	vCPU's mutex
 *
 * From @present on, valid in plane 0's vCPU only; its mutex protects the rest.
 */
struct kvm_plane_vcpu {
	struct kvm_vcpu *vcpu0;
	struct kvm_hv *hyperv;
	struct kvm_vcpu *switch_to;
	u64 entered_at;
	u32 switch_state;
	u8 switch_cause;
	u8 hypercall;
	bool vmgexit;
	u8 held;
	u8 id;
	u8 tsc;
	bool mem_exempt;
	unsigned long hypercall_rip;
	unsigned long next_rip;
	struct {
		gpa_t gpa;
		u64 flags;
	} mem_fault;
	struct {
		unsigned long rip;
		unsigned long cr3;
		u64 generation;
		unsigned long hva;
	} insn;
	u64 latched[KVM_PLANE_NR_LATCHES];
	struct kvm_plane_page assist;
	struct kvm_plane_page mem;
	struct kvm_plane_stat stat;
	struct {
		unsigned long rip;
		gpa_t gpa;
	} retried;

	u16 present;
	u16 suspended;
	u16 req_exit;
	struct kvm_vcpu *sibling[KVM_MAX_PLANES];
	struct kvm_vcpu *running;
	bool looping;
	u8 idle_switches;
	u16 idle_verdicts;
	u16 retries;
	u64 cached;
	u64 cached_by;
	unsigned long kicked;
	/* Protects sibling[] and CPUID. */
	struct mutex cpuid_lock;
	struct kvm_plane_policy *ejected;
	u32 ejected_kind;
	s64 ejected_code;
};

/**
 * struct kvm_plane_effects - what an op asks for, beside its verdict
 * @target: the plane to switch to, -1 if none was chosen
 * @state: the groups of state that a switch carries there, KVM_PLANE_STATE_*
 * @exception: the vector of the exception to raise, -1 if there is none
 * @skip: the instruction that exited is to be skipped, unless @exception is raised at it
 * @take: the event that is to count as injected, enum kvm_plane_injection; 0 if there is none
 * @taken: its vector, if it is an interrupt
 * @latches_written: the MSRs in @latches, a bit each, by their place in kvm_plane_vm.latches
 * @suspended: the planes that are suspended after a switch
 * @irqs: the planes to raise an interrupt in, a bit each
 * @irq: the vectors of these interrupts, by plane
 * @regs_written: the registers in @regs, a bit each
 * @latches: the values to write to the MSRs
 * @regs: the values to write to the registers
 */
struct kvm_plane_effects {
	int target;
	u32 state;
	int exception;
	bool skip;
	u8 take;
	u8 taken;
	u8 latches_written;
	u16 suspended;
	u16 irqs;
	u8 irq[KVM_MAX_PLANES];
	u32 regs_written;
	u64 latches[KVM_PLANE_NR_LATCHES];
	u64 regs[KVM_PLANE_NR_REGS];
};

/* VMs with a second plane or memory attributes; without any, all this costs next to nothing. */
extern struct static_key_false_deferred kvm_planes_used;

void kvm_plane_use(struct kvm *kvm);

#ifdef CONFIG_X86
void kvm_plane_init(struct module *module);
void kvm_plane_exit(void);
void kvm_plane_vcpu_init(struct kvm_vcpu *vcpu);
void kvm_plane_vm_destroy(struct kvm *kvm);
int kvm_plane_check_extension(struct kvm *kvm, long ext);
int kvm_plane_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap);
int kvm_plane_create(struct kvm *kvm, unsigned long id);
int __kvm_plane_run(struct kvm_vcpu *vcpu0);
u64 kvm_plane_mem_supported(struct kvm *kvm, u8 plane);
int kvm_plane_set_mem_attributes(struct kvm *kvm, u8 plane,
				 struct kvm_memory_attributes *attrs);
#else
static inline void kvm_plane_init(struct module *module) { }
static inline void kvm_plane_exit(void) { }
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
struct kvm_vcpu *__kvm_plane_reenter(struct kvm_vcpu *vcpu);
void __kvm_plane_kick(struct kvm_vcpu *vcpu);
int kvm_plane_exit_to_user(struct kvm_vcpu *vcpu, struct kvm_plane_event event);
int kvm_plane_attend(struct kvm_vcpu *vcpu);
bool __kvm_plane_holds_events(struct kvm_vcpu *vcpu);
int __kvm_plane_halt(struct kvm_vcpu *vcpu);
u16 __kvm_plane_pending(struct kvm_vcpu *vcpu);
u16 kvm_plane_pending(struct kvm_vcpu *vcpu);
void kvm_plane_watch(struct kvm *kvm);

/* Memory attributes; kernel-doc is in plane_mem.c. */
u64 kvm_plane_mem_attrs(struct kvm *kvm, u8 plane, gfn_t gfn);
bool kvm_plane_mem_uniform(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end, u64 attrs);
bool kvm_plane_mem_exempt(struct kvm_vcpu *vcpu);
bool __kvm_plane_refuses(struct kvm_vcpu *vcpu, gpa_t gpa, u64 len, u64 attr);
void kvm_plane_mem_deny(struct kvm_vcpu *vcpu, gpa_t gpa, u64 flags);
int kvm_plane_mem_fault(struct kvm_vcpu *vcpu);
void kvm_plane_mem_destroy(struct kvm *kvm);

/**
 * enum kvm_plane_handled - what became of a plane-relevant exit
 * @KVM_PLANE_NOT_HANDLED: nothing; KVM goes on with it
 * @KVM_PLANE_HANDLED: it is done, with KVM's usual return value in *r
 * @KVM_PLANE_TO_USER: it is to go to userspace
 * @KVM_PLANE_NOT_ASKED: the policy is to be asked with interrupts on
 */
enum kvm_plane_handled {
	KVM_PLANE_NOT_HANDLED,
	KVM_PLANE_HANDLED,
	KVM_PLANE_TO_USER,
	KVM_PLANE_NOT_ASKED,
};

#if IS_ENABLED(CONFIG_BPF_JIT)
void kvm_plane_bpf_init(void);
bool kvm_plane_bpf_usable(void);
int kvm_plane_native_set(const char *name, struct kvm_plane_ops *ops);
int kvm_plane_policy_attach(struct kvm *kvm, int fd);
int kvm_plane_policy_detach(struct kvm *kvm);
const char *kvm_plane_policy_name(struct kvm *kvm);
enum kvm_plane_handled kvm_plane_policy_hypercall(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r);
enum kvm_plane_handled kvm_plane_policy_fastpath(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r);
void kvm_plane_policy_ejected(struct kvm_vcpu *vcpu);
enum kvm_plane_handled kvm_plane_policy_msr(struct kvm_vcpu *vcpu, u32 msr, bool write, u64 value,
					    int *r);
enum kvm_plane_handled kvm_plane_policy_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access);
enum kvm_plane_handled kvm_plane_policy_event(struct kvm_vcpu *vcpu, u16 pending);
enum kvm_plane_handled kvm_plane_policy_halt(struct kvm_vcpu *vcpu);
enum kvm_plane_handled kvm_plane_policy_inject(struct kvm_vcpu *vcpu);
#else
static inline void kvm_plane_bpf_init(void) { }
static inline bool kvm_plane_bpf_usable(void) { return false; }
static inline int kvm_plane_policy_attach(struct kvm *kvm, int fd) { return -EOPNOTSUPP; }
static inline int kvm_plane_policy_detach(struct kvm *kvm) { return -ENOENT; }
static inline const char *kvm_plane_policy_name(struct kvm *kvm) { return NULL; }
static inline void kvm_plane_policy_ejected(struct kvm_vcpu *vcpu) { }
static inline enum kvm_plane_handled
kvm_plane_policy_fastpath(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r)
{
	return KVM_PLANE_NOT_HANDLED;
}

static inline enum kvm_plane_handled
kvm_plane_policy_hypercall(struct kvm_vcpu *vcpu, u8 abi, u8 mode, int *r)
{
	return KVM_PLANE_NOT_HANDLED;
}

static inline enum kvm_plane_handled
kvm_plane_policy_msr(struct kvm_vcpu *vcpu, u32 msr, bool write, u64 value, int *r)
{
	return KVM_PLANE_NOT_HANDLED;
}

static inline enum kvm_plane_handled
kvm_plane_policy_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access)
{
	return KVM_PLANE_NOT_HANDLED;
}

static inline enum kvm_plane_handled kvm_plane_policy_event(struct kvm_vcpu *vcpu, u16 pending)
{
	return KVM_PLANE_NOT_HANDLED;
}

static inline enum kvm_plane_handled kvm_plane_policy_halt(struct kvm_vcpu *vcpu)
{
	return KVM_PLANE_NOT_HANDLED;
}

static inline enum kvm_plane_handled kvm_plane_policy_inject(struct kvm_vcpu *vcpu)
{
	return KVM_PLANE_NOT_HANDLED;
}
#endif

/* What an architecture with planes implements, beside <asm/kvm_plane.h>; kernel-doc is there. */
bool kvm_arch_has_planes(struct kvm *kvm);
void kvm_arch_plane_create(struct kvm *kvm);
void kvm_arch_plane_stop_pmu(struct kvm *kvm);
void kvm_arch_plane_leave_pmu(struct kvm_vcpu *vcpu);
int kvm_arch_plane_add(struct kvm *kvm, u8 plane);
bool kvm_arch_plane_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl);
int kvm_arch_plane_vcpu_create(struct kvm_vcpu *vcpu);
void kvm_arch_plane_vcpu_predestroy(struct kvm_vcpu *vcpu);
bool kvm_arch_plane_completes_io(struct kvm_vcpu *vcpu);
void kvm_arch_plane_switch_fpu(struct kvm_vcpu *from, struct kvm_vcpu *to);
void kvm_arch_plane_switch_timer(struct kvm_vcpu *from, struct kvm_vcpu *to);
bool kvm_arch_plane_can_reenter(struct kvm_vcpu *from, struct kvm_vcpu *to);
void kvm_arch_plane_reload(struct kvm_vcpu *from, struct kvm_vcpu *to);
void kvm_arch_plane_load(struct kvm_vcpu *vcpu, int cpu);
bool kvm_arch_plane_halted(struct kvm_vcpu *vcpu);
void kvm_arch_plane_wake(struct kvm_vcpu *vcpu);
bool kvm_arch_plane_quiet(struct kvm_vcpu *vcpu);
void kvm_arch_plane_run_timers(struct kvm_vcpu *vcpu);
bool kvm_arch_plane_has_event(struct kvm_vcpu *vcpu);
void kvm_arch_plane_leave(struct kvm_vcpu *vcpu);
void kvm_arch_plane_update_exit(struct kvm_vcpu *vcpu);
bool kvm_arch_plane_ready(struct kvm_vcpu *vcpu);
int kvm_arch_plane_signal_msi(struct kvm *kvm, u8 plane, struct kvm_msi *msi);
u8 kvm_arch_plane_mode(struct kvm_vcpu *vcpu);
unsigned long kvm_arch_plane_rip(struct kvm_vcpu *vcpu);
bool kvm_arch_plane_can_claim_msr(u32 msr);
u8 kvm_arch_plane_injection(struct kvm_vcpu *vcpu, u8 *vector);
bool kvm_arch_plane_commit(struct kvm_vcpu *vcpu, const struct kvm_plane_effects *effects,
			   int *r);
void kvm_arch_plane_carry(struct kvm_vcpu *from, struct kvm_vcpu *to, u32 state);
bool kvm_arch_plane_mem_valid(u64 attrs);
bool kvm_arch_plane_mem_exempt(unsigned int ioctl);
void kvm_arch_plane_insn(struct kvm_vcpu *vcpu, struct kvm_plane_insn *insn);
void kvm_arch_plane_mem_zap_tables(struct kvm *kvm, u8 plane, gfn_t start, gfn_t end);

#endif /* __KVM_PLANE_H */
