<?php
// php-redis HOST PORT
[, $host, $port] = $argv;
function connect() {
	global $host, $port;
	$r = new Redis;
	$r->connect($host, (int)$port, 5);
	return $r;
}
$c = connect();
$other = connect();
$checks = [
	'set and get' => fn() => $c->flushAll() && $c->set('k', 'v') &&
	    $other->get('k') === 'v',
	'CLIENT' => fn() => $c->client('setname', 'checker') &&
	    $c->client('getname') === 'checker' &&
	    in_array('checker', array_column($c->client('list'), 'name')),
	'pipeline' => function() use ($c) {
		$p = $c->pipeline();
		for ($i = 0; $i < 500; $i++)
			$p->incr('n');
		return $p->exec() === range(1, 500);
	},
	'MULTI' => fn() => $c->multi()->set('m', 1)->incr('m')->get('m')->exec()
	    === [true, 2, '2'],
	'MULTI in a pipeline' => fn() => $c->multi(Redis::PIPELINE)
	    ->incr('p')->incr('p')->exec() === [1, 2],
	'WATCH' => function() use ($c, $other) {
		$c->watch('w');
		$other->set('w', 1);
		return $c->multi()->set('w', 2)->exec() === false;
	},
	'Lua' => function() use ($c) {
		$script = 'return redis.call("INCRBY", KEYS[1], ARGV[1])';
		return $c->eval($script, ['lua', 2], 1) === 2 &&
		    $c->evalSha(sha1($script), ['lua', 2], 1) === 4;
	},
	'stream, blocking' => function() use ($c, $other) {
		$c->xGroup('CREATE', 's', 'g', '0', true);
		$other->xAdd('s', '*', ['f' => 'x']);
		$got = $c->xReadGroup('g', 'me', ['s' => '>'], 1, 10000);
		return array_values($got['s'])[0] === ['f' => 'x'] &&
		    !$c->xReadGroup('g', 'me', ['s' => '>'], 1, 100);
	},
	'BLPOP' => fn() => $other->rPush('q', 'x') &&
	    $c->blPop('q', 5) === ['q', 'x'] && $c->blPop('q', 1) === [],
	'SCAN' => function() use ($c) {
		for ($i = 0, $all = []; $i < 1000; $i++)
			$all["scan:$i"] = 1;
		$c->mSet($all);
		$c->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
		for ($it = null, $seen = []; $keys = $c->scan($it, 'scan:*');)
			$seen += array_flip($keys);
		return count($seen) === 1000;
	},
	'publish and subscribe' => function() use ($other) {
		global $host, $port;
		$s = connect();
		$pid = pcntl_fork();
		if ($pid === 0) {
			$p = connect();
			while ($p->publish('ch', 'hello') === 0)
				usleep(1000);
			posix_kill(getmypid(), SIGKILL);
		}
		$got = null;
		try {
			$s->subscribe(['ch'], function($r, $ch, $m)
			    use (&$got) {
				$got = $m;
				$r->close();
			});
		} catch (RedisException $e) {
			// It reads on, from what is closed.
		}
		pcntl_waitpid($pid, $status);
		return $got === 'hello';
	},
	'SELECT' => fn() => $other->select(3) && $other->set('only here', 1) &&
	    $c->get('only here') === false,
];
foreach ($checks as $name => $check) {
	try {
		echo $check() ? "ok $name\n" : "not ok $name\n";
	} catch (Throwable $e) {
		echo "not ok $name: ", $e->getMessage(), "\n";
	}
}
