/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtual machine, of one vCPU for most, whose memory is the image of this program.
 *
 * Errors that are nobody's subject end the program, by fail().
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm_planes.h>
#include <stdbool.h>
#include <stddef.h>

#include "guest.h"

/* For headers older than Linux 6.8 */
#ifndef KVM_SET_MEMORY_ATTRIBUTES
struct kvm_memory_attributes {
	__u64 address;
	__u64 size;
	__u64 attributes;
	__u64 flags;
};

#define KVM_SET_MEMORY_ATTRIBUTES	_IOW(KVMIO, 0xd2, struct kvm_memory_attributes)
#define KVM_CAP_MEMORY_ATTRIBUTES	233
#define KVM_EXIT_MEMORY_FAULT		39
#endif

/* kvm_run.memory_fault, which they do not have either */
struct mem_fault {
	__u64 flags;
	__u64 gpa;
	__u64 size;
};

static inline const struct mem_fault *mem_run_fault(const struct kvm_run *run)
{
	return (const void *)&run->hw;
}

/* Memory below 1 MiB for code in real mode; the VMM's own pages, not the image. */
#define VMM_LOW_GPA	0x10000
#define VMM_LOW_SIZE	0x10000

struct vm {
	int fd;
	int plane[KVM_MAX_PLANES];	/* [0] is -1 */
	int vcpu[KVM_MAX_PLANES];	/* KVM_RUN is for [0] */
	struct kvm_run *run;
	size_t run_size;
	struct kvm_cpuid2 *cpuid;
	void *low;
};

/* What is called of each program that uses this. */
__noreturn void __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...);

/* /dev/kvm of a KVM that has planes. */
int vmm_open_kvm(void);

/**
 * vm_create - a VM with one vCPU, in plane 0, that has Hyper-V's interface
 * @nr_planes: how many planes the VM and the vCPU get
 */
struct vm *vm_create(int nr_planes);

/* The same, with KVM_ENABLE_CAP of what is to be chosen before there is a vCPU; 0 is nothing. */
struct vm *vm_create_with(int nr_planes, __u32 cap, __u64 arg);

/* Who has the interrupt controllers: KVM the local APICs, or them and PIC and IOAPIC, or none. */
enum vm_irqchip { IRQCHIP_SPLIT, IRQCHIP_FULL, IRQCHIP_NONE };

struct vm *vm_create_irqchip(int nr_planes, enum vm_irqchip irqchip);

/* Another vCPU, in plane 0, that can run: all but vcpu[] and run are @vm's; not for vm_free(). */
struct vm *vm_add_vcpu(struct vm *vm, int id);
void vm_add_plane(struct vm *vm, int plane);
void vm_free(struct vm *vm);

/* Let @plane start at @entry: 64-bit, CPL 0, with a stack and tables of its own. */
void vm_start(struct vm *vm, int plane, guest_code_t entry);

/* The tables alone, for a plane that is started in another way. */
void vm_prepare(int plane);

/* What a plane does at an interrupt or exception, from then on. */
void vm_set_vector(int plane, __u8 vector, const void *handler);

/* The guest's memory at @gpa, here; NULL if that is not memory. */
void *vm_memory(struct vm *vm, __u64 gpa, __u64 size);

/* Log which pages of the image are written, or do not. */
void vm_set_dirty_log(struct vm *vm, bool enabled);

/* Whether the page at @address was written since this was asked last, of whatever page. */
bool vm_page_dirty(struct vm *vm, const void *address);

/* An ioctl that must not fail. */
#define vm_ioctl(fd, cmd, arg) __vm_ioctl(fd, cmd, #cmd, (unsigned long)(arg))
int __vm_ioctl(int fd, unsigned long cmd, const char *name, unsigned long arg);

/* KVM_ENABLE_CAP; returns what ioctl() does. */
int vm_enable_cap(int fd, __u32 cap, __u64 arg0, __u64 arg1, __u64 arg2);

/* One KVM_RUN, again when a signal interrupts it. Returns the exit reason. */
__u32 vm_run(struct vm *vm);

/* The same, for a guest that may violate memory attributes: KVM_EXIT_MEMORY_FAULT */
__u32 vm_run_fault(struct vm *vm);

/* What ended KVM_RUN is a #GP for the plane that ran. */
void vm_raise_gp(struct vm *vm);

const char *vm_exit_name(__u32 reason);

/* What the guest said if the last exit was that, else NULL; ends the program if it aborted. */
struct guest_call *vm_guest_call(struct vm *vm);

__u64 vm_get_msr(struct vm *vm, int plane, __u32 msr);

/* False if KVM does not accept the value. */
bool vm_set_msr(struct vm *vm, int plane, __u32 msr, __u64 value);

/* Whether KVM uses the master clock for a VM, of which all vCPUs have run: the TSC is stable. */
bool vm_has_master_clock(struct vm *vm);

/* Of KVM_GET_MSR_INDEX_LIST those that this VM has; returns how many, @max at the most. */
unsigned int vm_find_msrs(struct vm *vm, __u32 *msrs, unsigned int max);

/* CPUID as the guest has it. */
const struct kvm_cpuid_entry2 *vm_cpuid(struct vm *vm, __u32 function, __u32 index);

#endif /* VMM_H */
