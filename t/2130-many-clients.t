# Twenty thousand clients that do nothing, and two thousand that come and go each
# second, are a day like others. What they cost is shown; that they are all
# served, spread evenly, and leave no memory behind, is tested.
use strict;
use warnings;
use FindBin;
use POSIX ();
use Socket;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

use constant { STORM => 2000, SECONDS => 5 };

# Twenty thousand, or as many as descriptors are allowed here.
chomp(my $hard = `sh -c "ulimit -Hn"`);
my $allowed = $hard eq 'unlimited' ? 1e6 : $hard;
use constant SPARE => 600;
my $crowd = $allowed - SPARE > 20_000 ? 20_000 : $allowed - SPARE;
plan skip_all => "only $hard descriptors are allowed here" if $crowd < 4000;
if (!$ENV{T_MANY_CLIENTS}) {
	$ENV{T_MANY_CLIENTS} = 1;
	exec 'sh', '-c', 'ulimit -n $1 && shift && exec "$@"', 'sh',
	    $crowd + SPARE, $^X, (map { "-I$_" } @INC), $0;
}

my $load = tmpdir() . '/load';
system($ENV{CC} // 'cc', '-O2', '-std=gnu11', '-o', $load,
    "$FindBin::Bin/bench/load.c") == 0 or die "load.c does not compile\n";
my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis,
    conf => "workers 4\nmaxclients " . ($crowd + 500) . "\nlog-level info\n")
    ->open;
my $pid = $proxy->child->pid;
my $to = pack_sockaddr_in($proxy->port, inet_aton('127.0.0.1'));

sub rss_kb { slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m; $1 }

# A thousand from each address: the kernel is slow to find the last ports.
my $calls = 0;
sub call {
	my $from = inet_aton('127.0.2.' . int($calls++ / 1000) % 250);
	socket(my $s, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
	bind($s, pack_sockaddr_in(0, $from)) or die "bind: $!\n";
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
	my @c = map { call() } 1 .. $crowd;
	is_served(@c);
	return @c;
}

sub is_served {
	my (@c) = @_;
	ask($_) for @c;
	my %ids = map { hear($_) => 1 } @c;
	is(scalar keys %ids, $crowd, 'all of a crowd are served');
}

my $before = rss_kb();
my @c = crowd();
my $with = rss_kb();
is($proxy->info->{clients}, $crowd, 'and counted');
my @each = sort { $a <=> $b }
    $proxy->admin('SHOW', 'WORKERS') =~ /clients=(\d+)/g;
ok(@each == 4 && $each[3] <= $each[0] * 1.2, 'and spread evenly')
    or diag("clients: @each");
@c = ();
$proxy->wait_info(clients => 0);
my $after = rss_kb();
diag(sprintf 'RSS: %d kB before, %d kB with %d idle clients (%.2f KiB each), '
    . '%d kB when they have gone', $before, $with, $crowd,
    ($with - $before) / $crowd, $after);
# A sanitizer keeps what is freed.
my $plain = slurp("/proc/$pid/maps") !~ /lib[at]san/;
cmp_ok(($with - $before) / $crowd, '<', 8, 'an idle client is small')
    if $plain;

# A second crowd takes no more than the first: nothing was lost.
@c = crowd();
cmp_ok(rss_kb(), '<', 1.25 * $with, 'a second crowd fits where the first was')
    if $plain;
my $n = () = $proxy->admin('SHOW', 'CLIENTS') =~ /^id=/mg;
is($n, $crowd, 'and shown');

# Come, ask, go, while the crowd is there.
$redis->command('SET', 'key:0100', 'x' x 100);
sub cpu {
	my $ns = 0;
	$ns += (split ' ', slurp($_))[0] for glob "/proc/$pid/task/*/schedstat";
	return $ns / 1e9;
}
my $cpu = cpu();
my $said = `$load @{[$proxy->port]} storm 0 1 100 @{[SECONDS]} @{[STORM]}`;
my ($served, $seconds, $p50, $p99) = split ' ', $said;
diag(sprintf '%d connects in %.1f s beside %d idle clients, answered in %d us, '
    . '99 of 100 in %d us, CPU %.1f us each', $served, $seconds, $crowd, $p50,
    $p99, (cpu() - $cpu) / $served * 1e6);
is($served, STORM * SECONDS, 'all who come and go are served');
is_served(@c);
@c = ();
$proxy->wait_info(clients => 0);
is($proxy->info->{clients_accepted}, 2 * $crowd + STORM * SECONDS,
    'and counted');

# ---- no descriptors ----

# Who cannot be accepted waits, and Holdover as well: it must not spin.
my $few = T::Proxy->new(redis => $redis,
    conf => "workers 1\nmaxclients 1000\nlog-level info\n")->open;
$pid = $few->child->pid;
system('prlimit', "--pid=$pid", '--nofile=64:64') == 0 or die 'prlimit';
$to = pack_sockaddr_in($few->port, inet_aton('127.0.0.1'));
@c = map { call() } 1 .. 100;
my $failed = sub { scalar(() = $few->log =~ /for want of descriptors/g) };
wait_for('descriptors to run out', sub { $failed->() > 0 });
$cpu = cpu();
my ($from, $then) = ($failed->(), now());
wait_for('ten more attempts', sub { $failed->() >= $from + 10 });
cmp_ok((cpu() - $cpu) / (now() - $then), '<', 0.3,
    'it does not spin for want of descriptors');
ask($_) for @c;
ok(hear($c[0]), 'those who were accepted are served');
is($few->admin('PING'), 'PONG', 'operators too');
splice @c, 0, 80;
ok(hear($c[-1]), 'and the others when some have left');
@c = ();
$few->wait_info(clients => 0);

done_testing;
