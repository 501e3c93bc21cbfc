# Redis 7.2 to 8.0 say nothing to a wrong password while another answer has
# yet to leave by the same connection. Logins of many clients that go by one
# would get one another's answers from then on.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new(conf => 'user bob on >secret ~* &* +@all');
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n")->open;
my @clients = map { $proxy->connect } 1 .. 200;

sub batch { join '', map { T::Resp::encode(@$_) } @_ }

for my $round (1 .. 3) {
	my $wrong = 0;
	for my $i (0 .. $#clients) {
		$clients[$i]->send('AUTH', 'bob', ($i + $round) % 3 ? 'no' :
		    'secret');
	}
	for my $i (0 .. $#clients) {
		my $want = ($i + $round) % 3 ? qr/^-WRONGPASS/ : qr/^OK$/;
		$wrong++ if $clients[$i]->reply !~ $want;
	}
	is($wrong, 0, "a crowd logs in, round $round");
}
is((grep { $_->command('PING') eq 'PONG' } @clients), 200, 'all go on');
cmp_ok($proxy->info->{links_shared}, '<', 100,
    'by fewer connections than clients');

my $c = $proxy->connect;
$c->raw(batch(['PING'], ['AUTH', 'bob', 'no'], ['ECHO', 'x'],
    ['AUTH', 'bob', 'secret'], ['HELLO', 3, 'AUTH', 'bob', 'no'],
    ['ACL', 'WHOAMI']));
is_deeply([map { s/^(-\w+) .*/$1/r } map { $c->reply } 1 .. 6],
    ['PONG', '-WRONGPASS', 'x', 'OK', '-WRONGPASS', 'bob'], 'in a pipeline');
$c->raw(batch(['WATCH', 'k'], ['AUTH', 'bob', 'no'], ['ECHO', 'x']));
is_deeply([map { s/^(-\w+) .*/$1/r } map { $c->reply } 1 .. 3],
    ['OK', '-WRONGPASS', 'x'], 'and on a connection of its own');

done_testing;
