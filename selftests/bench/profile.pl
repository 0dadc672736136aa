#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# Where the instructions of a round trip go: profile.pl ROW TRIPS KALLSYMS NM LOG
#
# LOG is what QEMU's "log exec,nochain" writes with one instruction a translation block; KALLSYMS is
# /proc/kallsyms of that machine and its "bpftool prog show", NM the symbols of the program that is
# also the guest, in which bench_round_trip* is where a round trip begins.

use strict;
use warnings;
no warnings 'portable';		# 64-bit addresses

die "usage: profile.pl ROW TRIPS KALLSYMS NM LOG\n" if @ARGV != 5;
my ($row, $trips, $kallsyms, $nm, $log) = @ARGV;

# QEMU's hflags: HF_CPL_MASK, HF_GUEST_MASK (in a guest of SVM)
use constant { CPL => 3, IN_GUEST => 1 << 21 };

# Symbols: sorted [address, name, end]; an end of 0 is where the next one begins.

sub read_kallsyms {
	my (%size, @symbols, $tag);

	open(my $in, '<', $kallsyms) or die "$kallsyms: $!\n";
	while (<$in>) {
		s/\r//;
		if (/^([0-9a-f]{16}) [tw] (\S+)(?:\t\[(\S+)\])?$/i) {
			push @symbols, [hex($1), $2 . ($3 ? " [$3]" : ''), 0];
		} elsif (/^\d+: \S+ .*tag ([0-9a-f]{16})/) {
			$tag = $1;
		} elsif (/ jited (\d+)B/) {
			$size{$tag} = $1;
		}
	}
	foreach my $s (@symbols) {
		$s->[2] = $s->[0] + $size{$1} if $s->[1] =~ /^bpf_prog_([0-9a-f]{16})/ && $size{$1};
	}
	return sort { $a->[0] <=> $b->[0] } @symbols;
}

sub read_nm {
	my @symbols;

	open(my $in, '<', $nm) or die "$nm: $!\n";
	while (<$in>) {
		push @symbols, [hex($1), $2, 0] if /^([0-9a-f]{16}) [tTwW] (\S+)/;
		push @symbols, [hex($1), $2, 0] if /^([0-9a-f]{16}) D (guest_hypercall_insn)/;
	}
	return sort { $a->[0] <=> $b->[0] } @symbols;
}

my @kernel = read_kallsyms();
my @program = read_nm();
die "no symbols in $kallsyms\n" if !@kernel;

# find ADDRESS SYMBOLS: name and start of the function there
sub find {
	my ($address, $symbols) = @_;
	my ($low, $high) = (0, $#$symbols);

	return ('?', 0) if $high < 0 || $address < $symbols->[0][0];
	while ($low < $high) {
		my $mid = int(($low + $high + 1) / 2);

		if ($symbols->[$mid][0] <= $address) {
			$low = $mid;
		} else {
			$high = $mid - 1;
		}
	}
	my ($start, $name, $end) = @{$symbols->[$low]};
	# The kernel of 6.12 names no trampolines.
	return ('[BPF trampoline]', $end) if $end && $address >= $end;
	return ($name, $start);
}

# place PC FLAGS: function, and whether PC is its first instruction
my %places;
sub place {
	my ($pc, $flags) = @_;
	my $where = $flags & IN_GUEST ? 'guest' : ($flags & CPL) == 3 ? 'user' : 'kernel';
	my $key = "$where $pc";

	if (!$places{$key}) {
		my $address = hex($pc);
		my ($name, $start) = find($address, $where eq 'kernel' ? \@kernel : \@program);

		# What is beyond the program is a library.
		$name = 'libraries' if $where ne 'kernel' && $address >> 32;
		$name = "$where: $name" if $where ne 'kernel';
		$places{$key} = [$name, $address == $start];
	}
	return $places{$key};
}

# The log, cut into round trips. A trip is a list of [place, instructions].

my %begin = map { $_->[0] => 1 } grep { $_->[1] =~ /^bench_round_trip/ } @program;
die "no bench_round_trip in $nm\n" if !%begin;

my (@seen, $trip, $last);
open(my $in, '<', $log) or die "$log: $!\n";
while (<$in>) {
	# A block that an interrupt kept from being executed
	if (/^Stopped/) {
		pop @$trip if $trip && @$trip;
		next;
	}
	next unless m{^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/([0-9a-f]+)/};
	my ($pc, $flags) = ($1, hex($2));

	if ($flags & IN_GUEST && $begin{hex($pc)}) {
		push @seen, $trip if $trip;
		last if @seen == $trips;
		$trip = [];
	}
	push @$trip, place($pc, $flags) if $trip;
}
die "no $trips round trips in the log, but " . @seen . "\n" if @seen < $trips;

# The steady state is what happens most often: trips of the commonest length.

my %lengths;
$lengths{@$_}++ foreach @seen;
my ($length) = sort { $lengths{$b} <=> $lengths{$a} || $a <=> $b } keys %lengths;
my ($steady) = grep { @$_ == $length } @seen;

printf("%s: %d instructions a round trip, in %d of the %d watched; this is one of them.\n",
       $row, $length, $lengths{$length}, scalar(@seen));

my (%total, %calls);
foreach my $p (@$steady) {
	$total{$p->[0]}++;
	$calls{$p->[0]}++ if $p->[1];
}
printf("\n%12s %6s %8s  %s\n", 'instructions', '%', 'calls', 'function');
foreach my $name (sort { $total{$b} <=> $total{$a} || $a cmp $b } keys %total) {
	printf("%12d %6.2f %8d  %s\n", $total{$name}, 100 * $total{$name} / $length,
	       $calls{$name} // 0, $name);
}

my %groups = (BPF => 0, 'kvm.ko' => 0, 'kvm-amd.ko' => 0, kernel => 0, user => 0, guest => 0);
foreach my $name (keys %total) {
	my $group = $name =~ /^(user|guest):/ ? $1 : $name =~ /\[(bpf|BPF trampoline)\]$/ ? 'BPF' :
		    $name =~ /\[kvm\]$/ ? 'kvm.ko' : $name =~ /\[kvm_(?:amd|intel)\]$/ ? 'kvm-amd.ko' :
		    'kernel';
	$groups{$group} += $total{$name};
}
printf("\n");
printf("%12d %6.2f  %s\n", $groups{$_}, 100 * $groups{$_} / $length, $_)
	foreach sort { $groups{$b} <=> $groups{$a} } keys %groups;

# In order. Who called whom is a guess: a function entered at its start was called, one entered
# elsewhere was returned to.

printf("\n%12s  %s\n", 'instructions', 'function, in order; indented if called');
my (@stack, @lines, $current);
foreach my $p (@$steady) {
	my ($name, $first) = @$p;

	if ($current && $current->{name} eq $name && !$first) {
		$current->{count}++;
		next;
	}
	if ($first) {
		push @stack, $name;
	} else {
		my ($depth) = grep { $stack[$_] eq $name } reverse 0 .. $#stack;

		if (defined $depth) {
			$#stack = $depth;
		} else {
			$stack[@stack ? $#stack : 0] = $name;
		}
	}
	$current = { name => $name, depth => $#stack, count => 1 };
	push @lines, $current;
}
printf("%12d  %s%s\n", $_->{count}, '  ' x $_->{depth}, $_->{name}) foreach @lines;

# QEMU is to have a reader until it is told to stop.
$| = 1;
print '';
1 while <$in>;
