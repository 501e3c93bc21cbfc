# A script that never ends keeps Redis from reading what came by the same
# connection. Those who shared it waited, where Redis says BUSY to everybody
# else, and SCRIPT KILL could not get through.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new(conf => "busy-reply-threshold 100\n");
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n" .
    "client-deny \"\"\n")->open;
my $direct = $redis->connect;
my $forever = 'while true do end';
my $busy = qr{^-BUSY (?:Redis|Valkey) is busy};

sub client
{
	my $c = $proxy->connect;
	is($c->command('SELECT', $_[0]), 'OK', "a client of database $_[0]")
	    if $_[0];
	return $c;
}

sub loop
{
	my ($c, @command) = @_;

	$c->send(@command);
	wait_for('the script to run', sub {
		($direct->command('GET', 'any') // '') =~ $busy });
}

# Those of another client that go by the link of scripts.
sub scripts_busy
{
	return scalar grep { /^link=busy for=scripts/ } split /\n/,
	    $proxy->admin('SHOW', 'LINKS');
}

for my $db (0, 5) {
	my ($looping, $writer, $runner, $killer) = map { client($db) } 1 .. 4;

	is($writer->command('SET', "k$db", 0), 'OK', 'one that writes');
	is($runner->command('EVAL', 'return 1', 0), 1, 'one that runs scripts');
	loop($looping, 'EVAL', $forever, 0);
	like($writer->command('INCR', "k$db"), $busy, 'is told BUSY');
	like($writer->command('GET', "k$db"), $busy, 'and again');
	wait_for('the link of scripts to be taken for busy', \&scripts_busy);
	like($runner->command('EVAL', 'return 2', 0), $busy,
	    'who runs a script too');
	like($runner->command('FCALL', 'none', 0), $busy, 'or a function');
	is_deeply([map { $runner->send(@$_)->reply } ['MULTI'],
	    ['INCR', "k$db"]], ['OK', $direct->send('INCR', 'k')->reply],
	    'a transaction begins, its commands are refused');
	$runner->send('SET', "later$db", 1);
	like($runner->reply, $busy, 'and refused');

	# It was in flight behind the script, of the client's own will.
	$looping->send('INCR', "k$db");
	is($killer->command('SCRIPT', 'KILL'), 'OK', 'SCRIPT KILL');
	like($looping->reply, qr/^-ERR .*killed/i, 'ends the script');
	is($looping->reply, 1, 'and what waited behind it runs');
	like($runner->command('EXEC'), qr/^-EXECABORT/,
	    'the transaction has failed');
	is($runner->command('EXISTS', "later$db"), 0, 'nothing of it ran');
	is($runner->command('EVAL', 'return 3', 0), 3, 'scripts run again');
	is($writer->command('INCR', "k$db"), 2, 'all goes on');
	wait_for('no link to be busy', sub { !scripts_busy() });
}

# Sent before anybody could know that the one in front does not end.
my ($looping, $behind, $killer) = map { client(0) } 1 .. 3;
$looping->send('EVAL', $forever, 0);
$behind->send('EVAL', 'return redis.call("INCR", "behind")', 0);
wait_for('Redis to be busy', sub {
	($direct->command('GET', 'any') // '') =~ $busy });
is($killer->command('SCRIPT', 'KILL'), 'OK', 'SCRIPT KILL');
like($looping->reply, qr/^-ERR .*killed/i, 'ends the script');
like($behind->reply, qr/^(?:1|-BUSY.*)$/, 'the one behind was answered once');

# Functions, MULTI in one piece, and who leaves while its script runs.
is($looping->command('FUNCTION', 'LOAD', "#!lua name=l\n" .
    "redis.register_function('forever', function() while true do end end)"),
    'l', 'a function');
loop($looping, 'FCALL', 'forever', 0);
like($behind->command('GET', 'x'), $busy, 'FCALL: others are told BUSY');
is($behind->command('FUNCTION', 'STATS')->[1][1], 'forever',
    'FUNCTION STATS says what runs');
is($killer->command('FUNCTION', 'KILL'), 'OK', 'FUNCTION KILL');
like($looping->reply, qr/^-ERR .*killed/i, 'ends the function');

my $sha = $behind->command('SCRIPT', 'LOAD', $forever);
$looping->raw(join '', map { T::Resp::encode(@$_) } ['MULTI'],
    ['EVALSHA', $sha, 0], ['INCR', 'tx'], ['EXEC']);
wait_for('Redis to be busy', sub {
	($direct->command('GET', 'any') // '') =~ $busy });
like($behind->command('SET', 'x', 1), $busy, 'a transaction: BUSY');
is($killer->command('SCRIPT', 'KILL'), 'OK', 'SCRIPT KILL');
my @got = map { $looping->reply } 1 .. 4;
is($got[3][1], 1, 'ends the script, the transaction goes on');

loop($looping, 'EVAL', $forever, 0);
$looping->close;
like($behind->command('GET', 'x'), $busy, 'its client has gone: BUSY');
is($killer->command('SCRIPT', 'KILL'), 'OK', 'SCRIPT KILL');
is(wait_for('the script to end', sub {
	my $got = $behind->command('GET', 'tx'); $got !~ $busy && $got }), 1,
	'ends it');

done_testing;
