# A switchover must hold the writes of every thread before it fences, and
# open none before all have flipped. One that was forgotten would send a
# write to the fenced Redis (READONLY, a bounce), or read from the old one.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Writers;

my $pair = T::Pair->new(conf => "workers 4\nswitch-min-gap 0");
my @writers = map { T::Writers->new(port => $pair->proxy($_)->port) }
    qw(a b);
for (1 .. 10) {
	$pair->switchover;
	$_->wait_more for @writers;
}
for my $i (0, 1) {
	my $w = $writers[$i]->stop;
	is($w->{errors} + $w->{cuts} + $w->{timeouts}, 0,
	    'no client noticed a thing');
	is($writers[$i]->missing($pair->proxy('a')->port), 0,
	    'no acknowledged write is missing');
	diag(sprintf 'longest time without an acknowledgement %.1f ms',
	    ($w->{longest_us} > $w->{previous_longest_us} ? $w->{longest_us}
	    : $w->{previous_longest_us}) / 1000);
}
for my $n (qw(a b)) {
	my $info = $pair->proxy($n)->info;
	is($info->{bounced}, 0, "no Redis refused a write of node $n");
	my @hold = map { $_->{hold_us} } grep { $_->{kind} eq 'switchover' } map {
	    +{ @$_ } } @{$pair->proxy($n)->admin('SHOW', 'SWITCHES')};
	cmp_ok(scalar @hold, '>=', 10, 'ten switchovers are told');
	diag("node $n held for (us) @hold");
}

done_testing;
