/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Local APICs and interrupts, for tests.
 */
#ifndef LAPIC_H
#define LAPIC_H

#include "test.h"

/* Registers; APM volume 2, "Local APIC registers" */
#define APIC_TPR	0x80
#define APIC_PPR	0xa0
#define APIC_SPIV	0xf0
#define APIC_SPIV_ON	0x100
#define APIC_ISR	0x100
#define APIC_IRR	0x200
#define APIC_LVTT	0x320
#define APIC_LVTT_DEADLINE	(2U << 17)
#define APIC_LVT0	0x350
#define APIC_LVT_EXTINT	(7U << 8)
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0

/* In x2APIC mode; Intel SDM volume 3, "Extended XAPIC" and "Interrupt command register" */
#define MSR_X2APIC_TPR	0x808
#define MSR_X2APIC_EOI	0x80b
#define MSR_X2APIC_ISR	0x810
#define MSR_X2APIC_ICR	0x830
#define ICR_NMI		(4U << 8)
#define ICR_LOGICAL	(1U << 11)
#define ICR_SELF	(1U << 18)
#define ICR_ALL		(2U << 18)
#define ICR_OTHERS	(3U << 18)
#define ICR_DEST(id)	((__u64)(id) << 32)

/* An MSI: the address of APIC 0, and bits of data */
#define MSI_ADDRESS	0xfee00000
#define MSI_NMI		(4 << 8)
#define MSI_LEVEL	(3 << 14)	/* asserted, too */

/* By KVM_GET_LAPIC and KVM_SET_LAPIC of the vCPU fd of any plane */
__u32 lapic_get(int vcpu, int reg);
void lapic_set(int vcpu, int reg, __u32 value);
bool lapic_in_irr(int vcpu, __u8 vector);
bool lapic_in_isr(int vcpu, __u8 vector);
void lapic_drop_interrupts(int vcpu);

/* Enabled by software, in xAPIC mode or in x2APIC mode. */
void lapic_enable(int vcpu);
void lapic_enable_x2apic(int vcpu);

/* KVM_SIGNAL_MSI of a VM or of a plane, to APIC 0. */
void msi_send(int fd, __u32 data);

#endif /* LAPIC_H */
