// SPDX-License-Identifier: GPL-2.0
/*
 * Local APICs and interrupts, for tests. See lapic.h.
 */
#include "lapic.h"

#define APIC_BASE_X2APIC	(1U << 10)

__u32 lapic_get(int vcpu, int reg)
{
	struct kvm_lapic_state apic;
	__u32 value;

	vm_ioctl(vcpu, KVM_GET_LAPIC, &apic);
	memcpy(&value, apic.regs + reg, sizeof(value));
	return value;
}

void lapic_set(int vcpu, int reg, __u32 value)
{
	struct kvm_lapic_state apic;

	vm_ioctl(vcpu, KVM_GET_LAPIC, &apic);
	memcpy(apic.regs + reg, &value, sizeof(value));
	vm_ioctl(vcpu, KVM_SET_LAPIC, &apic);
}

/* Whether @vector is in one of the registers from @reg on, of a bit for each vector */
static bool in_vectors(int vcpu, int reg, __u8 vector)
{
	return lapic_get(vcpu, reg + vector / 32 * 0x10) & 1U << vector % 32;
}

bool lapic_in_irr(int vcpu, __u8 vector)
{
	return in_vectors(vcpu, APIC_IRR, vector);
}

bool lapic_in_isr(int vcpu, __u8 vector)
{
	return in_vectors(vcpu, APIC_ISR, vector);
}

void lapic_drop_interrupts(int vcpu)
{
	int i;

	for (i = 0; i < 8; i++)
		lapic_set(vcpu, APIC_IRR + i * 0x10, 0);
}

void lapic_enable(int vcpu)
{
	lapic_set(vcpu, APIC_SPIV, APIC_SPIV_ON | 0xff);
}

void lapic_enable_x2apic(int vcpu)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	sregs.apic_base |= APIC_BASE_X2APIC;
	vm_ioctl(vcpu, KVM_SET_SREGS, &sregs);
	lapic_enable(vcpu);
}

void msi_send(int fd, __u32 data)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = data };

	vm_ioctl(fd, KVM_SIGNAL_MSI, &msi);
}
