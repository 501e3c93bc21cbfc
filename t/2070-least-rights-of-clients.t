# What Holdover asks Redis on behalf of a client (PING behind SUBSCRIBE, SELECT
# on a new connection, CLIENT ID of one that blocks) is asked as that client's
# user, who may have no right to it. Users who may do next to nothing get the
# same answers directly and through Holdover, also when their connections have
# to be made anew.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my ($redis, $twin) = map { T::Redis->new } 1 .. 2;
my $proxy = T::Proxy->new(redis => $twin)->open;

my %rights = (
	plain => '+get +set',
	stream => '+xread +xadd',
	listens => '&* +subscribe +publish',
	listens_all => '&* +psubscribe +punsubscribe +subscribe +unsubscribe '
	    . '+publish +get',
	blocks => '+blpop +rpush',
	tx => '+multi +exec +discard +watch +get +incr',
	waits => '+set +wait',
	selects => '+get +set +select',
);
for my $r ($redis, $twin) {
	my $c = $r->connect;
	is($c->command('ACL', 'SETUSER', $_, 'on', '>word', '~*',
	    split ' ', $rights{$_}), 'OK', "$_: $rights{$_}")
	    for sort keys %rights;
	is($c->command(qw(ACL SETUSER chooser on >word +select)), 'OK',
	    'one who may only SELECT');
}

my %does = (
	plain => [['SET', 'k', 'v'], ['GET', 'k'], ['INCR', 'n'], ['PING'],
	    ['SELECT', 1], ['CLIENT', 'ID'], ['CLIENT', 'SETNAME', 'x'],
	    ['MULTI'], ['SUBSCRIBE', 'x'], ['GET', 'k']],
	stream => [['XADD', 's', '1-1', 'f', 'v'],
	    ['XREAD', 'BLOCK', 10, 'STREAMS', 's', '0'],
	    ['XREAD', 'BLOCK', 10, 'STREAMS', 's', '$'],
	    ['XREAD', 'STREAMS', 's', '0']],
	listens => [['PUBLISH', 'ch', 'nobody'], ['SUBSCRIBE', 'ch'],
	    ['SUBSCRIBE', 'ch']],
	listens_all => [['GET', 'k'], ['PSUBSCRIBE', 'ch*'],
	    ['PUNSUBSCRIBE', 'ch*'], ['GET', 'k']],
	blocks => [['RPUSH', 'l', 1], ['BLPOP', 'l', 1],
	    ['BLPOP', 'l', '0.01'], ['LPOP', 'l']],
	tx => [['MULTI'], ['INCR', 'n'], ['GET', 'n'], ['EXEC'],
	    ['WATCH', 'n'], ['MULTI'], ['INCR', 'n'], ['EXEC'], ['MULTI'],
	    ['SET', 'n', 1], ['EXEC'], ['MULTI'], ['DISCARD'], ['PING']],
	waits => [['SET', 'k', 'v'], ['WAIT', 0, 10], ['GET', 'k']],
	selects => [['SELECT', 5], ['SET', 'k', 'five'], ['SELECT', 0],
	    ['GET', 'k']],
);

# How one gets to be that user.
my %ways = (
	'AUTH' => sub { ['AUTH', $_[0], 'word'] },
	'AUTH in db 3' => sub { ['SELECT', 3], ['AUTH', $_[0], 'word'] },
	'AUTH in db 3 that another chose' => sub {
		['AUTH', 'chooser', 'word'], ['SELECT', 3],
		['AUTH', $_[0], 'word'] },
	'HELLO 3' => sub { ['HELLO', 3, 'AUTH', $_[0], 'word'] },
	'HELLO 3 in db 3' => sub {
		['SELECT', 3], ['HELLO', 3, 'AUTH', $_[0], 'word'] },
	'AUTH, HELLO 3' => sub { ['AUTH', $_[0], 'word'], ['HELLO', 3] },
);

sub answer {
	my ($c, $r) = @_;
	my $bytes = $c->send(@$r)->reply_bytes;
	return $r->[0] eq 'HELLO' || "@$r" eq 'CLIENT ID' ?
	    substr $bytes, 0, 1 : $bytes;
}

# No link is made in another way and found again.
sub kill_links { $twin->command(qw(CLIENT KILL TYPE), $_) for qw(normal pubsub) }

for my $way (sort keys %ways) {
	for my $user (sort keys %does) {
		my ($direct, $through) = ($redis->connect, $proxy->connect);
		my @first = $ways{$way}->($user);
		my (@want, @got);
		for my $r (@first, @{$does{$user}}) {
			push @want, "@$r: " . answer($direct, $r);
			push @got, "@$r: " . answer($through, $r);
			last if $got[-1] ne $want[-1];
			kill_links() if $r == $first[-1];
		}
		kill_links();
		is_deeply(\@got, \@want, "$user by $way");
		$_->close for $direct, $through;
	}
	$_->command('FLUSHALL') for $redis, $twin;
}

# One whose password is changed meanwhile has to go, and does not hang.
for my $proto (2, 3) {
	my $c = $proxy->connect;
	$c->command('SELECT', 3);
	$c->command('HELLO', $proto, 'AUTH', 'plain', 'word');
	$twin->command(qw(ACL SETUSER plain resetpass >other));
	kill_links();
	is(eval { $c->command('GET', 'k') } // $@, "connection closed\n",
	    "a password that is right no more, RESP$proto");
	$twin->command(qw(ACL SETUSER plain resetpass >word));
}

# WAIT is about the writes before it, though its link carried none of them.
my $replica = T::Redis->new(conf => 'replicaof 127.0.0.1 ' . $twin->port);
wait_for('the replica', sub { $replica->info->{master_link_status} eq 'up' });
for my $proto (2, 3) {
	my $c = $proxy->connect;
	$c->command('HELLO', $proto, 'AUTH', 'waits', 'word');
	$c->command('SET', 'k', 'before');
	is($c->command('WAIT', 1, 5000), 1, 'WAIT for a replica that lives');
	$replica->child->signal('STOP');
	$c->command('SET', 'k', 'after');
	is($c->command('WAIT', 1, 50), 0, 'and for one that does not');
	$replica->child->signal('CONT');
}

# CLIENT UNBLOCK is a right of who asks for it.
my $admin = $proxy->connect;
for my $proto (2, 3) {
	for my $round (1, 2) {
		my $c = $proxy->connect;
		$c->command('HELLO', $proto, 'AUTH', 'blocks', 'word');
		$c->send('BLPOP', "none$round", 0);
		my $id;
		wait_for('it to be blocked', sub {
			($id) = $admin->command('CLIENT', 'LIST') =~
			    /^id=(\d+) .* cmd=blpop user=blocks/m });
		wait_for('CLIENT UNBLOCK', sub {
			$admin->command('CLIENT', 'UNBLOCK', $id) == 1 });
		is($c->reply, undef, "unblocked, RESP$proto, round $round");
		$c->close;
	}
}

done_testing;
