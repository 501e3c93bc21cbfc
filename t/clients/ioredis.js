// ioredis HOST PORT
const assert = require('assert');
const Redis = require('ioredis');
const { run } = require('./check');
const [host, port] = process.argv.slice(2);
const open = (more) => new Redis({ host, port: Number(port),
    connectionName: 'checker', ...more });
const c = open(), other = open();

run({
	'set and get': async () => {
		await c.flushall();
		await c.set('k', 'v');
		assert.equal(await other.get('k'), 'v');
	},
	'CLIENT INFO': async () => {
		assert.equal(await c.client('GETNAME'), 'checker');
		assert.match(await c.client('INFO'), / name=checker /);
	},
	pipeline: async () => {
		const p = c.pipeline();
		for (let i = 0; i < 500; i++)
			p.incr('n');
		const n = (await p.exec()).map(([, r]) => r);
		assert.deepEqual(n, n.map((_, i) => i + 1));
	},
	'automatic pipeline': async () => {
		const a = open({ enableAutoPipelining: true });
		const n = await Promise.all(Array.from({ length: 200 },
		    () => a.incr('auto')));
		assert.deepEqual(n, n.map((_, i) => i + 1));
		a.disconnect();
	},
	MULTI: async () => assert.deepEqual((await c.multi().set('m', 1)
	    .incr('m').lpush('m', 1).exec()).map(([e, r]) => e ? 'error' : r),
	    ['OK', 2, 'error']),
	'MULTI in pieces': async () => {
		await c.multi({ pipeline: false });
		assert.equal(await c.incr('pieces'), 'QUEUED');
		assert.deepEqual(await c.exec(), [[null, 1]]);
	},
	WATCH: async () => {
		await c.watch('w');
		await other.set('w', 1);
		assert.equal(await c.multi().set('w', 2).exec(), null);
	},
	'publish and subscribe': async () => {
		const s = open();
		await s.psubscribe('c*');
		const got = new Promise((yes) => s.on('pmessage',
		    (p, ch, m) => yes(m)));
		await c.publish('ch', 'hello');
		assert.equal(await got, 'hello');
		await s.punsubscribe();
		assert.equal(await s.get('k'), 'v');
		s.disconnect();
	},
	Lua: async () => {
		c.defineCommand('add', { numberOfKeys: 1,
		    lua: 'return redis.call("INCRBY", KEYS[1], ARGV[1])' });
		assert.equal(await c.add('lua', 2), 2);
		assert.equal(await c.add('lua', 2), 4);
	},
	'stream, blocking': async () => {
		await c.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM');
		const got = c.xreadgroup('GROUP', 'g', 'me', 'BLOCK', 10000,
		    'STREAMS', 's', '>');
		await other.xadd('s', '*', 'f', 'x');
		assert.deepEqual((await got)[0][1][0][1], ['f', 'x']);
	},
	BLPOP: async () => {
		const got = c.blpop('q', 10);
		await other.rpush('q', 'x');
		assert.deepEqual(await got, ['q', 'x']);
	},
	SCAN: async () => {
		await c.mset(Object.fromEntries(Array.from({ length: 1000 },
		    (_, i) => [`scan:${i}`, 1])));
		const seen = new Set();
		for await (const keys of c.scanStream({ match: 'scan:*' }))
			keys.forEach((k) => seen.add(k));
		assert.equal(seen.size, 1000);
	},
	MONITOR: async () => {
		const m = await other.duplicate().monitor();
		const got = new Promise((yes) => m.on('monitor',
		    (t, args) => args[1] === 'seen' && yes()));
		await c.get('seen');
		await got;
		m.disconnect();
	},
}, () => [c, other].forEach((x) => x.disconnect()));
