// node-redis HOST PORT
const assert = require('assert');
const { createClient } = require('redis');
const { run } = require('./check');
const [host, port] = process.argv.slice(2);
const open = async (more) => {
	const c = createClient({ socket: { host, port: Number(port) },
	    name: 'checker', ...more });
	c.on('error', () => {});
	return c.connect();
};

(async () => {
	const c = await open({ RESP: 3 });
	const old = await open({ RESP: 2 });
	const other = await open({ RESP: 3 });

	await run({
		'set and get': async () => {
			await c.flushAll();
			await c.set('k', 'v');
			assert.equal(await old.get('k'), 'v');
		},
		'CLIENT INFO': async () => {
			const i = await c.sendCommand(['CLIENT', 'INFO']);
			assert.match(String(i), / name=checker /);
		},
		pipeline: async () => {
			const n = await Promise.all(Array.from({ length: 500 },
			    () => c.incr('n')));
			assert.deepEqual(n, n.map((_, i) => i + 1));
		},
		MULTI: async () => assert.deepEqual(await c.multi().set('m', '1')
		    .incr('m').hSet('h', 'f', 'x').hGetAll('h').exec().then((r) =>
		    [r[0], r[1], r[2], r[3].f]), ['OK', 2, 1, 'x']),
		WATCH: async () => {
			await c.watch('w');
			await other.set('w', '1');
			await assert.rejects(c.multi().set('w', '2').exec());
			assert.equal(await c.get('w'), '1');
		},
		'publish and subscribe': async () => {
			for (const s of [await open({ RESP: 3 }),
			    await open({ RESP: 2 })]) {
				const got = new Promise((yes) => s.subscribe('ch',
				    yes).then(() => c.publish('ch', 'hello')));
				assert.equal(await got, 'hello');
				await s.unsubscribe();
				assert.equal(await s.get('k'), 'v');
				s.destroy();
			}
		},
		Lua: async () => {
			const script = 'return redis.call("INCRBY", KEYS[1], ARGV[1])';
			const a = { keys: ['lua'], arguments: ['2'] };
			assert.equal(await c.eval(script, a), 2);
			const sha = await c.scriptLoad(script);
			assert.equal(await old.evalSha(sha, a), 4);
			await assert.rejects(c.evalSha('0'.repeat(40), a),
			    /NOSCRIPT/);
		},
		'stream, blocking': async () => {
			await c.xGroupCreate('s', 'g', '$', { MKSTREAM: true });
			const got = old.xReadGroup('g', 'me', [{ key: 's', id: '>' }],
			    { BLOCK: 10000, COUNT: 1 });
			await other.xAdd('s', '*', { f: 'x' });
			assert.equal((await got)[0].messages[0].message.f, 'x');
		},
		BLPOP: async () => {
			const got = old.blPop('q', 10);
			await other.rPush('q', 'x');
			assert.equal((await got).element, 'x');
			assert.equal(await old.blPop('q', 0.1), null);
		},
		SCAN: async () => {
			await c.mSet(Array.from({ length: 1000 },
			    (_, i) => [`scan:${i}`, '1']));
			const seen = new Set();
			for await (const keys of c.scanIterator({
			    MATCH: 'scan:*', COUNT: 50 }))
				keys.forEach((k) => seen.add(k));
			assert.equal(seen.size, 1000);
		},
		tracking: async () => {
			const t = await open({ RESP: 3, clientSideCache: { ttl: 0,
			    maxEntries: 0 } });
			await c.set('t', '1');
			assert.equal(await t.get('t'), '1');
			await c.set('t', '2');
			while (await t.get('t') !== '2')
				await new Promise((f) => setTimeout(f, 5));
			t.destroy();
		},
		SELECT: async () => {
			const s = await open({ database: 3 });
			await s.set('only here', '1');
			assert.equal(await c.get('only here'), null);
			s.destroy();
		},
	}, () => [c, old, other].forEach((x) => x.destroy()));
})();
