# Between a reply and a TLS socket there are two more places where bytes can
# pile up: before they are encrypted, and after. A client that asks for 200 MB
# and does not read must cost no more than client-output-limit, delay nobody,
# and get every byte once it reads; one that sends a lot and is held up must
# not cost more either.
use strict;
use warnings;
use Test::More;
use T;
use T::Cert;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, tls => T::Cert->ca->sign,
    conf => 'client-output-limit 1mb')->open;

sub rss_mb {
	my ($kb) = slurp('/proc/' . $proxy->child->pid . '/status') =~
	    /^VmRSS:\s+(\d+) kB/m;
	return $kb / 1024;
}

my $value = join '', map { chr(97 + $_ % 26) } 1 .. 1024 * 1024;
my $slow = $proxy->connect_tls;
my $other = $proxy->connect_tls;
is($slow->command('SET', 'big', $value), 'OK', '1 MB goes in');
my $before = rss_mb();
$slow->raw(T::Resp::encode('GET', 'big') x 200);
wait_for('its replies to pile up', sub {
	my ($omem) = $other->command('CLIENT', 'LIST') =~ /omem=([1-9]\d+)/;
	$omem });
my $t = now();
is($other->command('GET', 'none'), undef, 'another is served') for 1 .. 200;
cmp_ok(now() - $t, '<', 5, 'without delay');
cmp_ok(rss_mb() - $before, '<', 60, 'memory is bounded');
my $wrong = grep { $slow->reply ne $value } 1 .. 200;
is($wrong, 0, 'then it reads, and gets all of it');

# One that is not read for a while, for its commands are held.
my $admin = $proxy->admin_connect;
is($admin->command('PAUSE', 'ALL', '60s'), 'OK', 'PAUSE');
$before = rss_mb();
my $pid = fork() // die;
if ($pid == 0) {
	eval { $slow->raw(T::Resp::encode('SET', 'k', 'x' x 100_000)
	    . T::Resp::encode('ECHO', 'y' x 100_000) x 300) };
	POSIX::_exit(0);
}
wait_for('its commands to wait', sub {
	$other->command('CLIENT', 'LIST') =~ /qbuf=\d{5}/ });
is($other->command('PING'), 'PONG', 'another is served');
cmp_ok(rss_mb() - $before, '<', 60, 'memory is bounded');
is($admin->command('RESUME'), 'OK', 'RESUME');
is($slow->reply, 'OK', 'what was held is answered');
$wrong = grep { $slow->reply ne 'y' x 100_000 } 1 .. 300;
is($wrong, 0, 'and all behind it, in order');
waitpid $pid, 0;

# One that goes away in the middle of it.
$slow->raw(T::Resp::encode('GET', 'big') x 50);
$slow->close;
wait_for('it to be gone', sub {
	(() = $other->command('CLIENT', 'LIST') =~ /^id=/mg) == 1 });
is($other->command('PING'), 'PONG', 'a client that left in the middle');
done_testing;
