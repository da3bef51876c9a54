#!/usr/bin/perl
# Run a command and tell what it and everything it waited for cost, as getrusage(RUSAGE_CHILDREN) has it.
#
#   measure.pl REPORT COMMAND ARGUMENT…     writes "user seconds, system seconds, peak KiB of one process, exit status" to the file REPORT
use strict;
use warnings;

my ($report, @command) = @ARGV;
my $machine = do { local $_ = `uname -m`; chomp; $_ };
my $getrusage = { x86_64 => 98, aarch64 => 165 }->{$machine} // die "measure.pl: unknown machine $machine\n";
my $RUSAGE_CHILDREN = -1;

# Two processes share a terminal's Ctrl-C: let the command end first and still report.
$SIG{INT} = 'IGNORE';
my $child = fork() // die "measure.pl: fork: $!\n";
if ($child == 0) {
    $SIG{INT} = 'DEFAULT';
    exec { $command[0] } @command or die "measure.pl: $command[0]: $!\n";
}
$SIG{TERM} = sub { kill 'TERM', $child };
1 while waitpid($child, 0) != $child;
my $status = $?;

my $usage = "\0" x 144;
syscall($getrusage, $RUSAGE_CHILDREN, $usage) == 0 or die "measure.pl: getrusage: $!\n";
my ($user, $user_us, $system, $system_us, $peak) = unpack 'q5', $usage;
open my $out, '>', $report or die "measure.pl: $report: $!\n";
printf $out "%.6f %.6f %d %d\n", $user + $user_us / 1e6, $system + $system_us / 1e6, $peak, $status;
close $out or die "measure.pl: $report: $!\n";
exit($status & 127 ? 1 : $status >> 8);
