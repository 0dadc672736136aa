// SPDX-License-Identifier: GPL-2.0
/*
 * VMs that become other VMs. See migrate.h.
 */
#include <stddef.h>
#include <sys/ioctl.h>

#include "lapic.h"
#include "migrate.h"
#include "test.h"

#define MAX_MSRS	256

#define MSR_TSC			0x10
#define MSR_HV_VP_RUNTIME	0x40000010
#define MSR_HV_TIME_REF_COUNT	0x40000020

struct plane_state {
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_lapic_state lapic;
	__u64 msr[MAX_MSRS];
};

struct saved {
	struct plane_state plane[KVM_MAX_PLANES];
	__u8 running;
	__u16 suspended;
};

static struct saved saved;
static __u32 msrs[MAX_MSRS];
static unsigned int nr_msrs;

void migrate_init(struct vm *vm)
{
	nr_msrs = vm_find_msrs(vm, msrs, MAX_MSRS);
}

static bool goes_on(__u32 msr)
{
	return msr == MSR_TSC || msr == MSR_HV_VP_RUNTIME || msr == MSR_HV_TIME_REF_COUNT;
}

static void save_plane(struct vm *vm, int plane, struct plane_state *state)
{
	int vcpu = vm->vcpu[plane];
	unsigned int i;

	memset(state, 0, sizeof(*state));
	vm_ioctl(vcpu, KVM_GET_REGS, &state->regs);
	vm_ioctl(vcpu, KVM_GET_SREGS2, &state->sregs);
	vm_ioctl(vcpu, KVM_GET_DEBUGREGS, &state->debugregs);
	vm_ioctl(vcpu, KVM_GET_XCRS, &state->xcrs);
	vm_ioctl(vcpu, KVM_GET_XSAVE, &state->xsave);
	vm_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &state->events);
	vm_ioctl(vcpu, KVM_GET_MP_STATE, &state->mp_state);
	vm_ioctl(vcpu, KVM_GET_LAPIC, &state->lapic);
	for (i = 0; i < nr_msrs; i++)
		state->msr[i] = vm_get_msr(vm, plane, msrs[i]);
}

static void restore_plane(struct vm *vm, int plane, struct plane_state *state)
{
	int vcpu = vm->vcpu[plane];
	unsigned int i;

	vm_ioctl(vcpu, KVM_SET_SREGS2, &state->sregs);
	vm_ioctl(vcpu, KVM_SET_XCRS, &state->xcrs);
	vm_ioctl(vcpu, KVM_SET_XSAVE, &state->xsave);
	/* Before the MSRs: KVM forgets a TSC deadline unless the timer is in that mode. */
	vm_ioctl(vcpu, KVM_SET_LAPIC, &state->lapic);
	for (i = 0; i < nr_msrs; i++) {
		if (vm_get_msr(vm, plane, msrs[i]) == state->msr[i])
			continue;
		if (!vm_set_msr(vm, plane, msrs[i], state->msr[i]) && !goes_on(msrs[i]))
			fail("MSR %#x, plane %d, cannot be %#llx", msrs[i], plane, state->msr[i]);
	}
	vm_ioctl(vcpu, KVM_SET_REGS, &state->regs);
	vm_ioctl(vcpu, KVM_SET_DEBUGREGS, &state->debugregs);
	vm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &state->events);
	vm_ioctl(vcpu, KVM_SET_MP_STATE, &state->mp_state);
}

#define PART(member)							\
	{ #member, offsetof(struct plane_state, member), sizeof(saved.plane[0].member) }

static const struct {
	const char *name;
	size_t offset;
	size_t size;
} parts[] = {
	PART(regs), PART(sregs), PART(debugregs), PART(xcrs), PART(xsave), PART(events),
	PART(mp_state), PART(lapic),
};

static void same_plane(struct plane_state *a, struct plane_state *b, int plane)
{
	unsigned int i;

	/* How far the timer is, as time passes; and what KVM computes when it next needs it. */
	memset(a->lapic.regs + APIC_TMCCT, 0, 4);
	memset(b->lapic.regs + APIC_TMCCT, 0, 4);
	memset(a->lapic.regs + APIC_PPR, 0, 4);
	memset(b->lapic.regs + APIC_PPR, 0, 4);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (memcmp((char *)a + parts[i].offset, (char *)b + parts[i].offset,
			   parts[i].size))
			fail("%s of plane %d is lost", parts[i].name, plane);
	for (i = 0; i < nr_msrs; i++)
		if (a->msr[i] != b->msr[i] && !goes_on(msrs[i]))
			fail("MSR %#x of plane %d: %#llx, it was %#llx",
			     msrs[i], plane, b->msr[i], a->msr[i]);
}

static int nr_planes(struct vm *vm)
{
	int n = 0;

	while (n < KVM_MAX_PLANES && vm->vcpu[n] >= 0)
		n++;
	return n;
}

static void save(struct vm *vm)
{
	int i;

	/* Whatever the last exit left to be done, and the registers in kvm_run */
	vm->run->immediate_exit = 1;
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);

	for (i = 0; i < nr_planes(vm); i++)
		save_plane(vm, i, &saved.plane[i]);
	saved.running = kvm_run_planes(vm->run)->plane;
	saved.suspended = kvm_run_planes(vm->run)->suspended_planes;
}

static void restore(struct vm *vm)
{
	static struct plane_state now;
	int i;

	for (i = 0; i < nr_planes(vm); i++)
		restore_plane(vm, i, &saved.plane[i]);
	for (i = 0; i < nr_planes(vm); i++) {
		save_plane(vm, i, &now);
		same_plane(&saved.plane[i], &now, i);
	}
	kvm_run_planes(vm->run)->plane = saved.running;
	kvm_run_planes(vm->run)->suspended_planes = saved.suspended;
}

struct vm *vm_migrate(struct vm *vm, struct vm *(*create)(int nr_planes))
{
	int planes = nr_planes(vm);

	save(vm);
	vm_free(vm);
	vm = create(planes);
	restore(vm);
	return vm;
}
