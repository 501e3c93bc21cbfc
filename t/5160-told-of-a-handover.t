#!/usr/bin/perl
#
# A handover resets every connection of the VIP, and what was on its way is an
# error for the client. One that asked for maintenance notifications is told
# before (MOVING), asks nothing more and connects anew: it must find the new
# holder, and none of its INCRs may fail or run twice.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::Lab;
use Test::More;

my $why = T::Lab->why_not;
plan skip_all => $why if defined $why;

# What a library does, in a few lines.
my $client = <<'END';
	use T::Resp;
	$| = 1;
	my ($host, $port, $kind) = @ARGV;
	sub told {
		my $c = T::Resp->new($port, host => $host);
		return $c if $c->command('HELLO', 3) && $c->command('CLIENT',
		    'MAINT_NOTIFICATIONS', 'ON', 'moving-endpoint-type',
		    $kind) eq 'OK';
	}
	my ($c, $n, $moves, $at) = (told(), 0, 0, -1);
	print "ready\n";
	while ($moves < 3) {
		my ($moving, $got) = (0, $c->command('INCR', "n-$kind"));
		while (ref $got) {
			print "$got->[0] $got->[1] ", $got->[3] // 'null',
			    "\n";
			$moving++ if $got->[0] eq 'MOVING';
			$got = $c->reply;
		}
		$n++;
		die "INCR $n: $got\n" if $got ne $n;
		print "goes on\n" if $at != $moves;
		$at = $moves;
		next if !$moving;
		$moves++;
		$c->close;
		$c = undef;
		select undef, undef, undef, 0.01
		    while !($c = eval { told() });
	}
	print "end $n\n";
END

my $lab = T::Lab->new(conf => { 'follow-delay' => '200ms',
    'switch-min-gap' => '200ms' });
$lab->start;
my $holder = $lab->wait_steady(30, together => 1);
my ($addr, $port) = $lab->client_address;
my @kinds = qw(internal-ip none);

$lab->spawn('client', "told-$_", $^X, "-I$FindBin::Bin/lib", '-e', $client,
    $addr, $port, $_) for @kinds;
for my $move (1 .. 3) {
	for my $kind (@kinds) {
		$lab->wait_until("$kind to go on", 20, sub {
			(() = $lab->idle("told-$kind") =~ /^goes on$/mg) >=
			    $move });
	}
	# The other node may not be ready to take it yet.
	ok $lab->wait_for(20, sub {
		$lab->admin($holder, 'HANDOVER') eq 'OK' }), 'HANDOVER';
	for my $kind (@kinds) {
		$lab->wait_until("$kind to be told", 20, sub {
			(() = $lab->idle("told-$kind") =~ /^MOVING/mg) >= $move });
	}
	$holder = $lab->wait_steady(30, together => 1);
}
for my $kind (@kinds) {
	$lab->wait_until("$kind to end", 20, sub {
		$lab->idle("told-$kind") =~ /^end/m });
	my @moves = $lab->idle("told-$kind") =~ /^MOVING \d+ (\S+)$/mg;
	is_deeply \@moves, [($kind eq 'none' ? 'null' : "$addr:$port") x 3],
	    "$kind: it is told where to";
	my ($n) = $lab->idle("told-$kind") =~ /^end (\d+)$/m;
	diag "$kind: $n INCRs over three handovers, none failed";
	cmp_ok $n, '>', 10, 'it went on meanwhile';
}
$lab->stop;
is_deeply [$lab->complaints], [], 'every program ended well';
done_testing;
