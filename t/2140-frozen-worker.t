# The kernel may leave one thread sleeping while the others go on. What it
# read before from a Redis that has died since must not reach a client after
# another Redis has taken a write: it would be older than what others know.
# And who asks whether all is well must not be told so.
#
# ptrace stops one thread of Holdover. Redis answers a GET into its socket and
# dies; the failover goes on, a write is acknowledged; then the thread wakes.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

use constant { SYS_PTRACE => 101, ATTACH => 16, DETACH => 17 };

plan skip_all => 'system calls are numbered for x86-64'
    if qx(uname -m) ne "x86_64\n";

sub ptrace { syscall(SYS_PTRACE, $_[0], $_[1] + 0, 0, 0) == 0 }

my $pair = T::Pair->new(conf => "workers 2\ndrain-timeout 300ms\n"
    . "switch-min-gap 0");
my $primary = $pair->primary;
my $proxy = $pair->proxy($pair->other($primary));
my $redis = $pair->redis($primary);
my @c = map { $proxy->connect } 1, 2;
is($_->command('CLIENT', 'SETNAME', 'x'), 'OK', 'one client at each worker')
    for @c;
like($proxy->admin('SHOW', 'WORKERS'), qr/clients=1\n.*clients=1\n/,
    'as SHOW WORKERS says');
is($c[0]->command('SET', 'x', 'old'), 'OK', 'a value');
is($c[1]->command('GET', 'x'), 'old', 'is read by the other');

# The thread that wakes up when the first of them asks.
sub woken {
	my ($comm) = @_;
	slurp($comm =~ s/comm$/status/r) =~
	    /^voluntary_ctxt_switches:\s+(\d+)/m;
	return $1;
}
my %woken = map { $_ => woken($_) } grep { slurp($_) =~ /^worker / }
    glob('/proc/' . $proxy->child->pid . '/task/*/comm');
$c[0]->command('CLIENT', 'ID') for 1 .. 20;
my ($tid) = map { m{(\d+)/comm} } sort { woken($b) - $woken{$b} <=>
    woken($a) - $woken{$a} } keys %woken;
ok($tid, 'the thread is found');

# Stopped, or running again.
sub thread_is {
	my ($want) = @_;
	wait_for("the thread to be in state $want", sub {
		slurp("/proc/$tid/stat") =~ /\) $want / });
}

sub freeze {
	ptrace(ATTACH, $tid) or return 0;
	thread_is('t');
	return 1;
}

# While the thread sleeps, a switchover cannot know what it still does.
SKIP: {
	freeze() or skip 'no ptrace here', 6;
	is($pair->proxy($primary)->admin('SWITCHOVER') =~ /^-ERR/ ? 1 : 0, 1,
	    'a switchover is undone');
	my $admin = $proxy->admin_connect->send('HEALTH');
	ok(!$admin->readable(0.5), 'HEALTH has no answer');
	is($proxy->admin('PING'), 'PONG', 'though the main thread has');
	ptrace(DETACH, $tid);
	is($admin->reply, 'OK', 'HEALTH is answered when it is awake');
	$pair->steady;

	# Its Redis sleeps as well until the GET has been sent.
	$redis->child->signal('STOP');
	$c[0]->send('GET', 'x');
	$proxy->wait_info(in_flight => 1);
	freeze() or die "ptrace: $!";
	$redis->child->signal('CONT');
	$redis->command('PING') for 1, 2;	# behind the GET
	$redis->child->kill;
	is($c[1]->command('SET', 'x', 'new'), 'OK', 'the other Redis took over');
	ptrace(DETACH, $tid);
	is($c[0]->reply, 'new', 'the sleeper does not tell what is over');
}

done_testing;
