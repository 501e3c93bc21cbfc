#!/usr/bin/perl
#
# A virtual address of IPv6 is bound, watched, said goodbye from and tickled
# for by other calls than one of IPv4.
#
# Here such a VIP moves by a handover and by a crash, under writers and with
# a subscriber that only waits.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::Scenario;
use Test::More;

my $why = T::Lab->why_not;
plan skip_all => $why if defined $why;

my $lab = T::Lab->new(ipv6 => 1, conf => { 'follow-delay' => '200ms',
    'switch-min-gap' => '200ms' });
my $s = T::Scenario->new(lab => $lab, warm => 500);
$s->begin(0);

sub subscriber_is_told
{
	my ($name) = @_;
	ok $lab->wait_for(10, sub { $lab->idle($name) =~ /^reset /m }),
	    "$name is reset";
}

my $holder = $lab->wait_steady(30, together => 1);
$lab->start_idle('subscriber-1', 1, 'SUBSCRIBE', 'news');
my @step = $s->step('handover', sub {
	$s->order($holder, 'HANDOVER');
	$lab->wait_steady(30, together => 1);
});
subscriber_is_told('subscriber-1');

$lab->start_idle('subscriber-2', 1, 'SUBSCRIBE', 'news');
$holder = $lab->vip_holder;
my $other = $lab->other($holder);
$lab->wait_until('the other node knows of it', 10, sub {
	$lab->info($other)->{peer_vip_clients} == 10 });
$s->crash;
subscriber_is_told('subscriber-2');

my $r = $s->end;
diag T::Scenario::line($_) for @{$r->{steps}};
is_deeply [grep { $_ ne 'INDOUBT' } keys %{$r->{words}}], [],
    'no error but INDOUBT';
cmp_ok $r->{missing}, '<=', $r->{lost_at_most}, 'nothing is missing';
$lab->halt;
is_deeply [$lab->complaints], [], 'every program ended well';
done_testing;
