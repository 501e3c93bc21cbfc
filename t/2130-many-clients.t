# Ten thousand clients that do nothing, and a thousand that come and go each
# second, are an ordinary day. What they cost is shown; that they are all
# served, spread evenly, and leave no memory behind, is tested.
use strict;
use warnings;
use POSIX ();
use Socket;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

use constant CROWD => 10_000;
use constant CALLERS => 5_000;

chomp(my $hard = `sh -c "ulimit -Hn"`);
plan skip_all => "only $hard descriptors are allowed here"
    if $hard ne 'unlimited' && $hard < CROWD + 500;
if (!$ENV{T_MANY_CLIENTS}) {
	$ENV{T_MANY_CLIENTS} = 1;
	exec 'sh', '-c', 'ulimit -n $1 && shift && exec "$@"', 'sh',
	    CROWD + 500, $^X, (map { "-I$_" } @INC), $0;
}

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis,
    conf => "workers 4\nmaxclients " . (CROWD + 100) . "\nlog-level info\n")
    ->open;
my $pid = $proxy->child->pid;
my $to = pack_sockaddr_in($proxy->port, inet_aton('127.0.0.1'));

sub rss_kb { slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m; $1 }

sub call {
	socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
	connect($s, $to) or die "connect: $!\n";
	return $s;
}

# What Redis is asked over what all share, so that it needs no connections.
sub ask { syswrite($_[0], "CLIENT ID\r\n") or die "write: $!\n" }
sub hear {
	my ($s) = @_;
	sysread($s, my $text, 100) or die "read: $!\n";
	return $text =~ /^:(\d+)\r\n$/ ? $1 : die "not an id: $text\n";
}

sub crowd {
	my @c = map { call() } 1 .. CROWD;
	ask($_) for @c;
	my %ids = map { hear($_) => 1 } @c;
	is(scalar keys %ids, CROWD, 'all of a crowd are served');
	return @c;
}

my $before = rss_kb();
my @c = crowd();
my $with = rss_kb();
is($proxy->info->{clients}, CROWD, 'and counted');
my @each = sort { $a <=> $b }
    $proxy->admin('SHOW', 'WORKERS') =~ /clients=(\d+)/g;
ok(@each == 4 && $each[3] <= $each[0] * 1.2, 'and spread evenly')
    or diag("clients: @each");
@c = ();
$proxy->wait_info(clients => 0);
my $after = rss_kb();
diag(sprintf 'RSS: %d kB before, %d kB with %d idle clients (%.2f KiB each), '
    . '%d kB when they have gone', $before, $with, CROWD,
    ($with - $before) / CROWD, $after);
# A sanitizer keeps what is freed.
my $plain = slurp("/proc/$pid/maps") !~ /lib[at]san/;
cmp_ok(($with - $before) / CROWD, '<', 8, 'an idle client is small')
    if $plain;

# A second crowd takes no more than the first: nothing was lost.
@c = crowd();
cmp_ok(rss_kb(), '<', 1.25 * $with, 'a second crowd fits where the first was')
    if $plain;
my $n = () = $proxy->admin('SHOW', 'CLIENTS') =~ /^id=/mg;
is($n, CROWD, 'and shown');
@c = ();
$proxy->wait_info(clients => 0);

# Come, ask, go.
my $start = now();
my $served = 0;
for (1 .. CALLERS) {
	my $s = call();
	ask($s);
	$served++ if hear($s);
}
diag(sprintf '%d connects in %.1f s, %.0f a second', CALLERS,
    now() - $start, CALLERS / (now() - $start));
is($served, CALLERS, 'all who come and go are served');
$proxy->wait_info(clients => 0);
is($proxy->info->{clients_accepted}, 2 * CROWD + CALLERS, 'and counted');

done_testing;
