#!/usr/bin/perl
#
# Whatever happens to the pair, and in whatever order, it comes back by
# itself, and clients see nothing worse than a write in doubt.
#
# Takes minutes: with T_LONG=1 only. T_SEED repeats a sequence, T_ROUNDS
# says how long it is, T_ONLY (a pattern) what happens in it, T_AT_ONCE how
# many of them overlap, and T_LOOPBACK=1 leaves keepalived and the network out
# of it. T_KEEP=1 keeps the logs.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::Scenario;
use T::Scenario::Chaos;
use Test::More;

plan skip_all => 'long: set T_LONG=1' if !$ENV{T_LONG};

my $loopback = $ENV{T_LOOPBACK};
my $why = $loopback ? undef : T::Lab->why_not;
plan skip_all => $why if defined $why;

my $seed = $ENV{T_SEED} // int rand 1e6;
my $at_once = $ENV{T_AT_ONCE} // 1;
my $rounds = $ENV{T_ROUNDS} // 20;
diag "T_SEED=$seed";

my $lab = T::Lab->new(mode => $loopback ? 'loopback' : 'netns', conf => {
    'follow-delay' => '500ms', 'switch-min-gap' => '1s',
    workers => 2 }, keep => $ENV{T_KEEP});
my $s = T::Scenario->new(lab => $lab);
my $chaos = T::Scenario::Chaos->new(scenario => $s, seed => $seed,
    only => $ENV{T_ONLY}, at_once => $at_once);
# A pause between writes: the data shall stay small.
$s->begin(undef, '--think', 4000);
for my $round (1 .. $rounds) {
	my $step = eval { $chaos->round };
	if (!$step) {
		fail "round $round of T_SEED=$seed: $@";
		last;
	}
	my %words = %{$step->{words}};
	delete $words{INDOUBT};
	note T::Scenario::line($step);
	is_deeply \%words, {}, "round $round, $step->{name}: no error but "
	    . 'INDOUBT';
	cmp_ok $step->{indoubt}, '<=', $at_once,
	    "round $round, $step->{name}: writes in doubt of a connection";
}

my $r = $s->end;
my $gone = $r->{missing} + $r->{shortfall};
diag sprintf '%d acknowledged, missing %d, by the counter %d; Holdover said '
    . 'at most %d', @$r{qw(acknowledged missing shortfall lost_at_most)};
diag $_ for @{$r->{when}};
is $r->{old}, 0, 'nothing is missing that both had before the fault';
is $r->{wrong}, 0, 'no value is another than what was written';
cmp_ok $gone, '<=', $r->{lost_at_most}, 'writes missing, and what Holdover says of it';
is $r->{counter_backwards}, 0, 'the counter never went backwards'
    if !$gone;
$lab->halt;
is_deeply [$lab->complaints], [], 'every program ended well';
done_testing;
