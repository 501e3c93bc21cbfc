#!/usr/bin/perl
#
# A subscriber and a BLPOP send nothing. When the VIP moves nobody tells
# them, and they wait for ever on a connection that is no more.
#
# Here four kinds of them, one at the port for TLS, wait while the VIP moves: by a handover, when the
# old holder can say goodbye; and by a crash, when only the new one can.
# Without the capabilities all else goes on as before.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::Cert;
use T::Lab;
use Test::More;

my $why = T::Lab->why_not;
plan skip_all => $why if defined $why;

my %idle = (subscriber => [1, 'SUBSCRIBE', 'news'],
    blpop => [0, 'BLPOP', 'nothing', 0], silent => [0], tls => [0]);
my $tls_port = 6390;
my %fast = ('follow-delay' => '200ms', 'switch-min-gap' => '200ms',
    'tls-port' => $tls_port, map { split ' ' } split /\n/,
    T::Cert->ca->sign->conf);

sub start_them
{
	my ($lab, $round) = @_;

	for (sort keys %idle) {
		my $port = $_ eq 'tls' ? $tls_port :
		    ($lab->client_address)[1];
		$lab->start_idle_at($port, "$_-$round", @{$idle{$_}});
	}
	my $other = $lab->other($lab->vip_holder);
	$lab->wait_until('the other node knows of them', 10, sub {
		$lab->info($other)->{peer_vip_clients} == keys %idle });
}

# All of them were told within the deadline, and how fast.
sub all_told
{
	my ($lab, $round, $since, $what) = @_;

	for my $name (map { "$_-$round" } sort keys %idle) {
		ok $lab->wait_for(10, sub {
			$lab->idle($name) =~ /^(reset|closed) /m }),
		    "$what: $name learns of it" or diag $lab->idle($name);
		my ($at) = $lab->idle($name) =~ /^(?:reset|closed) (\S+)/m;
		diag sprintf '%s: %s, %.0f ms after the VIP came', $what,
		    $name, $at * 1000 - $lab->vip_came_us($since) / 1000
		    if defined $at;
	}
}

my $lab = T::Lab->new(conf => \%fast);
$lab->start;
my $holder = $lab->wait_steady(30, together => 1);
start_them($lab, 1);
my $begin = time;
is $lab->admin($holder, 'HANDOVER'), 'OK', 'HANDOVER';
all_told($lab, 1, $begin, 'handover');

$holder = $lab->wait_steady(30, together => 1);
start_them($lab, 2);
$begin = time;
$lab->crash_node($holder);
all_told($lab, 2, $begin, 'crash');
$lab->stop;
is_deeply [$lab->complaints], [], 'every program ended well';

# Root without the two capabilities
$lab = T::Lab->new(conf => \%fast, through => [T::Lab::program('setpriv'),
    '--bounding-set', '-net_admin,-net_raw']);
$lab->start;
$holder = $lab->wait_steady(30, together => 1);
is $lab->admin($holder, 'HANDOVER'), 'OK', 'HANDOVER without capabilities';
$lab->start_writers;
$lab->wait_writes;
my $writes = $lab->stop_writers;
cmp_ok $writes->{acknowledged}, '>', 0, 'it serves';
$lab->halt;
is_deeply [$lab->complaints], [], 'and ends well';
like $lab->read_file($lab->dir . "/$holder/log/holdover.log"),
    qr/for want of CAP_NET_RAW/, 'and says what is missing';
done_testing;
