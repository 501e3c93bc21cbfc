# A control link with all rights is a password that can do anything to both
# Redis; one with too few fails in the middle of a switch. This is the list
# in holdover(8): a pair whose user has nothing else goes through each order
# that there is, and Redis notes no denial.
use strict;
use warnings;
use FindBin;
use Test::More;
use T;
use T::Pair;

my ($acl) = slurp("$FindBin::Bin/../man/holdover.8") =~
    /^ACL SETUSER holdover (.*?)^\.Ed/ms;
ok($acl, 'holdover(8) has the list') or BAIL_OUT('no list');
$acl =~ s/>\S+/>for-the-links/;

my $file = write_file(tmpdir() . '/password', "for-the-links\n", 0600);
my $pair = T::Pair->new(password => 'for-clients', later => 1, conf => join "\n",
    'redis-user holdover', "redis-password-file $file",
    'switch-min-gap 100ms', '');
for my $r (map { $pair->redis($_) } qw(a b)) {
	is($r->command('ACL', 'SETUSER', 'holdover', split ' ', $acl), 'OK',
	    'the user');
}
$pair->proxy($_)->start for qw(a b);
$pair->steady;

my $from = $pair->primary;
my $client = $pair->proxy($from)->connect;
is($client->command('AUTH', 'for-clients'), 'OK', 'a client with its password');
is($client->command('INCR', 'n'), 1, 'writes');

$pair->switchover;
is($client->command('INCR', 'n'), 2, 'it writes to the other');
$pair->switchover;
is($client->command('INCR', 'n'), 3, 'and back');

# A script that a client loads, and what it flushes.
my ($other) = map { $pair->redis($pair->other($_))->connect } $pair->primary;
for ([1, 'LOAD', 'return 1'], [0, 'FLUSH']) {
	my ($known, @command) = @$_;
	$client->command('SCRIPT', @command);
	wait_for("SCRIPT $command[0] at the other Redis", sub { $other->command(
	    'SCRIPT', 'EXISTS', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db')
	    ->[0] == $known });
}

# The node of the leader: its Redis dies, its Holdover freezes and leaves
# its links open, which the next leader ends.
my $leader = $pair->proxy($from)->info->{leader};
my $next = $pair->other($leader);
$pair->proxy($next)->admin(qw(NOTIFY INSTANCE VI_1 MASTER 250));
$pair->proxy($leader)->child->signal('STOP');
$pair->redis($leader)->child->kill;
$pair->proxy($next)->wait_info(leader => $next, 30);
$pair->proxy($next)->wait_info(gate => 'open', 30);
$pair->redis($leader)->start;
is($pair->redis($leader)->command('ACL', 'SETUSER', 'holdover',
    split ' ', $acl), 'OK', 'its Redis returns');
$pair->proxy($leader)->child->signal('CONT');
$pair->steady;

# A user that is made after Holdover has asked: it is let in then.
my $late = $pair->other($pair->primary);
my $r = $pair->redis($late)->connect;
is($r->command(qw(ACL DELUSER holdover)), 1, 'a Redis forgets the user');
$pair->proxy($_)->wait_info("redis_$late" => qr/denied/) for qw(a b);
is($r->command('ACL', 'SETUSER', 'holdover', split ' ', $acl), 'OK',
    'and knows it again');
$pair->proxy($_)->wait_info("redis_$late" => qr/link=up/) for qw(a b);
$r->command(qw(ACL LOG RESET));

my $used = '';
for my $n (qw(a b)) {
	my $redis = $pair->redis($n)->connect;
	is_deeply([grep { "@$_" =~ /username holdover/ }
	    @{$redis->command('ACL', 'LOG')}], [],
	    "the Redis of node $n denied it nothing");
	$used .= ' ' . join ' ', keys %{$redis->info('commandstats')};
	unlike($pair->proxy($n)->log, qr/for-the-links|for-clients/,
	    'no password is logged');
}
like($used, qr/cmdstat_\Q$_\E(?= |$)/, "+$_ is needed")
    for map { /^\+(.*)/ } split ' ', $acl;

done_testing;
