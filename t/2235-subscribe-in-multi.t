# Redis takes SUBSCRIBE inside of MULTI, and answers it inside of EXEC's answer.
# Who did so listens like any other, and nobody else hears of it.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 1\nswitch-min-gap 0\n");
my $proxy = $pair->proxy('a');
my $writer = $proxy->connect;

# What MULTI with these is answered.
sub multi {
	my ($c, @commands) = @_;
	return join '', map { $c->send(@$_); $c->reply_bytes }
	    ['MULTI'], @commands, ['EXEC'];
}

for my $proto (2, 3) {
	my ($c, $direct) = map { my $x = $_->connect;
	    $x->command('HELLO', $proto); $x } $proxy,
	    $pair->redis($pair->primary);
	my @ask = (['GET', 'k'], ['SUBSCRIBE', 'ch'], ['PSUBSCRIBE', 'p*'],
	    ['PING']);
	is(multi($c, @ask), multi($direct, @ask), "RESP$proto: as by Redis");
	$direct->close;
	for my $round (1, 2) {
		wait_for('it to listen',
		    sub { $writer->command('PUBLISH', 'ch', $round) });
		$writer->command('PUBLISH', 'pch', $round);
		is_deeply($c->reply, ['message', 'ch', $round], 'it hears');
		is_deeply($c->reply, ['pmessage', 'p*', 'pch', $round],
		    'both');
		$pair->switchover if $round == 1;
	}
	$c->command('PUNSUBSCRIBE');
	is_deeply($c->command('UNSUBSCRIBE'), ['unsubscribe', 'ch', 0],
	    'and no longer');
	is($c->command('ECHO', 'on'), 'on', 'and goes on');
	$proxy->wait_info(links_own => 0);

	# Another's connection must not be the one that it had.
	multi($c, ['SUBSCRIBE', 'ch']);
	my @other = map { my $x = $proxy->connect;
	    $x->command('HELLO', $proto); $x->command('WATCH', 'k'); $x } 1 .. 3;
	$writer->command('PUBLISH', 'ch', 'secret');
	is_deeply($c->reply, ['message', 'ch', 'secret'], 'it hears');
	is($_->command('ECHO', 'on'), 'on', 'nobody else does') for @other;
	$_->close for $c, @other;
}
is($proxy->info->{clients_cut}, 0, 'nobody was cut');

done_testing;
