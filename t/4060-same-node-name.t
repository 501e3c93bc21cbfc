# Both nodes were started from one copied configuration, so each says that it
# is node a and the other b. Each would take itself for the first by name
# and both might lead: so neither does anything, and both say why.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $secret = write_file(tmpdir() . '/secret', "not very secret\n", 0600);
my @port = map { free_port() } 1 .. 2;
my @redis = map { T::Redis->new(fence => 1) } 1 .. 2;
my @proxy = map { T::Proxy->new(redis => $redis[$_], later => 1,
    conf => join "\n", 'cluster test', 'node a',
    "peer b 127.0.0.1:$port[1 - $_]", "peer-port $port[$_]",
    'peer-redis 127.0.0.1:' . $redis[1 - $_]->port,
    "peer-secret-file $secret") } 0, 1;
$_->start for @proxy;

for my $p (@proxy) {
	wait_for('a line in the log', sub {
		$p->log =~ /calls itself node a.*same configuration/s });
	is($p->info->{gate}, 'closed', 'nothing is served');
	like($p->admin('STATUS'), qr/calls itself node a/, 'and says why');
}
is($_->info->{role}, 'slave', 'no Redis was promoted') for @redis;

# One is told its own name: from there on they are a pair.
$proxy[1]->child->kill('TERM');
my $conf = slurp("$proxy[1]{dir}/holdover.conf");
$conf =~ s/^node a$/node b/m;
$conf =~ s/^peer b/peer a/m;
write_file("$proxy[1]{dir}/holdover.conf", $conf);
$proxy[1]->start;
$_->wait_info(gate => 'open') for @proxy;
pass('with a name of its own all is well');

done_testing;
